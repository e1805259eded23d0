"""Mails out of an mbox file, one after another, whatever its size. Pure but for reading the stream."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain, pairwise
from typing import BinaryIO

# RFC 4155's default: "From ", an address, an asctime date. A line "From here on ..." in a body is none.
# The first clock counts, for good: trying them all takes the square of their number.
_SEPARATOR = re.compile(rb"From \S(?>.*?\b\d{1,2}:\d\d(?::\d\d)?\b).*\b\d{4}\b")
# With the day's and the month's name in its date it is hardly ever anything else: a blank line above may be missing.
_ENVELOPE = re.compile(
    rb"From \S.*\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? +"
    rb"(?:[A-Z][a-z]{2} +\d{1,2}|\d{1,2} +[A-Z][a-z]{2}) +(?:\d{4} +)?\d{1,2}:\d\d(?::\d\d)?\b"
)
_FIELD = re.compile(rb"[!-9;-~]{1,100}:|>From ")
_QUOTED_FROM = re.compile(rb"^>(>*From )", re.MULTILINE)


def is_mbox(start: bytes) -> bool:
    """Tell whether a file that starts with these bytes is an mbox."""
    return _SEPARATOR.match(start) is not None


def split_mbox(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the bytes of each mail, its "From " line on top, with mboxrd's ">From " quoting undone."""
    lines: list[bytes] = []
    blank = True
    for line, following in pairwise(chain(stream, (b"",))):
        if lines and line.startswith(b"From ") and _is_separator(line, following, blank):
            yield _mail(lines)
            lines = []
        blank = not line.strip(b"\r\n")
        if lines or not blank:
            lines.append(line)
    if lines:
        yield _mail(lines)


def _is_separator(line: bytes, following: bytes, blank_above: bool) -> bool:
    """Whether a mail begins here: mbox files that were put together may lack the blank line between two mails."""
    if blank_above and _SEPARATOR.match(line):
        return True
    return (
        _FIELD.match(following) is not None
        and _ENVELOPE.match(line) is not None
        and bool(_SEPARATOR.match(line))
    )


def _mail(lines: list[bytes]) -> bytes:
    # The blank line before the next separator belongs to the mbox, not to the mail.
    if len(lines) > 1 and not lines[-1].strip(b"\r\n"):
        lines = lines[:-1]
    return _QUOTED_FROM.sub(rb"\1", b"".join(lines))
