"""Several rankings into one: reciprocal rank fusion (Cormack, Clarke & Büttcher 2009). Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

K = 60  # the paper's constant: how little the very first places count more than the next


class Fused(NamedTuple):
    """One hit: its id, its score and which rankings it is in, in the order given."""

    id: int
    score: float
    found_by: tuple[str, ...]


def fuse(rankings: Mapping[str, Sequence[int]], weights: Mapping[str, float] | None = None) -> list[Fused]:
    """Fuse rankings (ids, best first) by their names; equal scores put the higher id, which is newer, first."""
    scores: dict[int, float] = {}
    found: dict[int, list[str]] = {}
    for name, ids in rankings.items():
        weight = (weights or {}).get(name, 1.0)
        for place, one in enumerate(dict.fromkeys(ids), 1):
            scores[one] = scores.get(one, 0.0) + weight / (K + place)
            found.setdefault(one, []).append(name)
    order = sorted(scores, key=lambda one: (-scores[one], -one))
    return [Fused(one, scores[one], tuple(found[one])) for one in order]
