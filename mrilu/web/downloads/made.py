"""Files that take a while to make: made once by a thread of their own, kept in a folder of bounded size.

A key holds everything that a file is made of, who may see it too; so what is withheld afterwards is under no key that
anyone asks for any more, and the file goes when the one of the new state is made, or when it is the oldest.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

logger = logging.getLogger(__name__)

MOST_BYTES = 2 * 1024**3  # of all kept files
PATIENCE = 8.0  # seconds that a request waits for a file to be made
MAKERS = 2  # files that one process makes at once
SLOWEST = 900.0  # seconds that the making of a file may take

Make = Callable[[], Iterable[bytes]]


class BeingMade(Exception):
    """The file is being made. Ask again in a moment."""


class MadeFiles:
    """The kept files of a folder; several processes may share it."""

    def __init__(
        self, room: Path, most_bytes: int = MOST_BYTES, patience: float = PATIENCE
    ) -> None:
        self._room, self._most, self._patience = room / "made", most_bytes, patience
        self._making: dict[str, threading.Thread] = {}
        self._lock = threading.Lock()

    @staticmethod
    def tag_of(kind: str, facts: object) -> str:
        """Return the ETag of the file of these facts."""
        return f"{_digest(kind)}-{_digest(facts)}"

    def taken(self, kind: str, facts: object, make: Make) -> Iterator[bytes]:
        """Yield what the file of these facts holds, made here and now, and kept, if it is not there."""
        name = self.tag_of(kind, facts)
        file = self._kept(name)
        if file is None:
            self._work(name, make)
            file = self._kept(name)
        if file is None:  # another process is at it
            yield from make()
            return
        with file:
            yield from iter(lambda: file.read(256 * 1024), b"")

    def get(self, kind: str, facts: object, make: Make) -> IO[bytes]:
        """Return the open file of these facts. Raises BeingMade, OSError.

        `kind` is its address without the state: a file of another state of the same kind is removed.
        """
        name = self.tag_of(kind, facts)
        if (found := self._kept(name)) is not None:
            return found
        thread = self._begin(name, make)
        thread.join(self._patience)
        if (found := self._kept(name)) is None:
            raise BeingMade
        return found

    def _kept(self, name: str) -> IO[bytes] | None:
        try:
            file = open(self._room / name, "rb")
        except FileNotFoundError:
            return None
        with suppress(OSError):
            os.utime(file.fileno())  # the oldest go first
        return file

    def _begin(self, name: str, make: Make) -> threading.Thread:
        with self._lock:
            self._making = {one: made for one, made in self._making.items() if made.is_alive()}
            thread = self._making.get(name)
            if thread is None:
                if len(self._making) >= MAKERS:
                    raise BeingMade
                thread = threading.Thread(
                    target=self._work, args=(name, make), name="make-file", daemon=True
                )
                self._making[name] = thread
                thread.start()
            return thread

    def _work(self, name: str, make: Make) -> None:
        partial = self._room / f".{name}"
        try:
            self._room.mkdir(parents=True, exist_ok=True)
            # Another process may be at it: it has the lock as long as it lives.
            with open(partial, "ab") as file:
                if _held(file, partial):
                    self._fill(file, partial, self._room / name, make)
                    self._forget_old(name)
        except Exception:
            logger.exception("a file to download could not be made")

    @staticmethod
    def _fill(file: IO[bytes], partial: Path, whole: Path, make: Make) -> None:
        if whole.exists():  # made since by another
            partial.unlink(missing_ok=True)
            return
        try:
            file.truncate(0)
            _write(make(), file)
            partial.rename(whole)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise

    def _forget_old(self, newest: str) -> None:
        """Remove other states of the newest file, then the oldest until the rest has room."""
        kind = newest.partition("-")[0]
        files = []
        for entry in os.scandir(self._room):
            with suppress(FileNotFoundError):
                files.append((entry.stat().st_mtime, entry.stat().st_size, entry.name))
        total = 0
        for _, size, name in sorted(files, reverse=True):
            total += size
            stale = name.startswith(f"{kind}-") and name != newest
            if stale or (total > self._most and name != newest):
                total -= size if self._removed(name) else 0

    def _removed(self, name: str) -> bool:
        """Remove a file, unless it is one that a process makes at the moment."""
        path = self._room / name
        with suppress(FileNotFoundError), open(path, "rb") as file:
            if name.startswith(".") and not _held(file, path):
                return False
            path.unlink()
        return True


def _held(file: IO[bytes], path: Path) -> bool:
    """Return whether this process has got the lock of the open file, and the file is still the one at its path."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except (BlockingIOError, FileNotFoundError):
        return False


def _write(pieces: Iterable[bytes], file: IO[bytes]) -> None:
    until = time.monotonic() + SLOWEST
    for piece in pieces:
        file.write(piece)
        if time.monotonic() > until:
            raise TimeoutError("it takes too long")
    file.flush()  # who finds it by its name reads all of it


def _digest(facts: object) -> str:
    return hashlib.blake2b(repr(facts).encode(), digest_size=16).hexdigest()
