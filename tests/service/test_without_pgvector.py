"""A PostgreSQL without pgvector: all works but search by meaning, which comes once it is installed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from peewee import PostgresqlDatabase

import models
from jobs.embed_missing import embed_missing
from jobs.import_messages import import_messages
from mrilu import migrations
from mrilu.cli import backups
from mrilu.cli.diagnosis.servers import check_vectors
from mrilu.embeddings.progress import progress
from mrilu.migrations import vectors
from mrilu.runtime.database import database as process_database
from mrilu.runtime.database import disconnect
from mrilu.search.engine import search
from mrilu.service import checks
from mrilu.service.valkey import Server
from mrilu.settings.current import forget_settings, use_settings
from mrilu.settings.load import load
from mrilu.settings.table import Settings
from tests.external import debian_postgresql, folder_for_all
from tests.factories import deliver, mail, make_maildir, register


@pytest.fixture(scope="module")
def bare() -> Iterator[str]:
    """The URL of the distribution's PostgreSQL, migrated."""
    with folder_for_all() as folder, debian_postgresql(folder) as port:
        url = f"postgresql://mrilu@127.0.0.1:{port}/mrilu"
        with psycopg.connect(url) as link:
            offered = link.execute(
                "SELECT FROM pg_available_extensions WHERE name = 'vector'"
            ).fetchone()
        if offered is not None:
            pytest.skip("the distribution's PostgreSQL has pgvector")
        checks.usable_database(url)
        migrations.apply(models.bind(url))
        yield url


@pytest.fixture
def settings(bare: str, valkey: Server, tmp_path: Path) -> Iterator[Settings]:
    chosen = replace(load({}), database_url=bare, redis_url=valkey.url, data_dir=tmp_path / "data")
    use_settings(chosen)
    yield chosen
    disconnect()
    forget_settings()


@pytest.fixture
def archive(settings: Settings, tmp_path: Path) -> PostgresqlDatabase:
    """A database with one imported mail."""
    db = process_database()
    db.execute_sql("TRUNCATE maildir, message, thread RESTART IDENTITY CASCADE")
    root = make_maildir(tmp_path / "Maildir")
    register(root)
    counts = import_messages("test", [deliver(root, mail("<one@x>", body="a zarci of words"))])
    assert counts["imported"] == 1
    return db


def test_text_is_searched_and_meaning_says_why_it_is_not(archive: PostgresqlDatabase) -> None:
    page = search(archive, "zarci", encode=lambda model, text: [1.0])
    assert len(page.hits) == 1
    assert any("no vectors" in one for one in page.notices)


def test_nothing_is_embedded_and_status_and_doctor_say_why(archive: PostgresqlDatabase) -> None:
    assert embed_missing() == {"no_pgvector": 1}
    facts = progress(archive, "any")
    assert facts["state"] == "missing" and "no pgvector: install it" in facts["why"]
    found = check_vectors(models.lack_of_vectors(archive))
    assert (found.level, found.advice) == ("warning", "install it there and start again")


def test_a_backup_comes_back(archive: PostgresqlDatabase, settings: Settings, tmp_path) -> None:
    file = tmp_path / "backup"
    backups.save(settings, file)
    archive.execute_sql("TRUNCATE message CASCADE")
    disconnect()
    backups.put_back(settings, file)
    assert process_database().execute_sql("SELECT count(*) FROM message").fetchone() == (1,)


def test_pgvector_that_comes_later_is_taken_up_at_the_next_start(
    database: PostgresqlDatabase,
) -> None:
    database.execute_sql("ALTER TABLE embedding ALTER vector TYPE bytea USING NULL")
    assert "the next start" in models.lack_of_vectors(database)
    assert vectors.take_up(database) == ""
    assert models.lack_of_vectors(database) == ""
    storage = "SELECT attstorage FROM pg_attribute WHERE attrelid = 'embedding'::regclass AND attname = 'vector'"
    assert database.execute_sql(storage).fetchone() == ("p",)


@pytest.mark.parametrize(
    ("versions", "told"),
    [
        ((None, None), "no pgvector"),
        ((None, "0.6.2"), "pgvector 0.6.2 is too old: install 0.8"),
        (("0.7.4", "0.8.1"), "ALTER EXTENSION vector UPDATE"),
        (("0.10.0", "0.10.0"), ""),
        ((None, "1.0"), ""),
    ],
)
def test_a_pgvector_that_is_too_old_is_told(versions, told, monkeypatch) -> None:
    class Answers:
        def execute_sql(self, sql: str) -> Answers:
            return self

        def fetchone(self) -> tuple[str | None, str | None]:
            return versions

    from mrilu.tables.pgvector import lack_of_pgvector

    said = lack_of_pgvector(Answers())  # type: ignore[arg-type]
    assert told in said and bool(told) == bool(said)
