"""A mail without the bulk of its attachments: long runs of base64 become one line each, to be looked up in the file.

So the MIME tree of a mail of 100 MB is read out of some kilobytes, by the same parser as at its import.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from typing import IO, NamedTuple

SHORTEST = 256 * 1024  # bytes of a run that is worth it
PIECE = 1024 * 1024
_LINE = re.compile(rb"[A-Za-z0-9+/]{40,998}\r?\n")
_MARK_CHARS = 76  # of a line of base64 (RFC 2045, 6.8), so that the parser takes a mark for one


class LeanCopy(NamedTuple):
    """The lean mail, and which bytes [start, end) of the file each mark stands for."""

    raw: bytes
    runs: dict[bytes, tuple[int, int]]

    def pieces(self, text: bytes, file: IO[bytes]) -> Iterator[bytes]:
        """Yield a text of the lean mail as it is in the file, in pieces."""
        if not self.runs:
            yield text
            return
        pattern = b"(" + b"|".join(self.runs) + rb")\r?\n?"
        for number, piece in enumerate(re.split(pattern, text)):
            if number % 2:
                yield from _read(file, *self.runs[piece])
            else:
                yield piece

    def size(self, text: bytes) -> int:
        """Return about how many bytes a text of the lean mail has in the file."""
        return len(text) + sum(
            end - start for mark, (start, end) in self.runs.items() if mark in text
        )


def lean_copy(file: IO[bytes], shortest: int = SHORTEST) -> LeanCopy:
    """Read the mail in `file` from its beginning."""
    file.seek(0)
    secret = secrets.token_hex(16).encode()  # no mail can have the marks in it
    kept: list[bytes] = []
    runs: dict[bytes, tuple[int, int]] = {}
    run: list[bytes] = []
    place = start = 0

    def end_run() -> None:
        # The first and the last line stay: the parser looks at them.
        if place - start < shortest:
            kept.extend(run)
        elif run:
            mark = (secret + b"%08d" % len(runs)).ljust(_MARK_CHARS, b"A")
            runs[mark] = (start + len(run[0]), place - len(run[-1]))
            kept.extend((run[0], mark + run[0][len(run[0].rstrip()) :], run[-1]))
        run.clear()

    for line in iter(lambda: file.readline(PIECE), b""):
        if _LINE.fullmatch(line):
            if not run:
                start = place
            # Of a long run only its ends are needed.
            if len(run) > 1 and place - start >= shortest:
                run[1:] = [line]
            else:
                run.append(line)
        else:
            end_run()
            kept.append(line)
        place += len(line)
    end_run()
    return LeanCopy(b"".join(kept), runs)


def _read(file: IO[bytes], start: int, end: int) -> Iterator[bytes]:
    file.seek(start)
    while start < end and (piece := file.read(min(PIECE, end - start))):
        start += len(piece)
        yield piece
