"""A host or its cable is lost in mid-import: its jobs are back within a minute, nothing is lost, nothing doubled."""

from __future__ import annotations

import random
from contextlib import ExitStack
from datetime import UTC, datetime

import pytest

from tests.faults.feed import Feed
from tests.hosts.conftest import Hosts
from tests.hosts.midway import BACK, all_at_work, until, wrong

SLOTS_SINCE = """
SELECT count(*) FROM job_run WHERE job = 'note_ledgers' AND slot > %s AND outcome = 'done'
"""
SLOTS_TWICE = "SELECT count(*) - count(DISTINCT (job, slot)) FROM job_run WHERE slot IS NOT NULL"


@pytest.fixture(scope="package")
def feed(running_hosts: Hosts) -> Feed:
    """Mail for the Maildir that the hosts share."""
    return Feed(running_hosts.maildir, random.Random(1))


def assert_as_delivered(hosts: Hosts, feed: Feed) -> None:
    found = wrong(hosts, feed)
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
    with ExitStack() as out, all_at_work(running_hosts, feed):
        out.enter_context(running_hosts["beta"].unplugged(2.0))
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


def test_another_host_schedules_when_the_one_that_did_is_lost(running_hosts: Hosts) -> None:
    until(lambda: running_hosts["gamma"].status()["scheduler"])
    told = running_hosts["gamma"].status()
    assert {one["host"] for one in told["schedulers"]} == {"alpha", "beta"}
    leader = running_hosts[told["scheduler"]["host"]]
    leader.lose_power()
    lost = datetime.now(UTC)
    with running_hosts.link() as link:
        link.autocommit = True
        # BACK, and as much again until the minute's slot is due and its run has ended
        until(lambda: link.execute(SLOTS_SINCE, (lost,)).fetchone() != (0,), 2 * BACK)
        assert link.execute(SLOTS_TWICE).fetchone() == (0,)
    left = running_hosts["gamma"].status()["scheduler"]
    leader.network.plug(leader.name, out=False)
    leader.start()
    assert left["host"] not in (leader.name, "gamma")
