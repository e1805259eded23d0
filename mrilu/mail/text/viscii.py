"""VISCII 1.1, the Vietnamese charset of RFC 1456, which Python lacks, as a codec."""

import codecs
from typing import Any

# The six capitals that did not fit above 0x80, and the upper half; RFC 1456, section 3.
_LOW = {0x02: "Ẳ", 0x05: "Ẵ", 0x06: "Ẫ", 0x14: "Ỷ", 0x19: "Ỹ", 0x1E: "Ỵ"}
_HIGH = (
    "ẠẮẰẶẤẦẨẬẼẸẾỀỂỄỆỐỒỔỖỘỢỚỜỞỊỎỌỈỦŨỤỲÕắằặấầẩậẽẹếềểễệốồổỗỠƠộờởịỰỨỪỬơớƯ"
    "ÀÁÂÃẢĂẳẵÈÉÊẺÌÍĨỳĐứÒÓÔạỷừửÙÚỹỵÝỡưàáâãảăữẫèéêẻìíĩỉđựòóôõỏọụùúũủýợỮ"
)
_TABLE = "".join(_LOW.get(code, chr(code)) for code in range(0x80)) + _HIGH
_CODES = codecs.charmap_build(_TABLE)


def _encode(text: str, errors: str = "strict") -> tuple[bytes, int]:
    return codecs.charmap_encode(text, errors, _CODES)


def _decode(data: Any, errors: str = "strict") -> tuple[str, int]:
    return codecs.charmap_decode(data, errors, _TABLE)


def find_viscii(name: str) -> codecs.CodecInfo | None:
    """A search function for codecs.register."""
    return codecs.CodecInfo(_encode, _decode, name="viscii") if name == "viscii" else None
