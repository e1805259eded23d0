"""A build is a process of its own: what it may take, what becomes of it, and that it gives the same bytes twice."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mrilu.exports import build
from mrilu.exports.book import Book, uncollected
from mrilu.exports.fonts import NotInstalled
from mrilu.settings.table import PROJECT
from tests.exports.books import book, entry, hostile_book

LIMITS = build.Limits(60, 4 * 2**30)


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    return saved(hostile_book(), tmp_path)


def saved(one: Book, folder: Path) -> Path:
    path = folder / "book"
    path.write_text(one.to_json(), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", build.FORMATS)
def test_equal_books_give_equal_bytes(name, hostile, tmp_path):
    try:
        build.check_installed(name)
    except NotInstalled as error:
        pytest.skip(str(error))
    first, second = (tmp_path / "first", tmp_path / "second")
    build.build(name, hostile, first, LIMITS)
    build.build(name, hostile, second, LIMITS)
    assert first.read_bytes() == second.read_bytes()


def test_a_book_survives_its_file():
    assert Book.from_json(hostile_book().to_json()) == hostile_book()


def test_the_collector_of_cycles_is_back_after_a_block_without_it():
    with pytest.raises(ValueError), uncollected():
        assert not gc.isenabled()
        raise ValueError
    assert gc.isenabled()
    gc.disable()
    with uncollected():
        pass
    found = gc.isenabled()
    gc.enable()
    assert not found


def test_a_build_that_takes_too_long_is_ended(tmp_path):
    os.mkfifo(tmp_path / "book")  # no one ever writes into it
    with pytest.raises(build.BuildFailed, match=r"longer than EXPORT_TIMEOUT \(0.3 s\)"):
        build.build("json", tmp_path / "book", tmp_path / "out", build.Limits(0.3, 2**30))


@pytest.mark.parametrize("name", ["json", "pdf"])
def test_a_build_that_needs_too_much_memory_is_ended(name, tmp_path):
    large = saved(book(*(entry(f"a{n}", n, "word " * 2000) for n in range(3000))), tmp_path)
    with pytest.raises(build.BuildFailed, match=r"MemoryError|EXPORT_MEMORY"):
        build.build(name, large, tmp_path / "out", build.Limits(60, 120 * 2**20))


def test_the_reason_names_the_entry(tmp_path):
    bad = saved(book(entry("mlatu", 1), entry("broda", 7, type=None)), tmp_path)
    with pytest.raises(build.BuildFailed, match=r"\Aentry 'broda' \(definitionid 7\): TypeError"):
        build.build("latex", bad, tmp_path / "out", LIMITS)


def test_a_build_dies_with_the_job_that_started_it(tmp_path):
    os.mkfifo(tmp_path / "book")
    path = str(tmp_path / "book")
    script = f"from mrilu.exports import build; build.build('json', {path!r}, 'x', build.Limits(60, 2**30))"
    job = subprocess.Popen([sys.executable, "-c", script], cwd=PROJECT)
    writing = os.open(
        tmp_path / "book", os.O_WRONLY
    )  # returns when the build has opened it for reading
    job.kill()
    job.wait()
    deadline = time.monotonic() + 10
    with pytest.raises(BrokenPipeError):
        while time.monotonic() < deadline:
            os.write(writing, b"[")
    os.close(writing)


def test_the_hash_of_a_builder_covers_packages_and_code(monkeypatch):
    before = build.builder_hash("xml")
    assert build.builder_hash("xml") == before != build.builder_hash("json")
    monkeypatch.setattr(build, "version", lambda package: "0")
    assert build.builder_hash("xml") != before
