"""Signals of the foreground process: a request to stop is noted, never an exception in the middle of something."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable
from contextlib import suppress
from types import FrameType


class Signals:
    """Notes SIGINT, SIGTERM and SIGHUP, and wakes `sleep` at once; a second one changes nothing."""

    def __init__(self) -> None:
        self.stop = False
        self._reader, writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._note)
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup means what it says
            signal.signal(signal.SIGHUP, self._note)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # only to wake up

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.stop = True

    def sleep(self, seconds: float) -> None:
        """Sleep until a signal comes, at most `seconds`; not if a request to stop came before.

        Other signals of before do not count: a check that runs a program would never rest after it.
        """
        self._forget()
        if not self.stop:
            select.select([self._reader], [], [], seconds)

    def _forget(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._reader, 4096)

    def until(self, holds: Callable[[], bool], pause: float = 0.02) -> bool:
        """Wait until `holds()` or a request to stop; returns whether it holds."""
        while not self.stop:
            if holds():
                return True
            self.sleep(pause)
        return False
