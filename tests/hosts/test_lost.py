"""A host or its cable is lost in mid-import: its jobs are back within a minute, nothing is lost, nothing doubled."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from tests.faults.feed import Feed
from tests.faults.truth import look
from tests.hosts.conftest import Hosts

BACK = 60.0  # seconds
MAILS = 400
NO_ONE = "nobody subscribed to this"
# Import workers in the middle of a transaction, by host.
LOCKED = """
SELECT count(DISTINCT pid) FROM pg_stat_activity JOIN pg_locks USING (pid)
 WHERE NOT granted AND client_addr IS NOT NULL GROUP BY client_addr
"""


@pytest.fixture(scope="package")
def feed(running_hosts: Hosts) -> Feed:
    """Mail for the Maildir that the hosts share."""
    return Feed(running_hosts.maildir, random.Random(1))


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


def assert_as_delivered(hosts: Hosts, feed: Feed) -> None:
    with hosts.link() as link:
        found = look(link, feed.sent, NO_ONE)
    assert not found, str(found)


def test_three_hosts_import_a_mail_and_know_of_each_other(running_hosts: Hosts, feed: Feed) -> None:
    feed.burst(1)
    until(running_hosts.is_level)
    for one in running_hosts.by_name.values():
        told = one.status()
        assert {service["host"] for service in told["services"]} == set(running_hosts.by_name)
        done = one.run("doctor")
        assert done.returncode == 0, done.stdout
        assert ("web pages answer" in done.stdout) == (one.name == "gamma")


def test_a_cable_that_is_out_for_a_moment_costs_nothing(running_hosts: Hosts, feed: Feed) -> None:
    with all_at_work(running_hosts, feed), running_hosts["beta"].unplugged(2.0):
        pass
    until(running_hosts.is_level)
    assert_as_delivered(running_hosts, feed)


def test_the_jobs_of_a_host_that_lost_power_are_done_by_the_others(
    running_hosts: Hosts, feed: Feed
) -> None:
    """Its watcher is gone with it, and its sessions in PostgreSQL hold what they hold until that notices."""
    alpha = running_hosts["alpha"]
    with all_at_work(running_hosts, feed):
        alpha.lose_power()
    until(running_hosts.is_level)
    assert_as_delivered(running_hosts, feed)
    alpha.network.plug("alpha", out=False)
    alpha.start()
    feed.burst(1)
    until(running_hosts.is_level)
    assert_as_delivered(running_hosts, feed)
