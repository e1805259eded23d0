"""Times as the index of search knows them: steps of 2, 16, 128 and 1,024 days (migration 0042), and how full they are.

Pure. A step's number counts from 1970; a span is [first, last) in steps of 2 days.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from math import floor
from typing import NamedTuple

STEP = 172_800  # seconds
_SHIFTS = (0, 3, 6, 9)  # of steps of 2 days to those of each level
_LEVEL = 1 << 40  # apart, so that no number means two things
HAS_ATTACHMENT = 9 << 40


def step_of(moment: datetime) -> int:
    """Return the step of 2 days in which a moment is."""
    return floor(moment.timestamp() / STEP)


def start_of(step: int) -> datetime:
    """Return when a step begins (UTC), or the first moment that there is."""
    try:
        return datetime.fromtimestamp(step * STEP, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.min.replace(tzinfo=UTC)


def keys_of(first: int, last: int) -> list[int]:
    """Return the numbers that messages of this span have, and no others; the longest steps that fit."""
    keys = []
    while first < last:
        level = next(
            one
            for one in reversed(range(len(_SHIFTS)))
            if first % (1 << _SHIFTS[one]) == 0 and first + (1 << _SHIFTS[one]) <= last
        )
        keys.append(level * _LEVEL + (first >> _SHIFTS[level]))
        first += 1 << _SHIFTS[level]
    return keys


def rounded_down(first: int, last: int) -> int:
    """Return a start at or a little before `first`, from where few numbers reach `last`."""
    shift = max(one for one in _SHIFTS if 1 << one <= max(1, (last - first) // 3))
    return first >> shift << shift


def rounded_up(first: int, last: int) -> int:
    """Return an end at or after `last` up to which few numbers reach from `first`."""
    shift = max(one for one in _SHIFTS if first % (1 << one) == 0 and 1 << one <= last - first)
    return -(-last >> shift << shift)


def finer(bounds: Sequence[float], parts: int, newest: Sequence[float] = ()) -> list[float]:
    """Return the bounds with each part between them cut into `parts`, which are taken to be even but for the newest.

    `newest` are the bounds of these, as far as they are known, rising.
    """
    even = [
        low + (high - low) * part / parts for low, high in pairwise(bounds) for part in range(parts)
    ]
    even.append(bounds[-1])
    if not newest:
        return even
    return [min(one, newest[0]) for one in even[: -len(newest)]] + list(newest)


class Calendar(NamedTuple):
    """How many messages there are, and where their dates cut them into equal parts (in steps, rising)."""

    messages: int
    bounds: Sequence[float]

    def before(self, last: int, messages: int) -> int | None:
        """Return the step from which on there are about so many messages before `last`; None if from the first on."""
        place = self._place(last) - messages / max(1, self.messages) * (len(self.bounds) - 1)
        if place <= 0:
            return None
        low = min(int(place), len(self.bounds) - 2)
        first = self.bounds[low] + (place - low) * (self.bounds[low + 1] - self.bounds[low])
        start = min(last - 1, floor(first))
        # one date in a far future is not to make the newest span a long one
        return rounded_down(start, max(start + 1, min(last, floor(self.bounds[-1]) + 1)))

    def between(self, first: int, last: int) -> float:
        """Return about how many messages there are in a span."""
        share = (self._place(last) - self._place(first)) / (len(self.bounds) - 1)
        return share * self.messages

    def _place(self, step: int) -> float:
        """Return which part a step is in, and how far."""
        if step >= self.bounds[-1]:
            return float(len(self.bounds) - 1)
        place = bisect_right(self.bounds, step) - 1
        if place < 0:
            return 0.0
        width = self.bounds[place + 1] - self.bounds[place]
        return place + (step - self.bounds[place]) / width if width else float(place)
