"""The periodic jobs as people look at them: the last run, the next one, what is late."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from redis import Redis

from models import JobRun
from mrilu.queues.enqueue import pending_job
from mrilu.queues.scheduler import PREFIX, TableScheduler
from mrilu.queues.table import Periodic
from mrilu.settings.secrets import hidden

LATE = 5.0  # seconds after which an entry that did not fire is shown as overdue


def timetable(
    table: Iterable[Periodic], connection: Redis, now: datetime, secrets: set[str]
) -> list[dict[str, Any]]:
    """Return the facts of each job of the schedule; times in UTC, durations and drift in seconds.

    `secrets` are hidden in what errors say.
    """
    entries: Any = connection.zrange(TableScheduler.scheduled_jobs_key, 0, -1, withscores=True)
    scores = dict(entries)
    runs = {run.job: run for run in JobRun.latest()}
    rows = []
    for row in table:
        score = scores.get(f"{PREFIX}{row.id}".encode())
        due = datetime.fromtimestamp(score, UTC) if score is not None else None
        overdue = due is None or (now - due).total_seconds() > LATE
        facts = {"job": row.id, "when": row.when(), "next": due, "overdue": overdue}
        facts["pending"] = pending_job(row, connection) is not None
        rows.append(facts | _last(runs.get(row.id), now, secrets))
    return rows


def _last(run: Any, now: datetime, secrets: set[str]) -> dict[str, Any]:
    """Return the facts of a job's last run; drift is how long after its slot it began."""
    if run is None:
        return {
            "last": None,
            "outcome": "never",
            "seconds": None,
            "drift": None,
            "counts": {},
            "error": "",
        }
    drift = (run.started_at - run.slot).total_seconds() if run.slot else None
    seconds = ((run.ended_at or now) - run.started_at).total_seconds()
    return {
        "last": run.started_at,
        "outcome": run.outcome,
        "seconds": round(seconds, 1),
        "drift": None if drift is None else round(drift, 1),
        "counts": run.counts,
        "error": hidden(run.error, secrets),
    }
