"""A backup comes back as it was, or not at all."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from peewee import PostgresqlDatabase
from redis import Redis

import models
from cli import backups
from jobs import resources
from jobs.import_messages import import_messages
from local.account import ServerError
from local.postgres import Cluster
from settings import Settings
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
    import_messages("test", [*(deliver(root, mail(body=odd)) for _ in range(5)), deliver(root, b"x")])
    database.execute_sql("INSERT INTO embedding_model (name, source, dimensions, current) VALUES ('m', 's', 3, true)")
    database.execute_sql("INSERT INTO embedding VALUES (1, 'message', 1, 0, gen_random_uuid(), 0, '[1,2,3]')")
    return database


def content(settings: Settings) -> dict[str, list[str]]:
    with psycopg.connect(str(settings.database_url)) as link:
        tables = [name for (name,) in link.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        return {name: sorted(row for (row,) in link.execute(f"SELECT t::text FROM {name} AS t")) for name in tables}


def test_what_is_saved_comes_back(filled, service_settings: Settings, other: Settings, tmp_path: Path) -> None:
    file = tmp_path / "mrilu.backup"
    backups.save(service_settings, file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and os.listdir(file.parent).count(".mrilu.backup.partial") == 0
    assert backups.schema_of(service_settings, file)[0] == "0001_archive"
    backups.put_back(other, file)
    assert content(other) == content(service_settings)
    backups.put_back(other, file)  # over what is there
    assert content(other) == content(service_settings)
    resources.use(other)
    with resources.database().atomic():  # triggers, sequences, the search configuration: it works on
        models.JobRun.record("again", "", *[models.JobRun.get().started_at] * 2, {"n": 1})
    assert models.Total.get(models.Total.job == "again", models.Total.name == "items").value == 1


def test_a_backup_that_is_cut_off_changes_nothing(filled, service_settings: Settings, tmp_path: Path) -> None:
    file, before = tmp_path / "mrilu.backup", content(service_settings)
    backups.save(service_settings, file)
    file.write_bytes(file.read_bytes()[: file.stat().st_size - 3000])
    with pytest.raises(ServerError, match="nothing was restored"):
        backups.put_back(service_settings, file)
    assert content(service_settings) == before


def test_a_backup_that_fails_leaves_the_last_one(service_settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "mrilu.backup"
    file.write_text("the last one")
    lost = replace(service_settings, database_url="postgresql://mrilu@/nowhere?host=/nonexistent")
    with pytest.raises(ServerError, match="pg_dump"):
        backups.save(lost, file)
    assert file.read_text() == "the last one" and not list(tmp_path.glob(".*"))


def test_what_is_no_backup_or_a_newer_one_is_refused(filled, service_settings: Settings, tmp_path: Path) -> None:
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
    monkeypatch.setattr(backups.subprocess, "run", lambda command, **more: seen.append(command) or pytest.fail())
    far = replace(service_settings, database_url="postgresql://u:hush@host/d")
    assert backups._environment(far)["PGPASSWORD"] == "hush"
    with pytest.raises(BaseException):  # noqa: B017
        backups.save(far, Path("/nonexistent/x"))
    assert "hush" not in str(seen)
