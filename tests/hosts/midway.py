"""The middle of an import on several hosts, and what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from tests.faults.feed import Feed
from tests.faults.truth import Findings, look
from tests.hosts.conftest import Hosts

BACK = 60.0  # seconds
MAILS = 400
NO_ONE = "nobody subscribed to this"
# Import workers in the middle of a transaction, by host (MAIL_WORKERS of each).
LOCKED = """
SELECT count(DISTINCT pid) FROM pg_stat_activity JOIN pg_locks USING (pid)
 WHERE NOT granted AND client_addr IS NOT NULL AND query ~ 'INSERT INTO location' GROUP BY client_addr
"""


def until(holds: Callable[[], object], seconds: float = BACK) -> None:
    """Wait for a condition."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < seconds
        time.sleep(0.05)


@contextmanager
def all_at_work(hosts: Hosts, feed: Feed, count: int = MAILS) -> Iterator[None]:
    """Deliver mail, and have every worker of it in the middle of a job when the block begins.

    The block holds a lock that each of them waits for, and gives it up at its end.
    """
    with hosts.link() as link:
        link.execute("LOCK TABLE location IN SHARE MODE")
        feed.burst(count)
        with hosts.link() as looking:
            looking.autocommit = True
            until(lambda: _each_hosts_workers(looking) == [2, 2], 30)
        yield


def _each_hosts_workers(looking: psycopg.Connection[Any]) -> list[int]:
    return [number for (number,) in looking.execute(LOCKED)]


def wrong(hosts: Hosts, feed: Feed) -> Findings:
    """Return what is lost, doubled or half of all that was delivered."""
    with hosts.link() as link:
        return look(link, feed.sent, NO_ONE)
