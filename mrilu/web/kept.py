"""What costs much to ask and may be some seconds old."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

V = TypeVar("V")


class Kept(Generic[V]):
    """Answers by key, each kept for some seconds; of more than `most` of them the oldest go."""

    def __init__(
        self, seconds: float, most: int = 1000, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds, self._most, self._clock = seconds, most, clock
        self._answers: OrderedDict[Hashable, tuple[float, V]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, ask: Callable[[], V]) -> V:
        """Return the answer of the key, asked for where none is kept; two may ask at once."""
        now = self._clock()
        with self._lock:
            known = self._answers.get(key)
        if known is not None and now - known[0] < self._seconds:
            return known[1]
        answer = ask()
        with self._lock:
            self._answers.pop(key, None)
            self._answers[key] = now, answer
            while len(self._answers) > self._most:
                self._answers.popitem(last=False)
        return answer


class KeptBySize(Generic[V]):
    """Answers that never change, by key: those last asked for, up to `most` of what `size` says of each."""

    def __init__(self, most: int, size: Callable[[V], int]) -> None:
        self._most, self._size = most, size
        self._answers: OrderedDict[Hashable, V] = OrderedDict()
        self._lock = threading.Lock()
        self._sum = 0

    def get(self, key: Hashable, ask: Callable[[], V]) -> V:
        """Return the answer of the key, asked for where none is kept; two may ask at once."""
        with self._lock:
            if key in self._answers:
                self._answers.move_to_end(key)
                return self._answers[key]
        answer = ask()
        with self._lock:
            if key not in self._answers:
                self._answers[key] = answer
                self._sum += self._size(answer)
            while self._sum > self._most and len(self._answers) > 1:
                self._sum -= self._size(self._answers.popitem(last=False)[1])
        return answer
