"""Mails out of an mbox file, one after another, whatever its size. Pure but for reading the stream."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

# RFC 4155's default: "From ", an address, an asctime date. A line "From here on ..." in a body is none.
_SEPARATOR = re.compile(rb"From \S.*\b\d{1,2}:\d\d(:\d\d)?\b.*\b\d{4}\b")
_QUOTED_FROM = re.compile(rb"^>(>*From )", re.MULTILINE)


def is_mbox(start: bytes) -> bool:
    """Tell whether a file that starts with these bytes is an mbox."""
    return _SEPARATOR.match(start) is not None


def split_mbox(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the bytes of each mail, its "From " line on top, with mboxrd's ">From " quoting undone."""
    lines: list[bytes] = []
    blank = True
    for line in stream:
        if blank and lines and _SEPARATOR.match(line):
            yield _mail(lines)
            lines = []
        lines.append(line)
        blank = not line.strip(b"\r\n")
    if lines:
        yield _mail(lines)


def _mail(lines: list[bytes]) -> bytes:
    # The blank line before the next separator belongs to the mbox, not to the mail.
    if len(lines) > 1 and not lines[-1].strip(b"\r\n"):
        lines = lines[:-1]
    return _QUOTED_FROM.sub(rb"\1", b"".join(lines))
