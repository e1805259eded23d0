"""Bytes to text when the charset's name is a hint rather than the truth.

Order of belief: valid UTF-8 beats a single-byte label (chance UTF-8 is next to impossible), a multi-byte
label beats UTF-8 unless the text is full of three-byte sequences, and what is left goes to Windows-1252,
which is what "Latin-1" means in mail.
"""

import codecs
import re
from functools import lru_cache

from mrilu.mail.text.alphabets import guess_latin
from mrilu.mail.text.guess import OTHER_ALPHABETS, decode_hz, guess_charset, is_latin_word
from mrilu.mail.text.iso2022 import decode_iso_2022_jp
from mrilu.mail.text.mixed import (
    PAIRED,
    SOME_EVIDENCE,
    STRONG_EVIDENCE,
    decode_mixed,
    decode_utf_8,
    may_be_chance,
)
from mrilu.mail.text.python_codecs import is_codec
from mrilu.mail.text.viscii import find_viscii

# Without the tilde, with which HZ begins.
_PLAIN_ASCII = bytes(range(0x20, 0x7E)) + b"\t\n\r"
_HOLES = b"\x81\x8d\x8f\x90\x9d"
_CHARSET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+-]*")
_NUMBERED_PAGE = re.compile(r"(?:x-)?(?:cp|windows|win|ibm|ms|dos|ansi)-?(\d{3,5})(?:[^0-9].*)?")
_ISO_8859 = re.compile(r"(?:x-)?(?:iso-?)?8859-?(\d{1,2})(?:-[ie])?(?:[^0-9].*)?")
_UTF_8 = re.compile(r"utf-?8(?![0-9]).*")
_WESTERN = frozenset({"cp1252", "ascii", "latin-1", ""})
_STATEFUL = frozenset({"utf-7", "hz", "iso2022_kr", "iso-2022-jp"})
_WIDE = frozenset({"utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"})
_EBCDIC = frozenset({"cp037", "cp500", "cp1140", "cp1026", "cp273", "cp424", "cp875"})
# Python's text codecs that are not charsets of mail (and may be slow on hostile input).
_NOT_CHARSETS = frozenset(
    {
        "punycode",
        "idna",
        "unicode_escape",
        "raw_unicode_escape",
        "undefined",
        "mbcs",
        "oem",
        "unicode-escape",
        "raw-unicode-escape",
    }
)
# Superset that mailers mean when they write the name of the subset.
_ALIASES = {
    **dict.fromkeys(
        (
            "gb2312",
            "gb-2312",
            "gb2312-80",
            "gb-2312-80",
            "euc-cn",
            "euccn",
            "gbk",
            "x-gbk",
            "cp936",
            "x-euc-cn",
            "cn-gb",
            "gb18030",
            "gb-18030",
            "chinese",
            "csgb2312",
        ),
        "gb18030",
    ),
    **dict.fromkeys(
        ("big5", "x-x-big5", "cn-big5", "big-5", "csbig5", "big5-eten", "cp950"), "cp950"
    ),
    **dict.fromkeys(("big5-hkscs", "big5hkscs", "big5hk"), "big5hkscs"),
    **dict.fromkeys(
        (
            "ks-c-5601-1987",
            "ks-c-5601",
            "ks-c-5601-1989",
            "ksc5601",
            "ksc-5601",
            "kscs-5601",
            "korean",
            "euc-kr",
            "euckr",
            "cp949",
            "uhc",
            "x-windows-949",
            "5601",
            "csksc56011987",
        ),
        "cp949",
    ),
    **dict.fromkeys(
        (
            "shift-jis",
            "shiftjis",
            "x-sjis",
            "sjis",
            "s-jis",
            "ms-kanji",
            "cp932",
            "cp943",
            "cp942",
            "windows-31j",
            "x-ms-cp932",
            "csshiftjis",
            "shift-jisx0213",
        ),
        "cp932",
    ),
    **dict.fromkeys(
        ("euc-jp", "x-euc-jp", "eucjp", "ujis", "x-euc", "eucjp-ms", "eucjp-win", "cp51932"),
        "euc_jp",
    ),
    **dict.fromkeys(
        (
            "iso-2022-jp",
            "iso-2022-jp-1",
            "iso-2022-jp-2",
            "iso-2022-jp-3",
            "iso-2022-jp-2004",
            "iso-2022-jp-ext",
            "iso-2022-jp-ms",
            "cp50220",
            "cp50221",
            "cp50222",
            "jis",
            "csiso2022jp",
            "x-iso-2022-jp",
            "iso2022-jp",
            "iso2022jp",
            "jis7",
        ),
        "iso-2022-jp",
    ),
    **dict.fromkeys(("iso-2022-kr", "csiso2022kr"), "iso2022_kr"),
    **dict.fromkeys(("hz-gb-2312", "hz"), "hz"),
    **dict.fromkeys(
        (
            "unicode-1-1-utf-7",
            "utf-7",
            "utf7",
            "x-unicode-2-0-utf-7",
            "unicode-2-0-utf-7",
            "cp65000",
        ),
        "utf-7",
    ),
    **dict.fromkeys(
        (
            "utf-8",
            "utf8",
            "unicode-1-1-utf-8",
            "x-utf-8",
            "unicode-2-0-utf-8",
            "utf-8-sig",
            "cp65001",
            "utf",
            "cesu-8",
            "utf8mb4",
            "al32utf8",
        ),
        "utf-8",
    ),
    **dict.fromkeys(("utf-16", "utf16", "unicode", "ucs-2", "ucs2", "iso-10646-ucs-2"), "utf-16"),
    **dict.fromkeys(
        (
            "us-ascii",
            "ascii",
            "ansi-x3.4-1968",
            "ansi-x3.4",
            "iso646-us",
            "us",
            "usascii",
            "7bit",
            "us-acsii",
            "ascii-7",
            "iso-ir-6",
        ),
        "ascii",
    ),
    **dict.fromkeys(
        (
            "latin1",
            "latin-1",
            "l1",
            "ansi",
            "x-ansi",
            "iso8859",
            "iso-8859",
            "ibm819",
            "cp819",
            "x-iso-8859-1",
            "iso-latin-1",
        ),
        "cp1252",
    ),
    **dict.fromkeys(
        ("tis-620", "tis620", "windows-874", "cp874", "iso-ir-166", "dos-874"), "cp874"
    ),
    **dict.fromkeys(("macintosh", "x-mac-roman", "x-macroman", "mac", "x-mac"), "mac_roman"),
    **dict.fromkeys(("koi8-r", "koi8r", "koi8", "x-koi8-r", "cskoi8r", "koi-8-r", "koi"), "koi8-r"),
    **dict.fromkeys(("koi8-u", "koi8u", "koi8-ru", "x-koi8-u"), "koi8-u"),
    **dict.fromkeys(("iso8859-1", "iso-8859-l", "iso-8859-i"), "cp1252"),
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    **dict.fromkeys(("gb", "x-gb18030"), "gb18030"),
    "euc-kr": "cp949",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    **dict.fromkeys(("sjis-win", "x-sjis-jp"), "cp932"),
    "latin-9": "iso8859-15",
    "latin-5": "cp1254",
    **dict.fromkeys(("logical", "visual"), "iso8859-8"),
    "x-johab": "johab",
    "x-mac-centraleurope": "mac_latin2",
    "x-mac-cyrillic": "mac_cyrillic",
    "x-mac-greek": "mac_greek",
    "x-mac-ce": "mac_latin2",
    **dict.fromkeys(("viscii", "csviscii", "viscii1.1-1", "x-viscii"), "viscii"),
    "x-mac-turkish": "mac_turkish",
    "x-mac-icelandic": "mac_iceland",
    "latin2": "iso8859-2",
    "latin-2": "iso8859-2",
}
# ISO 8859 parts whose Windows page holds the same letters and more; Thai is part 11.
_ISO_TO_WINDOWS = {"1": "cp1252", "9": "cp1254", "11": "cp874"}
_NEXT_OF_KIN = {
    "iso8859-8": "cp1255",
    "iso8859-6": "cp1256",
    "iso8859-7": "cp1253",
    "iso8859-2": "cp1250",
    "iso8859-4": "cp1257",
    "iso8859-13": "cp1257",
    "iso8859-5": "cp1251",
    "iso8859-15": "cp1252",
    "euc_jp": "euc_jis_2004",
    "cp932": "shift_jis_2004",
    "cp950": "big5hkscs",
    "big5hkscs": "cp950",
    "gb18030": "cp950",
}
_MULTI_BYTE = frozenset(
    {"gb18030", "cp950", "big5hkscs", "cp949", "cp932", "euc_jp", "johab", "euc_kr"}
)
_SAMPLE = 20_000


def _as_windows_1252(error: UnicodeError) -> tuple[str, int]:
    """Codec error handler: the undecodable bytes are read as Windows-1252, its holes as Latin-1's controls."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    bad = bytes(error.object[error.start : error.end])
    return bad.decode("latin-1" if bad.translate(None, _HOLES) != bad else "cp1252"), error.end


codecs.register_error("mail-windows-1252", _as_windows_1252)
codecs.register(find_viscii)


@lru_cache(maxsize=1024)
def codec_name(label: str) -> str:
    """Python codec for a charset label as found in mail; "" for none, an unknown or a meaningless one."""
    found = _CHARSET_NAME.search(label[:60])
    if not found:
        return ""
    name = found[0].lower().replace("_", "-").rstrip(".:-")
    if name in _ALIASES:
        return _ALIASES[name]
    if _UTF_8.fullmatch(name):
        return "utf-8"
    if page := _NUMBERED_PAGE.fullmatch(name):
        name = "cp" + page[1]
    elif part := _ISO_8859.fullmatch(name):
        name = _ISO_TO_WINDOWS.get(part[1], "iso8859-" + part[1])
    return _ALIASES.get(name) or _known_to_python(name)


def is_latin_or_utf_8(label: str) -> bool:
    """Tell whether a label names Latin letters' charset, UTF-8 or nothing known, so that it tells no alphabet."""
    return (codec := codec_name(label)) in _WESTERN or codec == "utf-8"


def _known_to_python(name: str) -> str:
    if not is_codec(name):
        return ""
    try:
        info = codecs.lookup(name)
    except (LookupError, ValueError):
        return ""
    if not getattr(info, "_is_text_encoding", True) or info.name in _NOT_CHARSETS:
        return ""
    return _ALIASES.get(info.name, info.name)


def decode_text(data: bytes, label: str = "", hint: str = "") -> tuple[str, bool]:
    """Decode `data` labelled `label`; `hint` is another label to try where that one is missing or wrong.

    Returns the text and whether the label told the truth. Line ends and controls are left alone.
    """
    codec = codec_name(label) if label else ""
    if data.isascii() and codec not in _STATEFUL and codec not in _WIDE:
        return _decode_ascii(data, codec)
    if codec in _WIDE:
        return _decode_wide(data, codec)
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") and b"\0" in data:
        return _decode_wide(data, "utf-16")[0], False
    if codec in _MULTI_BYTE:
        return _decode_multi_byte(data, codec)
    if codec in _STATEFUL:
        return _decode_stateful(data, codec, hint)
    return _decode_single_byte(data, codec, hint)


def is_plain_ascii(data: bytes, label: str) -> bool:
    """Tell whether the bytes are printable ASCII that means the same under `label`: the common case, told quickly."""
    if (odd := data.translate(None, _PLAIN_ASCII)) and (odd.strip(b"~") or b"~{" in data):
        return False
    codec = codec_name(label) if label else ""
    return codec not in _STATEFUL and codec not in _WIDE and codec not in _EBCDIC


def _decode_ascii(data: bytes, codec: str) -> tuple[str, bool]:
    if b"\x1b" in data and (b"\x1b$" in data or b"\x1b(" in data):
        # ISO-2022 is all 7-bit, so it passes for ASCII when the label is missing or wrong.
        return _decode_stateful(data, "iso2022_kr" if b"\x1b$)C" in data else "iso-2022-jp", "")[
            0
        ], False
    if codec in _EBCDIC and (text := _strictly(data, codec)) is not None:
        return text, True
    if b"~{" in data and (text := decode_hz(data)):
        return text, False
    return data.decode("ascii"), codec not in _EBCDIC


def _decode_single_byte(data: bytes, codec: str, hint: str) -> tuple[str, bool]:
    western = codec in _WESTERN or codec == "utf-8"
    hinted = ""
    if hint and western and codec != "cp1252" and not is_latin_or_utf_8(hint):
        hinted = codec_name(hint)
        hinted = "" if hinted in OTHER_ALPHABETS and is_latin_word(data) else hinted
    if (text := decode_utf_8(data)) is not None and not (hinted in PAIRED and may_be_chance(data)):
        return text, codec in ("utf-8", "")
    expected = hinted if western else codec
    evidence = None if western else SOME_EVIDENCE
    text = decode_mixed(data, lambda odd: expected or _guess(odd) or "cp1252", evidence)
    if text is not None:
        return text, False
    if hinted:
        return decode_text(data, hint)[0], False
    if western:
        return data.decode(_guess(data) or "cp1252", "mail-windows-1252"), codec == "cp1252"
    for candidate in (codec, _NEXT_OF_KIN.get(codec)):
        if candidate and (text := _strictly(data, candidate)) is not None:
            return text, candidate == codec
    return data.decode(codec, "mail-windows-1252"), False


def _guess(data: bytes) -> str:
    """Another script's charset, or a Latin page; "" for Windows-1252."""
    return guess_charset(data) or guess_latin(data[:_SAMPLE])


def _decode_multi_byte(data: bytes, codec: str) -> tuple[str, bool]:
    if STRONG_EVIDENCE.search(data):
        if (text := decode_utf_8(data)) is not None:
            return text, False
        if (text := decode_mixed(data, lambda odd: codec, STRONG_EVIDENCE)) is not None:
            return text, False
    for candidate in (codec, "utf-8", _NEXT_OF_KIN.get(codec)):
        if candidate and (text := _strictly(data, candidate)) is not None:
            return text, candidate == codec
    if b"\x1b$" in data:
        return decode_iso_2022_jp(data), False
    sample = data[:_SAMPLE]
    if sample.decode(codec, "replace").count("\ufffd") * 10 > len(sample):
        return _decode_single_byte(data, "", "")[0], False
    return data.decode(codec, "mail-windows-1252"), False


def _decode_stateful(data: bytes, codec: str, hint: str) -> tuple[str, bool]:
    if codec == "iso-2022-jp":
        if data.isascii() or b"\x1b" in data:
            return decode_iso_2022_jp(data), True
    elif (text := _strictly(data, codec)) is not None:
        return text, True
    if data.isascii():
        return data.decode(codec, "mail-windows-1252"), False
    for candidate in ("utf-8", "cp932" if codec == "iso-2022-jp" else "gb18030"):
        if (text := _strictly(data, candidate)) is not None:
            return text, False
    return _decode_single_byte(data, "", hint)[0], False


def _decode_wide(data: bytes, codec: str) -> tuple[str, bool]:
    if b"\0" not in data:
        if (text := _strictly(data, "utf-8")) is not None and not data.startswith(
            (b"\xff\xfe", b"\xfe\xff")
        ):
            return text, False
    if codec == "utf-16" and not data.startswith((b"\xff\xfe", b"\xfe\xff")):
        # RFC 2781, 4.3 says big-endian without a mark, but Windows writes little-endian: the zeros tell.
        codec = "utf-16-le" if data[1::2].count(0) > data[::2].count(0) else "utf-16-be"
    return data.decode(codec, "replace").lstrip("\ufeff"), True


def _strictly(data: bytes, codec: str) -> str | None:
    try:
        return data.decode(codec)
    except (UnicodeError, LookupError, ValueError):
        return None
