"""Pieces are typeset beside each other in processes of their own, of which none is left behind."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mrilu.exports import typesetters
from mrilu.exports.typeset import PDF
from mrilu.exports.typesetters import NotTypeset, Piece, typeset_all
from mrilu.settings.table import PROJECT

TOLD = json.dumps({"places": {}, "warnings": []})
Scripts = Callable[..., list[Piece]]


@pytest.fixture
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scripts:
    """Pieces whose typesetters are shell scripts, of which each runs in its piece's folder."""

    def pieces(*sources: str, spans: int = 1) -> list[Piece]:
        made = [Piece(tmp_path / str(number), spans) for number in range(len(sources))]
        for piece, source in zip(made, sources, strict=True):
            piece.folder.mkdir()
            (piece.folder / "script").write_text(f"cd {shlex.quote(str(piece.folder))}; {source}\n")
        return made

    monkeypatch.setattr(
        typesetters, "_command", lambda piece: ["/bin/sh", str(piece.folder / "script")]
    )
    return pieces


def finished(warning: str = "") -> str:
    told = json.dumps({"places": {}, "warnings": [warning]})
    return f"touch {PDF}; echo {shlex.quote(told)}"


def test_pieces_come_in_their_order_whichever_is_done_first(scripts, tmp_path, monkeypatch):
    monkeypatch.setattr(typesetters, "_processors", lambda: 2)
    os.mkfifo(tmp_path / "fifo")
    pieces = scripts(
        f"cat ../fifo; {finished('first')}", f"{finished('second')}; echo >../fifo", finished()
    )
    assert [one.warnings for one in typeset_all(pieces)] == [["first"], ["second"], [""]]


@pytest.mark.parametrize(("processors", "spans"), [(1, 1), (8, typesetters.ROOM)])
def test_without_processors_or_memory_for_two_pieces_come_one_by_one(
    processors, spans, scripts, monkeypatch
):
    monkeypatch.setattr(typesetters, "_processors", lambda: processors)
    alone = f"mkdir ../running || exit 1; {finished()}; rmdir ../running"
    assert len(list(typeset_all(scripts(*[alone] * 4, spans=spans)))) == 4


WAITING = "exec cat ../fifo"  # for ever: the test holds the other end
BESIDE_IT = "exec 3>../fifo"  # returns when WAITING has begun


@pytest.fixture
def fifo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The end to write into, while two pieces are typeset at once."""
    monkeypatch.setattr(typesetters, "_processors", lambda: 2)
    os.mkfifo(tmp_path / "fifo")
    reading = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    writing = os.open(tmp_path / "fifo", os.O_WRONLY)
    os.close(reading)
    yield writing
    os.close(writing)


def test_a_piece_that_fails_ends_the_others(scripts, fifo):
    failing = f"{BESIDE_IT}; echo a hint >&2; echo no such font >&2; exit 1"
    with pytest.raises(NotTypeset, match=r"\Atypst: no such font\Z"):
        list(typeset_all(scripts(WAITING, failing)))
    with pytest.raises(BrokenPipeError):
        os.write(fifo, b"x")


def test_one_who_wants_no_more_pieces_leaves_none_behind(scripts, fifo):
    pieces = scripts(f"{BESIDE_IT}; {finished()}", WAITING)
    with closing(typeset_all(pieces)) as typeset:
        next(typeset)
    with pytest.raises(BrokenPipeError):
        os.write(fifo, b"x")


def test_a_typesetter_that_ends_without_a_word_fails(scripts):
    with pytest.raises(NotTypeset, match="typst: exit code 3"):
        list(typeset_all(scripts("exit 3")))


def test_typst_without_enough_memory_says_so(scripts):
    aborted = "echo memory allocation of 8 bytes failed >&2; echo note: >&2; kill -KILL $$"
    with pytest.raises(
        NotTypeset, match="SIGKILL; perhaps .* EXPORT_MEMORY: memory allocation of 8 bytes failed"
    ):
        list(typeset_all(scripts(aborted)))


def test_a_typesetter_dies_with_the_build_that_started_it(tmp_path):
    os.mkfifo(tmp_path / "book.json")
    script = (
        "from pathlib import Path; from mrilu.exports.typesetters import *; "
        f"list(typeset_all([Piece(Path({str(tmp_path)!r}), 1)]))"
    )
    build = subprocess.Popen([sys.executable, "-c", script], cwd=PROJECT)
    # returns when the typesetter has opened it for reading
    writing = os.open(tmp_path / "book.json", os.O_WRONLY)
    build.kill()
    build.wait()
    deadline = time.monotonic() + 10
    with pytest.raises(BrokenPipeError):
        while time.monotonic() < deadline:
            os.write(writing, b"[")
    os.close(writing)
