"""How much memory a job and the processes that build its exports have at the same time."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Self

PAUSE = 0.01  # seconds between two looks
BUILDS = b"mrilu.exports."  # in the command line of what belongs to a build
MIB = 1024 * 1024
PAGE = os.sysconf("SC_PAGE_SIZE")


class BuildMemory:
    """Watches this process, the job, and its builds; `most` is the greatest sum of what they had in memory, in MiB.

    What two of them share counts twice.
    """

    def __init__(self) -> None:
        self.most = 0
        self._over = threading.Event()
        self._watching = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._watching.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._watching.join()

    def _watch(self) -> None:
        while not self._over.wait(PAUSE):
            processes = (os.getpid(), *_builds(os.getpid(), b""))
            self.most = max(self.most, sum(map(_resident, processes)) // MIB)


def _builds(parent: int, command: bytes) -> Iterator[int]:
    """Yield the processes of builds below `parent`, whose command line is given."""
    for child in _children(parent):
        own = _read(child, "cmdline")
        # Between fork and exec a process has its parent's memory, and its command line.
        if BUILDS in own and own != command:
            yield child
            yield from _builds(child, own)


def _children(parent: int) -> Iterator[int]:
    with suppress(OSError):
        for thread in os.listdir(f"/proc/{parent}/task"):
            yield from map(int, _read(parent, f"task/{thread}/children").split())


def _resident(process: int) -> int:
    pages = _read(process, "statm").split()
    return int(pages[1]) * PAGE if pages else 0


def _read(process: int, name: str) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{process}/{name}").read_bytes()
    return b""
