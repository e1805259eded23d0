"""Mails out of an mbox file, one after another, whatever its size. Pure but for reading the stream."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from io import BytesIO
from itertools import chain
from typing import BinaryIO

from mrilu.mail.tree.repair import KNOWN_FIELD

# RFC 4155's default: "From ", an address, an asctime date. A line "From here on ..." in a body is none.
# The first clock counts, for good: trying them all takes the square of their number.
_SEPARATOR = re.compile(rb"From \S(?>.*?\b\d{1,2}:\d\d(?::\d\d)?\b).*\b\d{4}\b")
# With the day's and the month's name in its date it is hardly ever anything else: a blank line above may be missing.
_ENVELOPE = re.compile(
    rb"From \S.*\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? +"
    rb"(?:[A-Z][a-z]{2} +\d{1,2}|\d{1,2} +[A-Z][a-z]{2}) +(?:\d{4} +)?\d{1,2}:\d\d(?::\d\d)?\b"
)
# A whole line that is an envelope and nothing else: a sender of one word (or "ann at example.org"), a date, its zone.
_WHOLE_ENVELOPE = re.compile(
    rb"From (?:\S{1,320}(?: at [\w.-]{1,255})?)? {1,9}(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? {1,9})"
    rb"(?:[A-Z][a-z]{2} {1,9}\d{1,2}|\d{1,2} {1,9}[A-Z][a-z]{2}) {1,9}(?:\d{4} {1,9})?\d{1,2}:\d\d(?::\d\d)?"
    rb"(?: {1,9}(?:[A-Z]{1,5}|[+-]\d{4}|\d{4}|remote from \S{1,255})){0,4}\s*"
)
_FIELD = re.compile(rb"[!-9;-~]{1,100}:|>From ")
_FIELD_NAME = re.compile(rb"([!-9;-~]{1,100})[ \t]*:")
_QUOTED_FROM = re.compile(rb"^>(>*From )", re.MULTILINE)
_LENGTH = re.compile(rb"content-length[ \t]*:[ \t]*(\d{1,12})\s*", re.IGNORECASE)
_CHUNK = 64 * 1024
# What may be looked at ahead of a mail's end in vain, beside what has been read: lengths that lie cost no more.
_MOST_IN_VAIN = 1024 * 1024
_MAX_LENGTH = 256 * 1024 * 1024


def is_mbox(start: bytes) -> bool:
    """Tell whether a file that starts with these bytes is an mbox."""
    first = start.partition(b"\n")[0].partition(b"\r")[0]
    return _SEPARATOR.match(start) is not None or _WHOLE_ENVELOPE.fullmatch(first) is not None


def split_mbox(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the bytes of each mail, its "From " line on top, with mboxrd's ">From " quoting undone.

    Lines may end as on old Macintoshes, in a carriage return. A Content-Length (mboxcl, mboxcl2) counts where a mail,
    or the file's end, follows what it measures: "From " lines in it are the mail's own.
    """
    lines = _Lines(stream)
    mail: list[bytes] = []
    blank, in_header = True, False
    while line := lines.take():
        if (
            mail
            and line.startswith(b"From ")
            and _is_separator(line, lines.peek(), blank_above=blank)
        ):
            yield _mail(mail)
            mail = []
        blank = not line.strip(b"\r\n")
        if not mail:
            if not blank:
                mail, in_header = [line], True
            continue
        mail.append(line)
        if in_header and blank:
            in_header = False
            if body := lines.take_measured(_stated_length(mail)):
                yield _unquoted(mail + body, quoted=not _has_separators(body))
                mail, blank = [], True
    if mail:
        yield _mail(mail)


class _Lines:
    """The lines of a stream, and those ahead of where it is read."""

    def __init__(self, stream: BinaryIO) -> None:
        self._source = _lines_of(stream)
        self._ahead: deque[bytes] = deque()
        self._passed = 0
        self._in_vain = 0

    def take(self) -> bytes:
        """Return the next line, b"" at the end."""
        line = self._ahead.popleft() if self._ahead else next(self._source, b"")
        self._passed += len(line)
        return line

    def peek(self) -> bytes:
        """Return the line that `take` gives next."""
        if not self._ahead and (line := next(self._source, b"")):
            self._ahead.append(line)
        return self._ahead[0] if self._ahead else b""

    def take_measured(self, length: int) -> list[bytes]:
        """Return the next lines, of so many bytes, if a mail's end follows; otherwise none, and take none.

        Some programs do not count the last line's end.
        """
        if not 0 < length <= _MAX_LENGTH or self._in_vain > _MOST_IN_VAIN + self._passed:
            return []
        total = number = 0
        for line in self._look_ahead():
            total += len(line)
            number += 1
            if total >= length:
                break
        if total in (length, length + 1, length + 2) and self._ends_after(number):
            return [self.take() for _ in range(number)]
        self._in_vain += total
        return []

    def _look_ahead(self) -> Iterator[bytes]:
        yield from self._ahead
        while line := next(self._source, b""):
            self._ahead.append(line)
            yield line

    def _ends_after(self, number: int) -> bool:
        """Tell whether the file ends, or a mail begins, behind so many lines and the blank ones below them."""
        while len(self._ahead) <= number + 3 and (line := next(self._source, b"")):
            self._ahead.append(line)
        after = [self._ahead[place] for place in range(number, min(number + 4, len(self._ahead)))]
        while after and not after[0].strip():
            after.pop(0)
        return not after or _SEPARATOR.match(after[0]) is not None


def _lines_of(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the lines with their ends; a carriage return that stands for all ends becomes a line feed."""
    start = stream.read(_CHUNK)
    if b"\r" in start and b"\n" not in start:
        yield from _macintosh_lines(chain([start], iter(lambda: stream.read(_CHUNK), b"")))
    else:
        yield from BytesIO(start + stream.readline())
        yield from stream


def _macintosh_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    left: list[bytes] = []
    for chunk in chunks:
        *whole, rest = chunk.split(b"\r")
        for line in whole:
            yield b"".join([*left, line, b"\n"])
            left = []
        left.append(rest)
    if last := b"".join(left):
        yield last


def _stated_length(header: list[bytes]) -> int:
    lengths = (match for line in header if (match := _LENGTH.fullmatch(line)))
    return int(found[1]) if (found := next(lengths, None)) else 0


def _has_separators(body: list[bytes]) -> bool:
    return any(line.startswith(b"From ") for line in body)


def _is_separator(line: bytes, following: bytes, *, blank_above: bool) -> bool:
    """Tell whether a mail begins here.

    Mbox files that were put together may lack the blank line between two mails. A sentence may begin with "From " and
    name a time: only a line that is an envelope from its beginning to its end needs no field below it.
    """
    if blank_above and _WHOLE_ENVELOPE.fullmatch(line):
        return True
    if not _SEPARATOR.match(line):
        return False
    if blank_above and _names_field(following):
        return True
    return _FIELD.match(following) is not None and _ENVELOPE.match(line) is not None


def _names_field(line: bytes) -> bool:
    """Tell whether a line begins with a field that mail knows."""
    name = _FIELD_NAME.match(line)
    return line.startswith(b">From ") or bool(name and KNOWN_FIELD.match(name[1].decode("latin-1")))


def _mail(lines: list[bytes]) -> bytes:
    # The blank line before the next separator belongs to the mbox, not to the mail.
    if len(lines) > 1 and not lines[-1].strip(b"\r\n"):
        lines = lines[:-1]
    return _unquoted(lines, quoted=True)


def _unquoted(lines: list[bytes], *, quoted: bool) -> bytes:
    """Join the lines; where a mail was measured and holds a bare "From " line (mboxcl2), nothing in it is quoted."""
    raw = b"".join(lines)
    return _QUOTED_FROM.sub(rb"\1", raw) if quoted else raw
