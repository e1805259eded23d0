"""Files that were uuencoded into the text of a mail (POSIX uuencode), as attachments were before MIME."""

import binascii
import re
from dataclasses import dataclass

_BEGIN = re.compile(r"^begin(?:-base64)? [0-7]{3,4} ([^\n]{1,1000})\n", re.MULTILINE)
_LONGEST_NAME = 255
_LINE = re.compile(r"[ -`][ -`]{0,100}")


@dataclass(frozen=True, slots=True)
class EmbeddedFile:
    """A file found in a text: its name and bytes."""

    name: str
    data: bytes


def split_uuencoded(text: str) -> tuple[str, list[EmbeddedFile]]:
    """The text without its uuencoded files, and these; a "begin" line that starts no file stays text."""
    if "begin" not in text:
        return text, []
    kept: list[str] = []
    files: list[EmbeddedFile] = []
    position = 0
    while match := _BEGIN.search(text, position):
        name = match[1].lstrip(" ").rstrip(" \t")
        end, data = _decode_lines(text, match.end(), "-base64" in match[0][:13])
        if data is None or not 0 < len(name) <= _LONGEST_NAME:
            kept.append(text[position : match.end()])
            position = match.end()
            continue
        kept.append(text[position : match.start()])
        files.append(EmbeddedFile(name, data))
        position = end
    kept.append(text[position:])
    return "".join(kept) if files else text, files


def _decode_lines(text: str, position: int, base64: bool) -> tuple[int, bytes | None]:
    """Decode from `position` to the "end" line, or as far as lines fit; None where nothing does."""
    data: list[bytes] = []
    while position < len(text):
        newline = text.find("\n", position)
        newline = len(text) if newline < 0 else newline
        line = (
            text[position:newline].rstrip(" \r") if base64 else text[position:newline].rstrip("\r")
        )
        if line.strip() in ("end", "====") or line[:1] == "`" and len(line) == 1:
            position = newline + 1
            if line.strip() in ("end", "===="):
                return position, b"".join(data)
            continue
        decoded = _decode_line(line, base64)
        if decoded is None:
            break
        data.append(decoded)
        position = newline + 1
    return position, b"".join(data) or None


def _decode_line(line: str, base64: bool) -> bytes | None:
    try:
        if base64:
            return binascii.a2b_base64(line) if line and " " not in line else None
        return _decode_uu(line)
    except (binascii.Error, ValueError):
        return None


def _decode_uu(line: str) -> bytes | None:
    if not line or not _LINE.fullmatch(line):
        return None if line else b""
    length = (ord(line[0]) - 32) & 63
    wanted = (length + 2) // 3 * 4
    if not wanted <= len(line) - 1 <= wanted + 2 and not (len(line) - 1 < wanted and length):
        # Trailing blanks may be gone; a longer line is prose (as are small letters, which are not of the code).
        return None
    # Some encoders add a checksum character: cut to the length that the line states.
    return binascii.a2b_uu(line[: 1 + wanted].ljust(1 + wanted))[:length]
