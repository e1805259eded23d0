"""Upkeep removes what has expired and renews statistics."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from peewee import PostgresqlDatabase
from redis import Redis

from jobs.import_messages import import_messages
from jobs.upkeep import analyze_stale_tables, upkeep
from models import JobRun, Language, Location, Message, Rejected
from tests.factories import deliver, mail, make_maildir, register


def record(job: str, days_ago: int) -> None:
    moment = datetime.now(UTC) - timedelta(days=days_ago)
    JobRun.record(job, "", moment, moment, {})


def test_old_runs_are_removed_but_the_last_of_each_job(
    database: PostgresqlDatabase, redis_client: Redis
) -> None:
    for days_ago in (400, 300, 89, 1):
        record("often", days_ago)
    for days_ago in (400, 300):
        record("rarely", days_ago)
    counts = upkeep()
    assert counts["expired_runs"] == 3
    left = JobRun.select().where(JobRun.job != "upkeep").order_by(JobRun.job, JobRun.started_at)
    assert [(run.job, (datetime.now(UTC) - run.started_at).days) for run in left] == [
        ("often", 89),
        ("often", 1),
        ("rarely", 300),
    ]


def test_a_run_whose_worker_died_is_closed(
    database: PostgresqlDatabase, redis_client: Redis
) -> None:
    JobRun.claim("sync_dictionary", "gone", None, "elsewhere.example:1:1", datetime.now(UTC))
    assert upkeep()["dead_runs"] == 1
    assert JobRun.get(JobRun.job == "sync_dictionary").error == "worker died"


def test_a_table_that_was_just_filled_is_analyzed_once(database: PostgresqlDatabase) -> None:
    now = datetime.now(UTC)
    rows = [{"tag": f"t{n}", "name": "", "source": "", "synced_at": now} for n in range(1000)]
    Language.insert_many(rows).execute()
    database.execute_sql("SELECT pg_stat_force_next_flush()")
    assert "language" in analyze_stale_tables(database)
    database.execute_sql("SELECT pg_stat_force_next_flush()")
    assert "language" not in analyze_stale_tables(database)


def test_files_that_went_long_ago_are_forgotten_and_their_messages_stay(
    database: PostgresqlDatabase, redis_client: Redis, tmp_path: Path
) -> None:
    root = make_maildir(tmp_path / "Maildir")
    register(root)
    paths = [deliver(root, mail(f"<{number}@x>")) for number in range(3)] + [
        deliver(root, b"no mail")
    ]
    import_messages("test", paths)
    for table, number in (("location", 1), ("rejected", 1)):
        database.execute_sql(
            f"UPDATE {table} SET gone_at = now() - interval '366 days' WHERE id = {number}"
        )
    database.execute_sql("UPDATE location SET gone_at = now() - interval '364 days' WHERE id = 2")
    assert upkeep()["expired_files"] == 2
    assert [row.id for row in Location.select().order_by(Location.id)] == [2, 3]
    assert (Rejected.select().count(), Message.select().count()) == (0, 3)


def test_a_step_that_fails_keeps_no_other_from_its_turn(
    database: PostgresqlDatabase, redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_folder: Path) -> int:
        raise PermissionError("closed")

    monkeypatch.setattr("jobs.upkeep.forget_old_notes", fail)
    record("often", 400)
    record("often", 1)
    with pytest.raises(PermissionError):
        upkeep()
    assert JobRun.select().where(JobRun.job == "often").count() == 1
    assert JobRun.get(JobRun.job == "upkeep").outcome == "failed"
