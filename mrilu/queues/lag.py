"""How long mails wait before they are in the archive: the buckets of a histogram. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

# Upper bounds in seconds.
BOUNDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)
SUM = "sum"


def lag_buckets(arrivals: Iterable[float], since: float, now: float) -> dict[str, float]:
    """Return how many of the files that arrived after `since` waited up to each bound, and their seconds' sum.

    Times are in seconds since 1970. A file that lay there before its Maildir was registered was not late. The
    buckets do not contain each other; the last bound is "+Inf".
    """
    lags = [max(0.0, now - arrived) for arrived in arrivals if arrived >= since]
    counts = {bucket: float(number) for bucket, number in Counter(map(bucket_of, lags)).items()}
    return counts | {SUM: sum(lags)} if lags else {}


def bucket_of(lag: float) -> str:
    """Return the least bound that is not below `lag`, as Prometheus writes it."""
    return label_of(next((bound for bound in BOUNDS if lag <= bound), math.inf))


def label_of(bound: float) -> str:
    """Return a bound as Prometheus writes it."""
    return "+Inf" if bound == math.inf else str(bound)
