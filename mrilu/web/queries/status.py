"""What /status asks: PostgreSQL and Redis for what is quick, and (`gather_slow`) what takes its time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from peewee import PostgresqlDatabase
from redis import Redis

from jobs.schedule import schedule
from models import CachedExport, FailedExport, Hour, Maildir, Notification, Rejected
from mrilu.embeddings.progress import progress
from mrilu.notifications.pause import outbox_status
from mrilu.queues.health import living_workers, trouble_of
from mrilu.queues.ledgers import ledgers
from mrilu.queues.rules import mail_server_mark
from mrilu.queues.timetable import timetable
from mrilu.runtime.database import database
from mrilu.runtime.heartbeat import last_beat
from mrilu.settings.current import current_settings
from mrilu.settings.load import secrets_of
from mrilu.settings.table import Settings
from mrilu.web import facts_redis

MOST_SHOWN = 50  # rejected files, dead notifications
RUNS = 30  # of each job, as a line
DAY, MONTH = timedelta(days=1), timedelta(days=30)

# For each job its own walk down the index on (job, started_at).
RECENT_RUNS = """
SELECT j.job, r.outcome, extract(epoch FROM coalesce(r.ended_at, now()) - r.started_at)::double precision
  FROM unnest(%s::text[]) AS j (job) CROSS JOIN LATERAL (
        SELECT started_at, ended_at, outcome FROM job_run AS r WHERE r.job = j.job
         ORDER BY started_at DESC LIMIT %s) AS r
 ORDER BY j.job, r.started_at
"""
LARGEST_TABLES = """
SELECT relname, pg_total_relation_size(oid) FROM pg_class
 WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace ORDER BY 2 DESC LIMIT 8
"""

Hours = dict[tuple[datetime, str], float]


class Stored(NamedTuple):
    """What PostgreSQL tells at once."""

    mails: Hours
    lag: Hours
    sizes: Hours
    rejected: list[dict[str, Any]]
    rejected_by_reason: dict[str, int]
    dead: list[dict[str, Any]]
    exports: list[dict[str, Any]]
    failed_exports: int


class Moving(NamedTuple):
    """What Redis tells (and, of the jobs' runs, PostgreSQL)."""

    queues: list[dict[str, Any]]
    workers: list[dict[str, Any]]
    trouble: list[str]
    beats: dict[str, bool]


class Jobs(NamedTuple):
    """The schedule, and each job's last runs (outcome, seconds), oldest first."""

    rows: list[dict[str, Any]]
    runs: dict[str, list[tuple[str, float]]]


class Slow(NamedTuple):
    """What takes its time."""

    ledgers: list[dict[str, Any]]
    notifications: dict[str, Any]
    embeddings: dict[str, Any]
    tables: list[tuple[str, int]]


def stored(db: PostgresqlDatabase, now: datetime) -> Stored:
    """Return what PostgreSQL tells at once: a bounded number of rows of each kind."""
    since = (now - DAY).replace(minute=0, second=0, microsecond=0)
    return Stored(
        Hour.since(since, "mails"),
        Hour.since(since, "lag"),
        Hour.since(now - MONTH, "size"),
        _rejected(),
        Rejected.by_reason(),
        Notification.dead(limit=MOST_SHOWN),
        CachedExport.listed(),
        FailedExport.select().count(),
    )


def _rejected() -> list[dict[str, Any]]:
    """Return the files that were rejected last; `retried`: they wait to be read again."""
    names = {row.id: row.name for row in Maildir.select()}
    rows = Rejected.select().where(Rejected.gone_at.is_null())
    newest = rows.order_by(Rejected.last_seen.desc(), Rejected.id.desc()).limit(MOST_SHOWN)
    return [rejected_facts(row, names.get(row.maildir, "?")) for row in newest]


def rejected_facts(row: Rejected, maildir: str) -> dict[str, Any]:
    """Return what is told of a rejected file of the Maildir that has this name."""
    return {
        "id": row.id,
        "maildir": maildir,
        "path": row.path(),
        "size": row.size,
        "reason": row.reason,
        "error": row.error,
        "attempts": row.attempts,
        "last_seen": row.last_seen,
        "retried": row.parser_version == 0,
    }


def moving(connection: Redis) -> Moving:
    """Return queues, workers and signs of life."""
    found = facts_redis.gather(connection)
    counts: dict[str, dict[str, Any]] = {}
    for (name, state), number in found["queue_jobs"]:
        counts.setdefault(name, {"name": name})[state] = int(number)
    workers = [
        {"name": one.name, "queues": one.queue_names(), "state": str(one.get_state())}
        for one in living_workers(connection)
    ]
    for one in counts.values():
        one["workers"] = sum(one["name"] in worker["queues"] for worker in workers)
    beats = {who: last_beat(who, connection) is not None for who in ("watcher", "scheduler")}
    return Moving(
        list(counts.values()),
        sorted(workers, key=lambda one: str(one["name"])),
        trouble_of(connection),
        beats,
    )


def jobs(db: PostgresqlDatabase, connection: Redis, now: datetime) -> Jobs:
    """Return the schedule with each job's last and next run, and how its runs went."""
    table, secrets = schedule(), secrets_of(current_settings())
    names = [row.id for row in table]
    runs: dict[str, list[tuple[str, float]]] = {name: [] for name in names}
    for job, outcome, seconds in db.connection().execute(RECENT_RUNS, (names, RUNS)):
        runs[job].append((outcome, round(seconds, 3)))
    return Jobs(timetable(table, connection, now, secrets), runs)


def gather_slow() -> Slow:
    """Draw up the ledger of each Maildir, count what waits; closes this thread's connection."""
    db, settings = database(), current_settings()
    try:
        return Slow(
            ledgers(),
            outbox_status(db, mail_server_mark(settings)),
            _embeddings(db, settings),
            [(name, size) for name, size in db.connection().execute(LARGEST_TABLES)],
        )
    finally:
        db.close()


def _embeddings(db: PostgresqlDatabase, settings: Settings) -> dict[str, Any]:
    if not settings.embeddings:
        return {"state": "off"}
    return progress(db, settings.embedding_model)
