"""What the fusion is worth on queries that did not choose its constants: cross-validation in two folds."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from mrilu.search import engine, fusion

FOLDS = 2


class Constants(NamedTuple):
    """The constants that the fused search was given, see mrilu/search/fusion.py and mrilu/search/engine.py."""

    k: float
    text_counts: float
    least_share: float


GRID = tuple(
    map(Constants._make, itertools.product((5, 10, 20, 60), (0.4, 0.7, 1.0), (0.0, 0.5, 0.7, 0.9)))
)


@contextmanager
def using(chosen: Constants) -> Iterator[None]:
    """Search with these constants inside the block."""
    before = Constants(fusion.K, engine.TEXT_COUNTS, engine.LEAST_SHARE)
    _set(chosen)
    try:
        yield
    finally:
        _set(before)


def _set(constants: Constants) -> None:
    fusion.K, engine.TEXT_COUNTS, engine.LEAST_SHARE = constants  # type: ignore[assignment]


def held_out(score: Callable[[], Sequence[float]]) -> tuple[float, list[Constants]]:
    """Return the mean score of all queries, each with the constants that were best on the other fold, and those.

    `score` measures every query, in one order, with the constants that hold when it is called.
    """
    measured: dict[Constants, Sequence[float]] = {}
    for constants in GRID:
        with using(constants):
            measured[constants] = score()
    scores: list[float] = []
    chosen: list[Constants] = []
    for fold in range(FOLDS):
        best = max(GRID, key=lambda one: statistics.mean(_others(measured[one], fold)))
        chosen.append(best)
        scores += measured[best][fold::FOLDS]
    return statistics.mean(scores), chosen


def _others(scores: Sequence[float], fold: int) -> list[float]:
    return [one for place, one in enumerate(scores) if place % FOLDS != fold]
