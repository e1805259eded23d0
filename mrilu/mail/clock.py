"""The processor time that reading one mail may take, looked at from the loops that a mail can make long."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from math import inf
from typing import TypeVar

from mrilu.mail.message import RejectedMail

T = TypeVar("T")
EVERY = 256  # rounds of a loop between two looks: a look costs as much as a short round


class _Clock(threading.local):
    seconds: float = inf
    # No thread uses more processor time than passes on the wall, which is cheaper to ask.
    by_the_wall: float = inf
    by_the_processor: float = inf
    read_at: float = -inf
    reading: float = 0.0


_clock = _Clock()
# Seconds for which a reading of the processor's clock, which takes a system call, is good enough for a start.
_FRESH = 0.25


def start(seconds: float) -> None:
    """Let this thread read one mail for so many seconds of processor time from now on, or up to 0.25 more."""
    clock, now = _clock, time.monotonic()
    if now - clock.read_at > _FRESH:
        clock.read_at, clock.reading = now, time.thread_time()
    clock.seconds, clock.by_the_wall = seconds, now + seconds
    # At most as much processor time as wall time has passed since the reading.
    clock.by_the_processor = clock.reading + (now - clock.read_at) + seconds


def stop() -> None:
    """Let this thread read on without a limit."""
    _clock.by_the_wall = inf


def check_time() -> None:
    """Raise RejectedMail when the mail that this thread reads has used up its seconds."""
    if time.monotonic() > _clock.by_the_wall and time.thread_time() > _clock.by_the_processor:
        raise RejectedMail("too-slow", f"parsing took more than {_clock.seconds:g} seconds")


def timed(rounds: Iterable[T]) -> Iterator[T]:
    """Yield the rounds of a loop, with a look at the clock now and then; raises as `check_time`."""
    for number, one in enumerate(rounds, 1):
        if not number % EVERY:
            check_time()
        yield one
