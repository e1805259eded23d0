"""/metrics for Prometheus: every counter comes from PostgreSQL or Redis, so that it outlives whoever counted."""

from __future__ import annotations

import logging
import platform
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import accumulate
from math import inf

from flask import Blueprint, Response, current_app
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from mrilu.mail.version import PARSER_VERSION
from mrilu.queues.lag import BOUNDS, SUM, label_of
from mrilu.runtime.database import database
from mrilu.runtime.redis import redis_connection
from mrilu.settings.table import PROJECT
from mrilu.web import facts_postgresql, facts_redis
from mrilu.web.access import refuse_strangers
from mrilu.web.facts_postgresql import Samples
from mrilu.web.facts_slow import SlowFacts
from mrilu.web.metrics_table import METRICS
from mrilu.web.metrics_table import Metric as Row
from mrilu.web.patience import Asker

logger = logging.getLogger(__name__)

pages = Blueprint("metrics", __name__)

PATIENCE = 4.0  # seconds for each of two; Prometheus gives a scrape ten
_postgresql, _redis = Asker("postgresql"), Asker("redis")


@pages.before_request
def _guard() -> Response | None:
    return refuse_strangers(current_app.config["METRICS_TOKEN"])


@pages.get("/metrics")
def metrics() -> Response:
    """Return all metrics in Prometheus's text format; what cannot be asked is left out, and `up` says so."""
    registry = CollectorRegistry()
    registry.register(Scrape(current_app.extensions["slow_facts"]))
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


class Scrape(Collector):
    """One scrape: gathers the samples and gives them the form that the table of metrics says."""

    def __init__(self, slow: SlowFacts) -> None:
        self._slow = slow

    def describe(self) -> Iterable[Metric]:
        """Return nothing: to register it must not mean to scrape."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield each metric of the table."""
        began = time.perf_counter()
        found: Samples = defaultdict(list)
        _ask(
            _postgresql,
            "postgresql",
            lambda: facts_postgresql.gather(database().connection()),
            found,
        )
        _ask(_redis, "redis", lambda: facts_redis.gather(redis_connection()), found)
        found.update(self._slow.latest())
        found["build_info"] = [(build(), 1.0)]
        found["scrape_seconds"] = [((), time.perf_counter() - began)]
        for row in METRICS:
            yield family(row, found.get(row.name, []))


def _ask(asker: Asker, service: str, gather: Callable[[], Samples], found: Samples) -> None:
    """Add a service's samples and whether it answers; a scrape never fails for one that is away."""
    try:
        for name, samples in asker.ask(gather, PATIENCE).items():
            found[name] += samples
    except Exception as error:
        logger.warning("%s does not answer a scrape: %s", service, type(error).__name__)
        found["up"].append(((service,), 0.0))
    else:
        found["up"].append(((service,), 1.0))


def family(row: Row, samples: list[tuple[tuple[str, ...], float]]) -> Metric:
    """Return the samples of one metric as prometheus_client takes them."""
    if row.kind == "histogram":
        return _histogram(row, {labels[0]: value for labels, value in samples})
    kind = CounterMetricFamily if row.kind == "counter" else GaugeMetricFamily
    made = kind(row.full_name, row.about, labels=row.labels)
    for labels, value in samples:
        made.add_metric(labels, value)
    return made


def _histogram(row: Row, values: dict[str, float]) -> Metric:
    """Add the buckets up, as Prometheus has it: each holds all that is not over its bound."""
    labels = [label_of(bound) for bound in (*BOUNDS, inf)]
    heights = accumulate(values.get(label, 0.0) for label in labels)
    made = HistogramMetricFamily(row.full_name, row.about)
    made.add_metric((), list(zip(labels, heights, strict=True)), values.get(SUM, 0.0))
    return made


@lru_cache(maxsize=1)
def build() -> tuple[str, str, str, str]:
    """Return the versions of mrilu (the newest in CHANGELOG.md), Python, the parser and the schema."""
    schema = sorted(path.stem for path in (PROJECT / "mrilu" / "migrations").glob("0*.py"))[-1]
    return version(), platform.python_version(), str(PARSER_VERSION), schema


def version() -> str:
    """Return the newest version that CHANGELOG.md names."""
    try:
        found = re.search(
            r"^## \[?v?(\S+?)\]?(?:\s|$)", (PROJECT / "CHANGELOG.md").read_text(), re.MULTILINE
        )
    except OSError:
        found = None
    return found[1] if found else "unknown"
