"""Which file a job reads at the moment and what ended it, told after its process died; and a deadline.

A mail can hold the parser up inside one C call, where no Python code runs: only the kernel can end that.
"""

from __future__ import annotations

import faulthandler
import mmap
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

FOLDER = "reading"  # below DATA_DIR
_SIZE = 8192
_LENGTH = 4  # bytes, before the path
KEPT_SECONDS = 24 * 3600
OUT_OF_TIME = "reading it took more than MAX_PARSE_SECONDS of the processor's time"


class Note:
    """A shared page that says which file is being read: it survives the process, and costs no system call."""

    def __init__(self, page: mmap.mmap | None, cpu_seconds: float) -> None:
        self._page = page
        self._cpu_seconds = cpu_seconds
        self._next = ""

    def of(self, path: str) -> Note:
        """Note the file while the block runs; SIGPROF ends the process after `cpu_seconds` of work."""
        self._next = path
        return self

    def __enter__(self) -> None:
        """Note the file that is read from now on."""
        if self._cpu_seconds > 0:
            self._write(self._next)
            # SIGPROF's default action: no handler of Python's could run.
            signal.setitimer(signal.ITIMER_PROF, self._cpu_seconds)

    def __exit__(self, *_: object) -> None:
        """Note that no file is read."""
        if self._cpu_seconds > 0:
            signal.setitimer(signal.ITIMER_PROF, 0)
            self._write("")

    def _write(self, path: str) -> None:
        if self._page is None:
            return
        raw = path.encode("utf-8", "surrogatepass")[: _SIZE - _LENGTH]
        self._page[_LENGTH : _LENGTH + len(raw)] = raw
        self._page[:_LENGTH] = len(raw).to_bytes(_LENGTH, "big")


NO_NOTE = Note(None, 0)  # of who reads files without a deadline


@contextmanager
def note_for(data_dir: Path, job_id: str, cpu_seconds: float) -> Iterator[Note]:
    """Open the note of a job, and remove it when the job ends by itself.

    Behind the page stands what Python itself writes when the process crashes (a fatal signal) or has used
    up its time: a kill from outside leaves nothing there, and is no mail's fault.
    """
    file = data_dir / FOLDER / job_id
    opened = _page_of(file) if job_id else None
    if opened is None:
        yield Note(None, cpu_seconds)
        return
    page, descriptor = opened
    # In C, so that it works inside a C call; `chain`: then the signal does what it always does.
    faulthandler.enable(descriptor, all_threads=False)
    faulthandler.register(signal.SIGPROF, descriptor, all_threads=False, chain=True)
    try:
        yield Note(page, cpu_seconds)
    finally:
        faulthandler.unregister(signal.SIGPROF)
        faulthandler.disable()
        page.close()
        os.close(descriptor)
        file.unlink(missing_ok=True)


def _page_of(file: Path) -> tuple[mmap.mmap, int] | None:
    """Make the page and its file's descriptor; None where they cannot be made: then nothing is known of a death."""
    with suppress(OSError):
        file.parent.mkdir(mode=0o700, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(file, flags, 0o600)
        try:
            # room on the disk, or a write to the page would be a SIGBUS
            os.write(descriptor, bytes(_SIZE))
            return mmap.mmap(descriptor, _SIZE), descriptor
        except OSError:
            os.close(descriptor)
            raise
    return None


class LastNote(NamedTuple):
    """What a dead job left: the file that it read ("" for none), and how it crashed ("" if it did not)."""

    path: str
    crash: str


def last_note(data_dir: Path, job_id: str) -> LastNote | None:
    """Return what a job left when its process died, None if there is no note of it."""
    try:
        raw = (data_dir / FOLDER / job_id).read_bytes()
    except OSError:
        return None
    length = int.from_bytes(raw[:_LENGTH], "big")
    path = raw[_LENGTH : _LENGTH + length].decode("utf-8", "surrogatepass")
    return LastNote(path, _crash_in(raw[_SIZE:].decode("utf-8", "replace")))


def _crash_in(trace: str) -> str:
    """Return the crash that faulthandler wrote down; SIGPROF, which is not an error, has no headline of its own."""
    first = trace.strip().partition("\n")[0]
    if not first:
        return ""
    return first if first.startswith("Fatal Python error") else OUT_OF_TIME


def forget_note(data_dir: Path, job_id: str) -> None:
    """Remove the note of a job that was looked into."""
    with suppress(OSError):
        (data_dir / FOLDER / job_id).unlink()


def forget_old_notes(data_dir: Path) -> int:
    """Remove the notes that no one asked for within a day; return how many."""
    forgotten = 0
    with suppress(OSError):
        for file in (data_dir / FOLDER).iterdir():
            if time.time() - file.stat().st_mtime > KEPT_SECONDS:
                file.unlink()
                forgotten += 1
    return forgotten
