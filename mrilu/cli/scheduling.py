"""`./run.sh schedule` and `./run.sh run JOB`: what runs when, how it went, and running one now."""

from __future__ import annotations

import inspect
import json
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import click

from mrilu.cli import terminal
from mrilu.service.account import ServerError
from mrilu.settings.load import secrets_of

LOOK_EVERY = 0.2  # seconds between two looks at a run that is waited for


pause = time.sleep


@click.command()
@click.option("--json", "as_json", is_flag=True, help="everything, for scripts")
def schedule(as_json: bool) -> None:
    """Show each periodic job: its last run, outcome, duration, next run in local time, drift; exit code 1 if late."""
    from jobs.schedule import schedule as table
    from mrilu.cli.connect import connect
    from mrilu.queues.timetable import timetable
    from mrilu.runtime.database import database
    from mrilu.runtime.redis import redis_connection

    settings = connect()
    database()
    rows = timetable(table(), redis_connection(), datetime.now(UTC), secrets_of(settings))
    alive = _scheduler_lives()
    if as_json:
        print(json.dumps({"scheduler": alive, "jobs": rows}, default=str, indent=1))
    else:
        _show(rows, ZoneInfo(settings.timezone), alive)
    sys.exit(0 if alive and not any(row["overdue"] for row in rows) else 1)


def _scheduler_lives() -> bool:
    from mrilu.runtime.heartbeat import last_beat

    return last_beat("scheduler") is not None


def _show(rows: list[dict[str, Any]], zone: ZoneInfo, alive: bool) -> None:
    from rich.markup import escape
    from rich.table import Table

    console = terminal.console()
    shown = Table(
        "job",
        "when",
        "last run",
        "outcome",
        "took",
        "drift",
        "next",
        box=None,
        padding=(0, 1, 0, 0),
    )
    for row in rows:
        due = "OVERDUE" if row["overdue"] else _local(row["next"], zone)
        shown.add_row(
            row["job"],
            row["when"],
            _local(row["last"], zone),
            row["outcome"],
            _seconds(row["seconds"]),
            _seconds(row["drift"]),
            due,
        )
    console.print(shown)
    console.print(f"times are in {zone.key}; drift is how long after its time a run began")
    for row in rows:
        if row["error"]:
            console.print(f"{row['job']}: {escape(row['error'])}")
    for row in rows:
        if row["outcome"] == "never":
            waits = (
                "it waits in its queue or has just begun" if row["pending"] else "it is not due yet"
            )
            console.print(f"{row['job']} has never run: {waits}")
    if not alive:
        console.print("the scheduler does not run: see ./run.sh status")


def _local(moment: datetime | None, zone: ZoneInfo) -> str:
    return moment.astimezone(zone).strftime("%d %b %H:%M") if moment else "-"


def _seconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.1f} s"


@click.command()
@click.argument("job")
@click.option("--wait", is_flag=True, help="stay until it has ended; exit code 1 if it failed")
@click.option("--force", is_flag=True, help="take a source that is unchanged or has shrunk")
def run(job: str, wait: bool, force: bool) -> None:
    """Run a job of the schedule now."""
    from mrilu.cli.connect import connect
    from mrilu.queues.enqueue import enqueue_now, pending_job
    from mrilu.runtime.redis import redis_connection

    connect()
    row = _row(job)
    arguments = _arguments(row.function, job, force)
    if force and pending_job(row, redis_connection()):
        raise ServerError(
            f"{job} waits or runs already, without --force: try again when it has ended"
        )
    wanted = f"{row.id}-now-{time.time_ns()}"
    job_id = enqueue_now(row, wanted, redis_connection(), arguments)
    state = "is enqueued" if job_id == wanted else "waits or runs already"
    print(f"{job} {state} as {job_id}", flush=True)
    if wait:
        sys.exit(0 if follow(row.queue, job_id) else 1)


def _row(job: str) -> Any:
    from jobs.schedule import SCHEDULE

    rows = {row.id: row for row in SCHEDULE}
    if job not in rows:
        raise ServerError(f"there is no job {job!r}; there are {', '.join(rows)}")
    return rows[job]


def _arguments(function: str, job: str, force: bool) -> dict[str, object]:
    if not force:
        return {}
    from importlib import import_module

    module, _, name = function.rpartition(".")
    if "force" not in inspect.signature(getattr(import_module(module), name)).parameters:
        raise ServerError(f"{job} has nothing to --force")
    return {"force": True}


def follow(queue_name: str, job_id: str) -> bool:
    """Wait until the rq job has ended, print what it returned or why it failed; True when it went well."""
    from rq.job import JobStatus

    from mrilu.queues.queues import queue

    while True:
        job = queue(queue_name).fetch_job(job_id)
        if job is None:
            raise ServerError(f"{job_id} is gone from Redis: see ./run.sh schedule for how it went")
        status = job.get_status(refresh=False)
        if status == JobStatus.FINISHED:
            return _print_counts(job.return_value())
        if status in (JobStatus.FAILED, JobStatus.STOPPED, JobStatus.CANCELED):
            result = job.latest_result()
            print(
                (result and result.exc_string or str(status)).strip().splitlines()[-1],
                file=sys.stderr,
            )
            return False
        pause(LOOK_EVERY)


def _print_counts(counts: Mapping[str, int] | None) -> bool:
    shown = counts or {}
    if "refused" in shown:
        print("refused: it runs already", file=sys.stderr)
        return False
    print(" ".join(f"{key}={number}" for key, number in shown.items()) or "done")
    return True
