"""ISO-2022-JP with the vendor extensions that mail carries (RFC 1468, 1554, 2237; JIS X 0213; CP50220-50222)."""

import re

_ESCAPE = re.compile(rb"(\x1b(?:\$\([A-Z]|\$[@AB]|\([A-Z]|&@))")


def decode_iso_2022_jp(data: bytes) -> str:
    """Decode any ISO-2022-JP dialect: Python's codecs first, else segment by segment through Windows-31J."""
    for codec in (
        "iso2022_jp",
        "iso2022_jp_2",
        "iso2022_jp_2004",
        "iso2022_jp_3",
        "iso2022_jp_ext",
    ):
        try:
            return data.decode(codec)
        except UnicodeDecodeError:
            continue
    return _decode_segments(data)


def _decode_segments(data: bytes) -> str:
    pieces: list[str] = []
    state = b"\x1b(B"
    for index, segment in enumerate(_ESCAPE.split(data)):
        if index % 2:
            state = segment
        elif segment:
            pieces.append(_decode_segment(segment, state))
    return "".join(pieces)


def _decode_segment(segment: bytes, state: bytes) -> str:
    if state.startswith(b"\x1b$"):
        # A line end always returns to ASCII, even where the escape was forgotten (RFC 1468).
        line, newline, rest = segment.partition(b"\n")
        text = _decode_double(line, state)
        return text + ("\n" + rest.decode("cp932", "replace") if newline else "")
    if state == b"\x1b(I":
        return bytes(byte | 0x80 if 0x21 <= byte <= 0x5F else byte for byte in segment).decode(
            "cp932", "replace"
        )
    return segment.decode("cp932", "replace")


def _decode_double(line: bytes, state: bytes) -> str:
    high = bytes(byte | 0x80 for byte in line if byte > 0x20)
    if state == b"\x1b$(D":
        return b"".join(b"\x8f" + high[i : i + 2] for i in range(0, len(high), 2)).decode(
            "euc_jp", "replace"
        )
    if state in (b"\x1b$(O", b"\x1b$(Q"):
        return high.decode("euc_jis_2004", "replace")
    if state == b"\x1b$(P":
        return b"".join(b"\x8f" + high[i : i + 2] for i in range(0, len(high), 2)).decode(
            "euc_jis_2004", "replace"
        )
    if state == b"\x1b$A":
        return high.decode("gb18030", "replace")
    if state == b"\x1b$(C":
        return high.decode("cp949", "replace")
    pairs = zip(high[::2], high[1::2], strict=False)
    return b"".join(_shift_jis(row & 0x7F, cell & 0x7F) for row, cell in pairs).decode(
        "cp932", "replace"
    )


def _shift_jis(row: int, cell: int) -> bytes:
    """JIS X 0208 row and cell bytes (0x21-0x7E) as Shift_JIS: Windows-31J also knows NEC's row 13."""
    lead = ((row - 0x21) >> 1) + 0x81
    if lead > 0x9F:
        lead += 0x40
    if row & 1:
        trail = cell + 0x1F + (cell >= 0x60)
    else:
        trail = cell + 0x7E
    return bytes((lead & 0xFF, trail & 0xFF))
