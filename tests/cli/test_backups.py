"""A backup comes back as it was, or not at all."""

from __future__ import annotations

import stat
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

import psycopg
import pytest
from peewee import PostgresqlDatabase
from redis import Redis
from rq import SimpleWorker

import models
from jobs.import_messages import import_messages
from mrilu.cli import backups
from mrilu.notifications import subscriptions
from mrilu.queues.alive import BEAT, PROCESS
from mrilu.queues.lag import SUM
from mrilu.runtime.database import database as process_database
from mrilu.service.account import ServerError
from mrilu.service.postgres import Cluster
from mrilu.settings.current import use_settings
from mrilu.settings.table import Settings
from tests.factories import deliver, mail, make_maildir, register


@pytest.fixture
def other(cluster: Cluster, service_settings: Settings) -> Settings:
    """The settings of a service whose database is empty, on the same server."""
    with psycopg.connect(cluster.url, autocommit=True) as link:
        link.execute("DROP DATABASE IF EXISTS other WITH (FORCE)")
        link.execute("CREATE DATABASE other")
    return replace(service_settings, database_url=cluster.url.replace("/mrilu?", "/other?"))


@pytest.fixture
def filled(database: PostgresqlDatabase, redis_client: Redis, tmp_path: Path) -> PostgresqlDatabase:
    root = make_maildir(tmp_path / "Maildir")
    register(root)
    odd = "a'u \\N \t \\. ünï\n\\.\nCREATE SCHEMA public;\n"
    import_messages(
        "test", [*(deliver(root, mail(body=odd)) for _ in range(5)), deliver(root, b"x")]
    )
    database.execute_sql(
        "INSERT INTO embedding_model (name, source, dimensions, current) VALUES ('m', 's', 3, true)"
    )
    database.execute_sql(
        "INSERT INTO embedding VALUES (1, 'message', 1, 0, gen_random_uuid(), 0, '[1,2,3]')"
    )
    return database


def content(settings: Settings) -> dict[str, list[str]]:
    with psycopg.connect(str(settings.database_url)) as link:
        tables = [
            name
            for (name,) in link.execute(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
            )
        ]
        return {
            name: sorted(row for (row,) in link.execute(f"SELECT t::text FROM {name} AS t"))
            for name in tables
        }


def test_what_is_saved_comes_back(
    filled, service_settings: Settings, other: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "mrilu.backup"
    backups.save(service_settings, file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and not list(file.parent.glob(".*.partial"))
    assert backups.schema_of(service_settings, file)[0] == "0001_archive"
    backups.put_back(other, file)
    assert content(other) == content(service_settings)
    backups.put_back(other, file)  # over what is there
    assert content(other) == content(service_settings)
    use_settings(other)
    with process_database().atomic():  # triggers, sequences, the search configuration: it works on
        models.JobRun.record("again", "", *[models.JobRun.get().started_at] * 2, {"n": 1})
    assert models.Total.get(models.Total.job == "again", models.Total.name == "items").value == 1


def test_a_restore_waits_for_a_locked_table_for_a_while_and_changes_nothing(
    filled, service_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backups, "LOCK_SECONDS", 1)
    file = tmp_path / "mrilu.backup"
    backups.save(service_settings, file)
    before = content(service_settings)
    with psycopg.connect(str(service_settings.database_url)) as holder:
        holder.execute("LOCK TABLE message IN ACCESS SHARE MODE")
        with pytest.raises(ServerError, match="held a table for 1 s; ./run.sh doctor names who"):
            backups.put_back(service_settings, file)
    assert content(service_settings) == before


def test_a_backup_goes_through_no_planted_link(
    service_settings: Settings, database, tmp_path: Path
) -> None:
    victim, file = tmp_path / "victim", tmp_path / "mrilu.backup"
    victim.write_text("kept")
    for name in ("mrilu.backup", ".mrilu.backup.partial"):
        (tmp_path / name).symlink_to(victim)
    backups.save(service_settings, file)
    assert victim.read_text() == "kept"
    assert not file.is_symlink() and stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_backup_that_is_cut_off_changes_nothing(
    filled, service_settings: Settings, tmp_path: Path
) -> None:
    file, before = tmp_path / "mrilu.backup", content(service_settings)
    backups.save(service_settings, file)
    file.write_bytes(file.read_bytes()[: file.stat().st_size - 3000])
    with pytest.raises(ServerError, match="nothing was restored"):
        backups.put_back(service_settings, file)
    assert content(service_settings) == before


def test_a_backup_that_fails_leaves_the_last_one(
    service_settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "mrilu.backup"
    file.write_text("the last one")
    lost = replace(service_settings, database_url="postgresql://mrilu@/nowhere?host=/nonexistent")
    with pytest.raises(ServerError, match="pg_dump"):
        backups.save(lost, file)
    assert file.read_text() == "the last one" and not list(tmp_path.glob(".*"))


def test_what_is_no_backup_or_a_newer_one_is_refused(
    filled, service_settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "mrilu.backup"
    file.write_text("a letter")
    with pytest.raises(ServerError):
        backups.schema_of(service_settings, file)
    filled.execute_sql("INSERT INTO schema_migration (name, applied) VALUES ('0999_later', now())")
    try:
        backups.save(service_settings, file)
        with pytest.raises(ServerError, match="newer"):
            backups.schema_of(service_settings, file)
    finally:
        filled.execute_sql("DELETE FROM schema_migration WHERE name = '0999_later'")


def test_a_password_is_no_argument(service_settings: Settings, monkeypatch) -> None:
    seen: list[object] = []
    monkeypatch.setattr(
        backups.subprocess, "run", lambda command, **more: seen.append(command) or pytest.fail()
    )
    far = replace(service_settings, database_url="postgresql://u:hush@host/d")
    assert backups._environment(far)["PGPASSWORD"] == "hush"
    with pytest.raises(BaseException):  # noqa: B017
        backups.save(far, Path("/nonexistent/x"))
    assert "hush" not in str(seen)


def waiting(database: PostgresqlDatabase) -> None:
    """Make a reader of every mail with "coi" in it, and a notification that waits."""
    target = subscriptions.target_for_query(database.connection(), "coi")
    assert subscriptions.subscribe(database, "a@x.example", target)
    database.execute_sql(
        "INSERT INTO notification (subscriber, subscription, kind, subject, lease) VALUES "
        "(1, 1, 'query', 1, gen_random_uuid())"
    )


def states(settings: Settings) -> list[tuple[str, str]]:
    with psycopg.connect(str(settings.database_url)) as link:
        return link.execute("SELECT state, reply FROM notification ORDER BY id").fetchall()


def test_what_waited_in_the_backup_may_have_been_sent_and_is_not_sent_again(
    filled, service_settings: Settings, other: Settings, tmp_path: Path
) -> None:
    waiting(filled)
    file = tmp_path / "mrilu.backup"
    backups.save(service_settings, file)
    backups.put_back(other, file)
    [(state, reply)] = states(other)
    assert state == "cancelled" and "may have been sent" in reply
    backups.put_back(other, file, send_waiting=True)
    assert states(other) == [("waiting", "")]


def lags() -> float:
    rows = models.Total.select().where(models.Total.name == "lag", models.Total.label != SUM)
    return sum(row.value for row in rows)


def until_the_clock_of_files_ticks(folder: Path) -> None:
    """What is written from now on is later than what was: the kernel stamps files each 10 ms at worst."""
    file = folder / "clock"
    file.touch()
    began = file.stat().st_ctime_ns
    while file.stat().st_ctime_ns == began:
        file.touch()


def test_mail_that_lay_there_at_the_restore_is_no_news_and_was_not_late(
    filled, service_settings: Settings, other: Settings, tmp_path: Path
) -> None:
    file, root = tmp_path / "mrilu.backup", tmp_path / "Maildir"
    waiting(filled)
    filled.execute_sql("DELETE FROM notification")
    backups.save(service_settings, file)
    today = format_datetime(datetime.now(UTC))
    since_backup = deliver(root, mail(date=today))
    until_the_clock_of_files_ticks(tmp_path)
    backups.put_back(other, file)
    backups._migrate(other)
    late = lags()
    assert import_messages("test", [since_backup]) == {"imported": 1}
    assert states(other) == [] and lags() == late
    until_the_clock_of_files_ticks(tmp_path)
    assert import_messages("test", [deliver(root, mail(date=today))]) == {"imported": 1}
    assert [state for state, _ in states(other)] == ["waiting"] and lags() > late


def test_a_backup_from_before_there_were_notifications_comes_back(
    filled, service_settings: Settings, other: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "mrilu.backup"
    backups.save(service_settings, file)
    with psycopg.connect(str(other.database_url)) as link:
        link.execute("CREATE TABLE message (id int)")
        for name in backups.EXTENSIONS:
            link.execute(f"CREATE EXTENSION {name}")
    backups.save(other, file)
    backups.put_back(other, file)
    assert set(content(other)) == {"message"}


def test_the_roles_can_work_again_after_a_restore(
    filled, service_settings: Settings, other: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "mrilu.backup"
    backups.save(service_settings, file)
    backups.put_back(other, file)
    use_settings(other)
    assert backups.grant_again(other) == ""  # without roles: nothing to grant, and none is made
    reads = "SELECT has_table_privilege('mrilu_web', 'message', 'SELECT')"
    with psycopg.connect(str(other.database_url), autocommit=True) as link:
        assert link.execute(
            "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'mrilu\\_%'"
        ).fetchone() == (0,)
        link.execute("CREATE ROLE mrilu_web; CREATE ROLE mrilu_worker")
        try:
            assert link.execute(reads).fetchone() == (False,)
            assert backups.grant_again(other) == "" and link.execute(reads).fetchone() == (True,)
            link.execute("DROP TABLE token_key")
            assert "roles.sql" in backups.grant_again(other)
        finally:
            for name in ("mrilu_web", "mrilu_worker"):
                link.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")


def test_nothing_is_restored_while_workers_of_another_host_are_about(
    database: PostgresqlDatabase, redis_client: Redis, service_settings: Settings
) -> None:
    worker = SimpleWorker(["mail"], connection=redis_client)
    worker.hostname = "beta"
    worker.register_birth()
    with (
        pytest.raises(ServerError, match="1 workers run .on beta; .*: stop them first"),
        backups.programs_at_rest(service_settings),
    ):
        pytest.fail("a restore would have begun")
    worker.register_death()
    redis_client.delete(BEAT.format(worker.name))
    redis_client.delete(PROCESS.format(worker.name))
    with backups.programs_at_rest(service_settings):
        pass
