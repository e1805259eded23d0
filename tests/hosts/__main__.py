"""The long form of this folder's tests: each host's cable is out for a while, then each loses power.

    python -m tests.hosts                 cables are out for 45 s; five minutes (.ci/nightly)
    python -m tests.hosts --seconds 120

Prints the seconds until the archive was level again. The exit code is 0 only if each took a minute at most and nothing
was lost, stored twice or half.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack

from tests.faults.feed import Feed
from tests.hosts.conftest import ROLES, Hosts, three_hosts
from tests.hosts.midway import BACK, all_at_work, until, wrong


def cable_out(hosts: Hosts, feed: Feed, name: str, seconds: float) -> None:
    """Take the host's cable out in mid-import, and put it back."""
    with ExitStack() as out, all_at_work(hosts, feed):
        out.enter_context(hosts[name].unplugged(seconds))


def power_lost(hosts: Hosts, feed: Feed, name: str, seconds: float) -> None:
    """Kill the host in mid-import, and leave it so."""
    with all_at_work(hosts, feed):
        hosts[name].lose_power()


def strike(hosts: Hosts, feed: Feed, fault: Callable[..., None], name: str, seconds: float) -> bool:
    """Make one fault happen and tell what came of it; return whether that was as promised."""
    fault(hosts, feed, name, seconds)
    began = time.monotonic()
    try:
        until(hosts.is_level, 3 * BACK)
        took = time.monotonic() - began
    except AssertionError:
        took = float("inf")
    found = wrong(hosts, feed)
    kept = took <= BACK and not found
    mark = "ok" if kept else "FAULT"
    print(f"{mark:<6}{fault.__name__} of {name:<8}level after {took:5.1f} s, {found}", flush=True)
    if fault is power_lost:
        hosts[name].network.plug(name, out=False)
        hosts[name].start()
    return kept


def main() -> int:
    """Make all faults happen; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.hosts", description=__doc__)
    parser.add_argument("--seconds", type=float, default=45.0, help="how long a cable is out")
    seconds = parser.parse_args().seconds
    with three_hosts() as hosts:
        feed = Feed(hosts.maildir, random.Random(1))
        feed.burst(1)
        until(hosts.is_level)
        faults = [(fault, name) for fault in (cable_out, power_lost) for name in ROLES]
        kept = [strike(hosts, feed, fault, name, seconds) for fault, name in faults]
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
