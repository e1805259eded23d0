"""What takes too long for a request: gathered beside it, kept, and gathered again when it is asked for and old."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from mrilu.runtime.resting import rest_after

logger = logging.getLogger(__name__)

T = TypeVar("T")

EVERY = 60.0  # seconds, at least


class Found(NamedTuple, Generic[T]):
    """The last facts (None: none yet, or the last try failed) and when they were gathered (seconds since 1970)."""

    facts: T | None
    at: float


class Background(Generic[T]):
    """The last facts, and who renews them; `gather` does the work, in a thread of its own."""

    def __init__(
        self,
        name: str,
        gather: Callable[[], T],
        clock: Callable[[], float] = time.monotonic,
        every: float = EVERY,
    ) -> None:
        self._name, self._gather, self._clock, self._every = name, gather, clock, every
        self._found: Found[T] = Found(None, 0.0)
        self._due = float("-inf")
        self._busy = threading.Lock()
        self._tried = threading.Event()

    def found(self, patience: float = 0.0) -> Found[T]:
        """Return the last facts, and have them renewed if they are old; wait so many seconds for the first ones."""
        if self._clock() >= self._due and self._busy.acquire(blocking=False):
            self._begin()
        self._tried.wait(patience)
        return self._found

    def _begin(self) -> None:
        try:
            threading.Thread(target=self._renew, name=self._name, daemon=True).start()
        except RuntimeError as error:  # there may be no more threads: the next one who asks tries
            self._busy.release()
            logger.warning("%s cannot be gathered: %s", self._name, error)

    def renew(self) -> None:
        """Renew the facts now, in this thread."""
        self._busy.acquire()
        self._renew()

    def _renew(self) -> None:
        began = self._clock()
        try:
            self._found = Found(self._gather(), time.time())
        except Exception:
            logger.exception("%s cannot be gathered", self._name)
            self._found = Found(None, time.time())
        finally:
            ended = self._clock()
            self._due = ended + max(self._every, rest_after(ended - began))
            self._tried.set()
            self._busy.release()
