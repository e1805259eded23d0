"""Keeps the database's house: closes runs whose worker died, removes old ones, renews stale statistics."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from peewee import PostgresqlDatabase
from psycopg import sql

from models import Hour, JobRun
from mrilu.archive.left_names import forget_left_names
from mrilu.queues.runs import close_dead_runs, recorded
from mrilu.runtime.database import database
from mrilu.runtime.reading import forget_old_notes
from mrilu.runtime.steps import Steps
from mrilu.settings.current import current_settings

logger = logging.getLogger(__name__)

# Autovacuum analyses by itself a minute or more after a large change; until then plans for a table that was just
# filled are those for an empty one. A tenth of the rows, and more than a few, is autovacuum's own threshold.
STALE_TABLES = """
SELECT relname FROM pg_stat_user_tables
 WHERE schemaname = current_schema() AND n_mod_since_analyze > 50 + 0.1 * n_live_tup
 ORDER BY relname
"""

FORGET_GONE = (
    "DELETE FROM location WHERE id IN (SELECT id FROM location WHERE gone_at < %s LIMIT %s)",
    "DELETE FROM rejected WHERE id IN (SELECT id FROM rejected WHERE gone_at < %s LIMIT %s)",
)
KEEP_HOURS = timedelta(days=31)
AT_ONCE = 10_000  # rows of one transaction: an import must not wait long for it


@recorded
def upkeep() -> dict[str, int]:
    """Close dead runs, remove what KEEP_JOB_RUNS and KEEP_GONE let go, ANALYZE what changed much; return the counts."""
    db, settings, moment = database(), current_settings(), datetime.now(UTC)
    parts: dict[str, Callable[[], int]] = {
        "dead_runs": close_dead_runs,
        "expired_runs": lambda: JobRun.expire(moment - timedelta(days=settings.keep_job_runs)),
        "expired_files": lambda: forget_gone_files(db, moment - timedelta(days=settings.keep_gone)),
        "forgotten_removals": lambda: forget_removed(
            db, moment - timedelta(days=settings.notify_days)
        ),
        "forgotten_names": lambda: forget_left_names(db),
        "forgotten_notes": lambda: forget_old_notes(settings.data_dir),
        "expired_hours": lambda: Hour.expire(moment - KEEP_HOURS),
        "measured": lambda: measure_sizes(db, settings.data_dir),
        "analyzed": lambda: len(analyze_stale_tables(db)),
    }
    steps, counts = Steps(), {}
    for name, work in parts.items():
        with steps.step(name):
            counts[name] = work()
    steps.end()
    return counts


def forget_gone_files(db: PostgresqlDatabase, before: datetime) -> int:
    """Delete the rows of files that were gone before that time, some at a time; return how many.

    Messages stay: should such a file come back, it is a copy of a known message.
    """
    forgotten = 0
    for statement in FORGET_GONE:
        while deleted := db.connection().execute(statement, (before, AT_ONCE)).rowcount:
            forgotten += deleted
    return forgotten


def forget_removed(db: PostgresqlDatabase, before: datetime) -> int:
    """Delete what is kept of messages removed before that time: should they come back, they are too old to be news."""
    statement = "DELETE FROM removed_message WHERE removed_at < %s"
    return db.connection().execute(statement, (before,)).rowcount


def measure_sizes(db: PostgresqlDatabase, data_dir: Path) -> int:
    """Note the size of the database, and what is used and free where DATA_DIR lies (bytes); return how many."""
    used = shutil.disk_usage(next(one for one in (data_dir, *data_dir.parents) if one.exists()))
    size = db.execute_sql("SELECT pg_database_size(current_database())").fetchone()[0]
    sizes = {"database": float(size), "disk used": float(used.used), "disk free": float(used.free)}
    Hour.measure("size", sizes)
    return len(sizes)


def analyze_stale_tables(db: PostgresqlDatabase) -> list[str]:
    """ANALYZE the tables of which more than a tenth changed since the last time; return their names."""
    tables = [name for (name,) in db.execute_sql(STALE_TABLES)]
    for name in tables:
        db.connection().execute(sql.SQL("ANALYZE {}").format(sql.Identifier(name)))
        logger.info("analyzed table=%s", name)
    return tables
