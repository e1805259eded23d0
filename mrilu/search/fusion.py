"""Several rankings into one: reciprocal rank fusion (Cormack, Clarke & Büttcher 2009), weighted. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

# How little the first places count more than the next. The paper's 60 is for rankings that are all alike good; here
# a small one is better on the labelled queries (bench/quality), since the first hits by meaning seldom are wrong.
K = 10

# Ids, best first, each with its weight: what its place in this ranking counts.
Ranking = Mapping[int, float]


class Fused(NamedTuple):
    """One hit: its id, its score and which rankings it is in, in the order given."""

    id: int
    score: float
    found_by: tuple[str, ...]


def fuse(rankings: Mapping[str, Ranking]) -> list[Fused]:
    """Fuse rankings by their names; equal scores put the higher id, which is newer, first."""
    scores: dict[int, float] = {}
    found: dict[int, list[str]] = {}
    for name, ranking in rankings.items():
        for place, (one, weight) in enumerate(ranking.items(), 1):
            scores[one] = scores.get(one, 0.0) + weight / (K + place)
            found.setdefault(one, []).append(name)
    order = sorted(scores, key=lambda one: (-scores[one], -one))
    return [Fused(one, scores[one], tuple(found[one])) for one in order]


def grouped(ranking: Ranking, group: Mapping[int, int]) -> dict[int, float]:
    """Return the ranking of the groups of its ids: each at the place and with the weight of its first."""
    groups: dict[int, float] = {}
    for one, weight in ranking.items():
        if one in group:
            groups.setdefault(group[one], weight)
    return groups
