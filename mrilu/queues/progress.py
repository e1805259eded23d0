"""How far the imports are, by what is counted anyway: the ledger itself costs a look at every file, row and job."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from models import Total
from mrilu.queues.ledgers import ledgers
from mrilu.queues.queues import IMPORT, MAIL, is_drained, queue
from mrilu.runtime.database import database
from mrilu.runtime.resting import rest_after

# What an import counts of files that had no place in the archive before.
TAKEN_IN = ("imported", "copies", "rejected")
QUIET_SECONDS = 2.0  # without an import, after which the ledger is worth its look


def taken_in() -> int:
    """Return how many files imports have taken in so far, of all Maildirs."""
    database()
    return Total.of_items(IMPORT, TAKEN_IN)


def work_waits() -> bool:
    """Tell whether import jobs wait, run or will be tried again; one round trip."""
    return not is_drained(queue(MAIL))


class Settling:
    """Waits for the Maildirs that are watched to be level, and draws up the ledger as seldom as will do."""

    def __init__(self, every: float) -> None:
        self._every = every
        self._next_look = 0.0
        self._began = taken_in()
        self._moved = self._began, time.monotonic()

    def steps(self) -> Iterator[int | list[dict[str, Any]]]:
        """Yield how many files were taken in since the start, again and again, and in the end the ledgers: level."""
        while True:
            if facts := self._look():
                yield facts
                return
            count = taken_in()
            if count != self._moved[0]:
                self._moved = count, time.monotonic()
            yield count - self._began
            time.sleep(self._every)

    def _look(self) -> list[dict[str, Any]] | None:
        """Return the ledgers if all are level; None if they are not, or if that is not worth a look."""
        now = time.monotonic()
        if now < self._next_look or (work_waits() and now - self._moved[1] < QUIET_SECONDS):
            return None
        facts = [one for one in ledgers() if one["watched"]]
        ended = time.monotonic()
        self._next_look = ended + rest_after(ended - now)
        return facts if facts and all(one["level"] for one in facts) else None
