import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

DEADLINE = 10.0  # seconds; every wait ends at its event, this only bounds a failing test


class Recorder:
    """Takes offers, rescans or submissions from any thread and lets a test wait for them."""

    def __init__(self) -> None:
        self.calls: list[tuple] = []
        self.times: list[float] = []
        self._changed = threading.Condition()

    def __call__(self, *call) -> None:
        with self._changed:
            self.calls.append(call)
            self.times.append(time.monotonic())
            self._changed.notify_all()

    def firsts(self) -> list[str]:
        with self._changed:
            return [call[0] for call in self.calls]

    def count(self, first: str) -> int:
        return Counter(self.firsts())[first]

    def wait_for(self, *expected: str, seconds: float = DEADLINE) -> None:
        """Wait until every expected first argument has come."""
        self.wait_until(lambda: set(expected) <= {call[0] for call in self.calls}, seconds)

    def wait_until(self, ready: Callable[[], bool], seconds: float = DEADLINE) -> None:
        with self._changed:
            assert self._changed.wait_for(ready, seconds), (
                f"after {seconds} s only {self.calls[-20:]}"
            )

    def clear(self) -> None:
        with self._changed:
            self.calls.clear()
            self.times.clear()


def make_maildir(root: Path, *names: str) -> Path:
    """A Maildir with new/, cur/, tmp/, and the named Maildir++ folders in it."""
    for folder in ("", *names):
        for subdir in ("tmp", "cur", "new"):
            (root / folder / subdir).mkdir(parents=True, exist_ok=True)
    return root


def deliver(root: Path, path: str, content: bytes = b"Subject: x\n\ny\n") -> None:
    """Deliver as the standard says: write into tmp/, rename into place."""
    folder, _, name = path.rpartition("/")
    temporary = (root / folder).parent / "tmp" / name
    temporary.write_bytes(content)
    temporary.rename(root / path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_maildir(tmp_path / "Maildir")


@contextmanager
def permissions_that_bind(below: Path) -> Iterator[None]:
    """Root passes every permission: drop to an unprivileged user for a while, who can reach `below`."""
    if os.geteuid() != 0:
        yield
        return
    shut = {
        one: one.stat().st_mode for one in (below, *below.parents) if not one.stat().st_mode & 0o001
    }
    for one, mode in shut.items():
        one.chmod(mode | 0o011)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
        for one, mode in shut.items():
            one.chmod(mode)
