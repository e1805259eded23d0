"""Jobs for the tests of the schedule: rq finds them by their dotted names."""

from __future__ import annotations

import os
import signal

import psycopg

from mrilu.queues.runs import recorded


@recorded
def count_up(force: bool = False) -> dict[str, int]:
    """Return a count."""
    return {"counted": 2 if force else 1}


@recorded
def second() -> dict[str, int]:
    """Return nothing."""
    return {}


@recorded
def fail_for_good() -> dict[str, int]:
    """Raise what no later try can cure."""
    raise ValueError("the data is wrong")


@recorded
def fail_for_now() -> dict[str, int]:
    """Raise what a later try may cure."""
    raise psycopg.OperationalError("the server is away")


@recorded
def die() -> dict[str, int]:
    """Die as a process does that the kernel kills."""
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


NOT_CALLABLE = 1
