"""How long what is done again and again rests between two times: the longer it takes, the more seldom it comes."""

from __future__ import annotations

SHARE = 20  # times as long as it took: it has no more than a twentieth of the time
LONGEST = 3600.0  # seconds: after what hung for hours nothing rests for days


def rest_after(seconds: float, share: float = SHARE) -> float:
    """Return how many seconds to rest after what took so many."""
    return min(share * seconds, LONGEST)
