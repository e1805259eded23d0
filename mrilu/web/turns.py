"""Whose turn it is, where more is asked for than there are threads: who took little lately goes before who took much.

A request is due when it came, plus the time that its asker has taken of our threads lately; the one that is due first
is answered first. So a crawler with many connections holds up no reader, and waits itself for a bounded time. Some
threads are kept from costly requests, and some from askers who took much. Pure, but for the clock.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from typing import NamedTuple

HALF_LIFE = 10.0  # seconds after which half of what was taken is forgotten
MOST_BEHIND = 2.0  # seconds by which anyone is put behind others, whatever was taken
MUCH = 0.1  # seconds taken lately that make an asker a heavy one
DEAR_SECONDS = 0.1  # by which a costly request is put behind others
# Of more costly requests than these the next ones are let through, to be told to come again (limits.py).
MOST_DEAR_WAITING = 32
MOST_NETWORKS = 10_000


class Use:
    """What an asker has taken of our threads lately, in seconds."""

    def __init__(self) -> None:
        self._taken, self._at = 0.0, 0.0

    def taken(self, now: float) -> float:
        """Return the seconds, the longer ago the less."""
        return float(self._taken * 0.5 ** ((now - self._at) / HALF_LIFE))

    def add(self, seconds: float, now: float) -> None:
        """Count what was just taken."""
        self._taken, self._at = self.taken(now) + seconds, now


class Turn(NamedTuple):
    """A request that waits, or is being answered: what answers it, and of which kind it is."""

    due: float
    place: int
    answer: Callable[[], None]
    use: Use
    kind: tuple[bool, bool]  # whether it is costly, and whether its asker took much


class Turns:
    """The requests that wait, in the order of their turns; whoever calls holds the dispatcher's lock."""

    def __init__(
        self, most_dear: int, most_heavy: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most_dear, self._most_heavy, self._clock = most_dear, most_heavy, clock
        self._waiting: dict[tuple[bool, bool], list[Turn]] = {}
        self._places, self._dear, self._heavy = count(), 0, 0
        self._networks: OrderedDict[str, Use] = OrderedDict()

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def __bool__(self) -> bool:
        """Tell whether a request may be answered now."""
        return self._next() is not None

    def use_of(self, network: str) -> Use:
        """Return what a network has taken lately."""
        found = self._networks.setdefault(network, Use())
        self._networks.move_to_end(network)
        if len(self._networks) > MOST_NETWORKS:
            self._networks.popitem(last=False)
        return found

    def append(self, answer: Callable[[], None], use: Use, *, dear: bool) -> None:
        """Let a request wait for its turn."""
        now = self._clock()
        taken = use.taken(now)
        due = now + min(taken, MOST_BEHIND) + DEAR_SECONDS * dear
        turn = Turn(due, next(self._places), answer, use, (dear, taken > MUCH))
        heappush(self._waiting.setdefault(turn.kind, []), turn)

    def popleft(self) -> Turn:
        """Take the request whose turn it is. Raises IndexError where there is none."""
        if (kind := self._next()) is None:
            raise IndexError
        self._dear, self._heavy = self._dear + kind[0], self._heavy + kind[1]
        return heappop(self._waiting[kind])

    def end(self, turn: Turn, seconds: float) -> None:
        """Note that a request was answered, which took a thread so long."""
        self._dear, self._heavy = self._dear - turn.kind[0], self._heavy - turn.kind[1]
        turn.use.add(seconds, self._clock())

    def _next(self) -> tuple[bool, bool] | None:
        """Return the kind of the request whose turn it is."""
        ready = ((those[0], kind) for kind, those in self._waiting.items() if those)
        return min((pair for pair in ready if self._may(pair[1])), default=(None, None))[1]

    def _may(self, kind: tuple[bool, bool]) -> bool:
        dear, heavy = kind
        if dear and self._dear >= self._most_dear:
            return (
                sum(len(those) for (one, _), those in self._waiting.items() if one)
                > MOST_DEAR_WAITING
            )
        return not heavy or self._heavy < self._most_heavy
