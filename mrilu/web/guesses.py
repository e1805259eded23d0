"""How often a password may be guessed: a few times at once, then slowly."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

logger = logging.getLogger(__name__)

AT_ONCE = 10
SECONDS = 6.0  # until the next guess is taken
MOST_ADDRESSES = 1000


class Guesses:
    """Wrong passwords by address; a proxy's visitors have one address together.

    A bucket that fills (RFC 6585's 429 says when to come again): AT_ONCE guesses, then one every SECONDS.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        # When the address's bucket will be empty again, least recent first.
        self._empty_at: OrderedDict[str, float] = OrderedDict()

    def seconds_to_wait(self, address: str) -> float:
        """Return how long this address has to wait before a password of it is looked at; 0: not at all."""
        with self._lock:
            full = self._empty_at.get(address, 0.0) - self._clock() - (AT_ONCE - 1) * SECONDS
            return max(0.0, full)

    def note_wrong(self, address: str) -> None:
        """Count a wrong password, and log it."""
        with self._lock:
            now = self._clock()
            self._empty_at[address] = max(now, self._empty_at.get(address, 0.0)) + SECONDS
            self._empty_at.move_to_end(address)
            while len(self._empty_at) > MOST_ADDRESSES:
                self._empty_at.popitem(last=False)
        logger.warning("wrong operator password address=%s", address)
