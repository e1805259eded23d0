"""How late a slot is enqueued with 20 entries on the schedule: `.venv/bin/python -m bench.schedule`."""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from redis import Redis

from bench.bars import report_bars
from bench.machine import machine_facts
from bench.timing import only_benchmark, progress
from mrilu.queues.queues import queue
from mrilu.queues.scheduler import TableScheduler
from mrilu.queues.table import Periodic
from mrilu.service.valkey import Server
from mrilu.settings.current import use_settings
from mrilu.settings.load import load

ROUNDS = 3
ROUND_SECONDS = 10.0
BAR = 2.0
# Ten that are due all at once each 2 s, and ten of cron that only weigh on the schedule.
TABLE = tuple(
    Periodic(id=f"often_{n}", function="jobs.upkeep.upkeep", interval=2, timeout=60)
    for n in range(10)
) + tuple(
    Periodic(id=f"cron_{n}", function="jobs.upkeep.upkeep", cron=f"{n} 3 * * *", timeout=60)
    for n in range(10)
)


def lateness(connection: Redis, seconds: float) -> list[float]:
    """Take the jobs from the queue as they come, and return how late each came after its slot."""
    late, until = [], time.monotonic() + seconds
    holder = queue("default", connection)
    while time.monotonic() < until:
        taken: Any = connection.blpop([holder.key], timeout=1)
        if taken is None:
            continue
        arrived = time.time()
        job = holder.fetch_job(taken[1].decode())
        if job is not None:
            late.append(arrived - datetime.fromisoformat(job.meta["slot"]).timestamp())
            job.delete()
    return late


def one_round(url: str) -> float:
    """The latest slot of a round, in seconds."""
    scheduler = TableScheduler(TABLE, ZoneInfo("Europe/Berlin"), Redis.from_url(url), dict)
    thread = threading.Thread(target=scheduler.run)
    thread.start()
    late = lateness(Redis.from_url(url), ROUND_SECONDS)
    scheduler.stopping.set()
    thread.join()
    if len(late) < 30:
        raise SystemExit(f"only {len(late)} slots were enqueued")
    progress(f"{len(late)} slots, latest {max(late):.3f} s, mean {sum(late) / len(late):.3f} s")
    return max(late)


def main() -> int:
    """Run all rounds; the exit code is 0 when the bar is met."""
    with (
        only_benchmark(),
        tempfile.TemporaryDirectory() as work,
        Server(Path(work) / "vk") as valkey,
    ):
        use_settings(replace(load({}), redis_url=valkey.url))
        runs = [one_round(valkey.url) for _ in range(ROUNDS)]
    return (
        0 if report_bars({"latest of all slots, 20 entries": (runs, BAR)}, machine_facts()) else 1
    )


if __name__ == "__main__":
    sys.exit(main())
