"""Text that is UTF-8 for the most part: surrogate pairs (CESU-8), a footer in another charset, cut characters.

Programs join texts without a look at their charsets (a list's footer, a quotation, a template's words).
So each line is read on its own: what is valid UTF-8 hardly ever is anything else.
"""

import re
from collections.abc import Callable

from mrilu.mail.clock import timed

# Well-formed characters of two bytes and more (Unicode, table 3-7).
_SEQUENCE = re.compile(
    rb"[\xc2-\xdf][\x80-\xbf]|(?:\xe0[\xa0-\xbf]|\xed[\x80-\x9f]|[\xe1-\xec\xee\xef][\x80-\xbf])[\x80-\xbf]"
    rb"|(?:\xf0[\x90-\xbf]|[\xf1-\xf3][\x80-\xbf]|\xf4[\x80-\x8f])[\x80-\xbf]{2}"
)
# What no charset forms by chance, one of pairs of bytes aside: three characters of two bytes in a row.
_LONG = rb"(?:[\xe0-\xef][\x80-\xbf]{2}[\x00-\x7f]*){2}|\xe2\x80[\x90-\xa6]|\xf0\x9f[\x80-\xbf]{2}"
SOME_EVIDENCE = re.compile(rb"(?:[\xc3-\xdf][\x80-\xbf]){3}|" + _LONG)
# Two characters of three bytes, or one of the signs that programs put into plain English: dashes, quotation
# marks, emoji.
STRONG_EVIDENCE = re.compile(_LONG)
_TWO_PAIRS = re.compile(rb"(?:[\x00-\x7f]*(?:[\xc2-\xdf][\x80-\xbf]){2})+[\x00-\x7f]*")
_PAIR = re.compile(rb"\xed([\xa0-\xaf])([\x80-\xbf])\xed([\xb0-\xbf])([\x80-\xbf])")
_LONE_SURROGATE = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")
# Charsets whose pairs of bytes cover the range of UTF-8's.
PAIRED = frozenset({"gb18030", "cp949", "cp950", "big5hkscs", "euc_jp", "cp932", "cp874"})
_MOST, _NEARLY_ALL = 0.5, 0.9
_HIGH = bytes(range(0x80, 0x100))


def decode_utf_8(data: bytes) -> str | None:
    """Return `data` as UTF-8, or as CESU-8 (Unicode Technical Report 26), or None.

    Java's "modified UTF-8" is CESU-8 with NUL in two bytes. Half a surrogate pair is U+FFFD.
    """
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        if data[error.start] not in (0xED, 0xC0):
            return None
    try:
        return _repaired(data).decode("utf-8")
    except UnicodeDecodeError:
        return None


def _repaired(data: bytes) -> bytes:
    if b"\xed" not in data and b"\xc0" not in data:
        return data
    return _LONE_SURROGATE.sub(b"\xef\xbf\xbd", _PAIR.sub(_join, data)).replace(b"\xc0\x80", b"\0")


def _join(pair: re.Match[bytes]) -> bytes:
    one, two, three, four = (found[0] & 0x3F for found in pair.groups())
    high, low = (one & 0x0F) << 6 | two, (three & 0x0F) << 6 | four
    return chr(0x10000 + (high << 10) + low).encode("utf-8")


def decode_mixed(
    data: bytes, odd_codec: Callable[[bytes], str], evidence: re.Pattern[bytes] | None
) -> str | None:
    """Return text of which some lines, or most bytes, are UTF-8; None where it is no such text.

    `odd_codec` names the codec of the lines (joined) that are not UTF-8. `evidence` is what a line must
    hold to be UTF-8 against its label; None where the label says UTF-8, or nothing against it.
    """
    if not (evidence or _SEQUENCE).search(data):
        return None
    lines = data.split(b"\n")
    texts = [_line(line, evidence) for line in timed(lines)]
    codec = _codec_of(_joined(lines, texts), odd_codec, evidence)
    if codec in PAIRED:
        # Their pairs of bytes may happen to form a line of UTF-8, as the two of "联通" do in GBK.
        texts = [_line(line, STRONG_EVIDENCE) for line in timed(lines)]
    if codec != "utf-8" and all(text is None or text.isascii() for text in texts):
        return None
    return "\n".join(
        _decode_odd(line, codec) if text is None else text
        for line, text in timed(zip(lines, texts, strict=True))
    )


def may_be_chance(data: bytes) -> bool:
    """Tell whether valid UTF-8 is so short that it may as well be two characters of GBK, as "联通" and "谢谢" are."""
    return _TWO_PAIRS.fullmatch(data) is not None


def _line(line: bytes, evidence: re.Pattern[bytes] | None) -> str | None:
    if line.isascii():
        return line.decode("ascii")
    return decode_utf_8(line) if evidence is None or evidence.search(line) else None


def _decode_odd(line: bytes, codec: str) -> str:
    line = _repaired(line) if codec == "utf-8" else line
    return line.decode(codec, "mail-windows-1252")


def _joined(lines: list[bytes], texts: list[str | None]) -> bytes:
    """The lines that are not UTF-8."""
    return b"\n".join(line for line, text in zip(lines, texts, strict=True) if text is None)


def _codec_of(
    odd: bytes, odd_codec: Callable[[bytes], str], evidence: re.Pattern[bytes] | None
) -> str:
    """The codec of the odd lines: UTF-8 where enough of their bytes are, or where no other alphabet is seen."""
    formed = sum(map(len, _SEQUENCE.findall(_PAIR.sub(_join, odd))))
    high = len(odd) - len(odd.translate(None, _HIGH))
    if (evidence is None or evidence.search(odd)) and formed > _NEARLY_ALL * high:
        return "utf-8"
    codec = odd_codec(odd)
    if evidence or codec in PAIRED:
        return codec
    return "utf-8" if formed > _MOST * high or formed and codec == "cp1252" else codec
