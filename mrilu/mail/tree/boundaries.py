"""A multipart inside another that uses the same boundary: the inner one gets a boundary of its own.

RFC 2046, 5.1.2 forbids it; some programs do it, and mean the delimiters below the inner header for the inner multipart,
to its closing one.
"""

from __future__ import annotations

import re

from mrilu.mail.headers.fields import Fields, split_fields
from mrilu.mail.tree.structure import make_part

_BOUNDARY = re.compile(
    rb"boundary\s{0,9}=\s{0,9}(?:\"([^\"\n]{1,200})\"|([^\s;\"]{1,200}))", re.IGNORECASE
)
# The same in the two spellings that there are; what begins with a literal is found ten times faster.
_SPELLINGS = tuple(
    re.compile(_BOUNDARY.pattern.replace(b"boundary", word)) for word in (b"oundary", b"OUNDARY")
)
_MAX_OPEN = 50
_MAX_HEADER_LINES = 200


def with_own_boundaries(fields: Fields, body: bytes) -> bytes:
    """Return the body of a mail with these fields, each boundary in it used by one multipart at a time.

    It is the same body for nearly every mail, and then hardly looked at.
    """
    named = [found for spelling in _SPELLINGS for found in spelling.findall(body)]
    if not named:
        return body
    outer = make_part(fields).parameters.get("boundary", "").rstrip().encode("ascii", "replace")
    names = [(quoted or bare).rstrip() for quoted, bare in named]
    if not outer or len({outer, *names}) > len(names):
        return body
    return _Renaming(outer).rename(body)


class _Renaming:
    """Goes through the lines of a body once, with the multiparts that are open at each."""

    def __init__(self, outer: bytes) -> None:
        self._open: list[tuple[bytes, bytes]] = [(outer, outer)]  # as written, as renamed
        self._header: list[bytes] | None = None
        self._done: list[bytes] = []
        self._renamed = 0

    def rename(self, body: bytes) -> bytes:
        """Return the body with renamed boundaries."""
        for line in body.splitlines(keepends=True):
            written = self._delimiter(line) if line.startswith(b"--") else None
            if written is not None:
                self._done.append(written)
            elif self._header is None:
                self._done.append(line)
            else:
                self._header.append(line)
                if not line.strip() or len(self._header) > _MAX_HEADER_LINES:
                    self._end_header()
        self._end_header()
        return b"".join(self._done) if self._renamed else body

    def _delimiter(self, line: bytes) -> bytes | None:
        """Return how a delimiter line is written from now on; None for a line that is none.

        It ends the multiparts that were opened inside its own, and begins a header unless it closes.
        """
        name = line[2:].rstrip()
        for place in range(len(self._open) - 1, -1, -1):
            written, renamed = self._open[place]
            if name not in (written, written + b"--"):
                continue
            self._end_header()
            closes = name != written
            del self._open[place + (not closes) :]
            self._header = None if closes else []
            return b"--" + renamed + line[2 + len(written) :]
        return None

    def _end_header(self) -> None:
        """Look for a multipart that begins here; it is open from now on."""
        lines, self._header = self._header or [], None
        block = b"".join(lines)
        fields = split_fields(block.rstrip(b"\r\n") + b"\n") if block.strip() else None
        part = make_part(fields) if fields else None
        if part and part.content_type.startswith("multipart/") and len(self._open) < _MAX_OPEN:
            name = part.parameters.get("boundary", "").rstrip().encode("ascii", "replace")
            block = self._opened(name, block) if name else block
        self._done.append(block)

    def _opened(self, name: bytes, block: bytes) -> bytes:
        places = [
            found.span(1) if found[1] else found.span(2)
            for found in _BOUNDARY.finditer(block)
            if (found[1] or found[2]).rstrip() == name
        ]
        if not places or all(name != written for written, _ in self._open):
            self._open.append((name, name))
            return block
        self._renamed += 1
        renamed = name + b".%d" % self._renamed
        self._open.append((name, renamed))
        start, end = places[0]
        return block[:start] + renamed + block[end:]
