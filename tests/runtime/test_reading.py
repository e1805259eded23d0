"""What a process read when it died is known, and the kernel ends one that reads too long."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mrilu.runtime.reading import (
    FOLDER,
    KEPT_SECONDS,
    NO_NOTE,
    OUT_OF_TIME,
    forget_note,
    forget_old_notes,
    last_note,
    note_for,
)
from mrilu.settings.table import PROJECT

# re backtracks inside one C call: no Python code runs, and no handler of a signal.
HELD_UP = """
import re, sys
from pathlib import Path
from mrilu.runtime.reading import note_for
with note_for(Path(sys.argv[1]), "job", 0.3) as note:
    with note.of("new/1"):
        pass
    with note.of("new/2"):
        re.match("(a+)+$", "a" * 60 + "b")
"""


def test_a_file_that_holds_a_c_call_up_ends_its_process_and_is_known(tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-c", HELD_UP, str(tmp_path)]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(PROJECT)}, timeout=60)
    assert done.returncode == -signal.SIGPROF
    assert last_note(tmp_path, "job") == ("new/2", OUT_OF_TIME)
    forget_note(tmp_path, "job")
    assert last_note(tmp_path, "job") is None


@pytest.mark.parametrize("path", ["new/1", "cur/caf\u00e9:2,S", "new/\udcff", "x" * 4000])
def test_between_two_files_none_is_read(tmp_path: Path, path: str) -> None:
    with note_for(tmp_path, "job", 60) as note:
        assert last_note(tmp_path, "job") == ("", "")
        with note.of(path):
            assert last_note(tmp_path, "job") == (path, "")
        assert last_note(tmp_path, "job") == ("", "")
        assert signal.getitimer(signal.ITIMER_PROF) == (0.0, 0.0)
    assert last_note(tmp_path, "job") is None and not list((tmp_path / FOLDER).iterdir())


def test_without_a_place_for_it_reading_goes_on(tmp_path: Path) -> None:
    with note_for(tmp_path / "missing", "job", 60) as note, note.of("new/1"):
        assert last_note(tmp_path / "missing", "job") is None
    with NO_NOTE.of("new/1"):
        assert signal.getitimer(signal.ITIMER_PROF) == (0.0, 0.0)


def test_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    victim = tmp_path / "victim"
    victim.write_text("kept")
    (tmp_path / FOLDER / "job").symlink_to(victim)
    with note_for(tmp_path, "job", 60) as note, note.of("new/1"):
        pass
    assert victim.read_text() == "kept"


def test_notes_that_nobody_asked_for_are_forgotten_after_a_day(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    for name, age in (("old", KEPT_SECONDS + 60), ("new", 0)):
        (tmp_path / FOLDER / name).touch()
        os.utime(tmp_path / FOLDER / name, (time.time() - age,) * 2)
    assert forget_old_notes(tmp_path) == 1 and forget_old_notes(tmp_path / "missing") == 0
    assert [file.name for file in (tmp_path / FOLDER).iterdir()] == ["new"]


ENDING = """
import os, signal, sys
from pathlib import Path
from mrilu.runtime.reading import note_for
with note_for(Path(sys.argv[1]), "job", 60) as note, note.of("new/1"):
    os.kill(os.getpid(), getattr(signal, sys.argv[2]))
"""


@pytest.mark.parametrize(
    ("name", "crash"),
    [
        ("SIGKILL", ""),
        ("SIGTERM", ""),
        ("SIGSEGV", "Fatal Python error: Segmentation fault"),
        ("SIGBUS", "Fatal Python error: Bus error"),
        ("SIGABRT", "Fatal Python error: Aborted"),
    ],
)
def test_a_crash_is_told_from_a_kill(tmp_path: Path, name: str, crash: str) -> None:
    command = [sys.executable, "-P", "-c", ENDING, str(tmp_path), name]
    environ = {**os.environ, "PYTHONPATH": str(PROJECT)}
    done = subprocess.run(command, env=environ, timeout=60, stderr=subprocess.DEVNULL)
    assert done.returncode == -getattr(signal, name)
    assert last_note(tmp_path, "job") == ("new/1", crash)


def test_nothing_is_left_open_when_a_job_has_ended(tmp_path: Path) -> None:
    def opened() -> list[str]:
        return sorted(os.listdir("/proc/self/fd"))

    before = opened()
    for _ in range(3):
        with note_for(tmp_path, "job", 60) as note, note.of("new/1"):
            pass
    assert opened() == before
