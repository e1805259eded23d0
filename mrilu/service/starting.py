"""Servers that run and take no connections yet: PostgreSQL replays its log after a crash, Redis reads its file."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

from mrilu.service.account import ServerError
from mrilu.service.signals import Signals

FIRST, AGAIN = 3.0, 30.0  # seconds until a person is told what is waited for, and again
PAUSE = 0.5  # seconds between two looks at a server that takes its time: each is a line in PostgreSQL's log
TAIL = 256 * 1024  # bytes of the log that are searched for PostgreSQL's last word on its progress
_STARTS = "starting PostgreSQL"
_LSN = r"([0-9A-F]+/[0-9A-F]+)"
_BEGINS = re.compile(rf"redo starts at {_LSN}")
# Each 10 s: log_startup_progress_interval.
_GOES_ON = re.compile(rf"redo in progress, elapsed time: ([\d.]+) s, current LSN: {_LSN}")


class StillStarting(ServerError):
    """The server will take connections when it has read what it has."""


class Telling:
    """Tells a person what is waited for: not at once, and not all the time."""

    def __init__(self, say: Callable[[str], object]) -> None:
        self._say = say
        self._quiet_until = time.monotonic() + FIRST
        self.told = False

    def tell(self, what: Callable[[], str]) -> None:
        """Say it, if it is time to."""
        if time.monotonic() >= self._quiet_until:
            self._say(what())
            self._quiet_until = time.monotonic() + AGAIN
            self.told = True


def when_started(
    check: Callable[[], object], signals: Signals, say: Callable[[str], object]
) -> bool:
    """Make a check again for as long as it raises StillStarting; False when asked to stop before its end."""
    telling = Telling(say)

    def settled() -> bool:
        try:
            check()
        except StillStarting as error:
            reason = str(error)
            telling.tell(lambda: f"waiting: {reason}")
            return False
        return True

    return signals.until(settled, PAUSE)


def progress_of(log: Path) -> str:
    """Return how far PostgreSQL is with replaying its log, by its own; "it starts" where that does not say."""
    text = _end_of(log).rpartition(_STARTS)[2]
    begins = list(_BEGINS.finditer(text))
    if not begins:
        return "it starts"
    told = "it replays its log after a crash"
    if goes_on := list(_GOES_ON.finditer(text, begins[-1].end())):
        seconds, place = goes_on[-1].groups()
        megabytes = (_bytes(place) - _bytes(begins[-1][1])) // 1024**2
        told += f": {megabytes:,} MB in {float(seconds):.0f} s so far"
    return told


def _bytes(place: str) -> int:
    high, low = place.split("/")
    return (int(high, 16) << 32) + int(low, 16)


def _end_of(log: Path) -> str:
    try:
        with open(log, "rb") as file:
            file.seek(max(0, log.stat().st_size - TAIL))
            return file.read().decode(errors="replace")
    except OSError:
        return ""
