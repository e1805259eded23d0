"""Typesets the pieces of a book, several at once: each in a process of its own, since typst gives no memory back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from typing import NamedTuple

from mrilu.exports.pdf_names import Places
from mrilu.exports.typeset import PDF

PROJECT = Path(__file__).resolve().parents[2]
ROOM = 108_000  # spans that are laid out at the same time, 7 KB each: with the build itself, some 800 MB
ANY = 10_000  # spans that take as much memory as a process without any


class NotTypeset(Exception):
    """Typst refused the book."""


class Piece(NamedTuple):
    """What typesets one piece reads, in a folder, and how many spans that has."""

    folder: Path
    spans: int


class Typeset(NamedTuple):
    """A piece that has been typeset: its PDF, where its names are in that, and typst's warnings."""

    pdf: Path
    places: Places
    warnings: list[str]


def typeset_all(pieces: Iterable[Piece]) -> Generator[Typeset]:
    """Yield the pieces in their order, typeset. Raises NotTypeset.

    Up to a piece a processor is typeset at the same time, while the next ones are made. When the generator is closed or
    fails, nothing of it runs any more.
    """
    started: list[_Typesetter] = []
    try:
        for piece in pieces:
            while not _has_room(started, piece):
                _finish_some(started)
                yield from _finished(started)
            started.append(_Typesetter(piece))
        while started:
            _finish_some(started)
            yield from _finished(started)
    finally:
        for one in started:
            one.end()


class _Typesetter:
    """A process that typesets a piece."""

    def __init__(self, piece: Piece) -> None:
        self.piece = piece
        self.done: Typeset | None = None
        self.process = subprocess.Popen(
            _command(piece),
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self) -> None:
        """Wait until the piece is typeset. Raises NotTypeset."""
        output, errors = self.process.communicate()
        pdf = self.piece.folder / PDF
        if self.process.returncode or not pdf.exists():
            raise NotTypeset(f"typst: {_reason(self.process.returncode, errors)[-1000:]}")
        told = json.loads(output)
        self.done = Typeset(pdf, told["places"], told["warnings"])

    def end(self) -> None:
        """Leave no process behind."""
        with self.process:
            self.process.kill()


def _reason(code: int, errors: str) -> str:
    """Return what went wrong: its last line says so, or the first one of what Rust says before it aborts."""
    said = errors.strip().splitlines() or [""]
    if code < 0:
        how = f"it ended with signal {signal.Signals(-code).name}; perhaps it needs more than"
        return f"{how} EXPORT_MEMORY: {said[0]}"
    return said[-1] or f"exit code {code}"


def _command(piece: Piece) -> list[str]:
    return [
        sys.executable,
        "-P",
        "-m",
        "mrilu.exports.typeset",
        str(piece.folder),
        str(os.getpid()),
    ]


def _has_room(started: list[_Typesetter], piece: Piece) -> bool:
    running = [one.piece for one in started if not one.done]
    spans = sum(ANY + one.spans for one in (*running, piece))
    return not running or (len(running) < _processors() and spans <= ROOM)


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _finish_some(started: list[_Typesetter]) -> None:
    """Wait until at least one more has something to say, which is when it is done."""
    with DefaultSelector() as selector:
        for one in started:
            if one.process.stdout and not one.done:
                selector.register(one.process.stdout, EVENT_READ, one)
        for ready, _ in selector.select():
            ready.data.finish()


def _finished(started: list[_Typesetter]) -> Iterator[Typeset]:
    """Take away those in front that are done."""
    while started and (done := started[0].done):
        del started[0]
        yield done
