"""Steps of the schema that readers must not feel."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import psycopg
import pytest
from peewee import PostgresqlDatabase
from playhouse.migrations import Runner

from mrilu.service.postgres import Cluster
from mrilu.settings.table import PROJECT

FULL_TEXT = "0005_embeddings"
WAITS = "SELECT count(*) FROM pg_locks WHERE relation = 'sentence'::regclass AND NOT granted"


@pytest.fixture
def early(cluster: Cluster) -> Iterator[str]:
    """The URL of a database with the schema of before full text, and a definition and a sentence in it."""
    with psycopg.connect(cluster.url, autocommit=True) as link:
        link.execute("DROP DATABASE IF EXISTS early WITH (FORCE)")
        link.execute("CREATE DATABASE early")
    url = cluster.url.replace("/mrilu?", "/early?")
    names = sorted(path.stem for path in (PROJECT / "mrilu" / "migrations").glob("0*.py"))
    migrate(url, names[names.index(FULL_TEXT) - 1])
    with psycopg.connect(url) as link:
        link.execute(
            "INSERT INTO language (tag, name, source, synced_at) VALUES ('en', 'English', 'x', now())"
        )
        link.execute("INSERT INTO word (word, type) VALUES ('mlatu', 'gismu')")
        link.execute(
            "INSERT INTO definition (language, word, source_id, text, notes, selmaho, username, realname, content_hash,"
            " added_at, changed_at) VALUES (1, 1, 1, 'a cat', '', '', '', '', gen_random_uuid(), now(), now())"
        )
        link.execute("INSERT INTO sentence (pair_hash, lojban, english, rating, added_at, changed_at) "
                     "VALUES (gen_random_uuid(), 'mlatu', 'cat', '', now(), now())")  # fmt: skip
    yield url


def migrate(url: str, target: str) -> None:
    db = PostgresqlDatabase(url, prefer_psycopg3=True)
    with db.connection_context():
        Runner(db, str(PROJECT / "mrilu" / "migrations")).up(target=target)


def test_full_text_comes_without_keeping_readers_of_the_dictionary_out(early: str) -> None:
    migration = threading.Thread(target=migrate, args=(early, FULL_TEXT))
    with psycopg.connect(early) as reader, psycopg.connect(early, autocommit=True) as other:
        reader.execute(
            "SELECT FROM sentence"
        )  # what the step waits for when the definitions are done
        migration.start()
        deadline = time.monotonic() + 30
        while not other.execute(WAITS).fetchone()[0]:
            assert migration.is_alive() and time.monotonic() < deadline
        other.execute("SET lock_timeout = '1s'")
        assert other.execute(
            "SELECT count(*) FROM definition WHERE search @@ 'cat'"
        ).fetchone() == (1,)
        reader.rollback()
        migration.join(30)
        assert other.execute("SELECT count(*) FROM sentence WHERE search @@ 'cat'").fetchone() == (
            1,
        )


def test_full_text_that_was_interrupted_is_tried_again(early: str) -> None:
    migrate(early, FULL_TEXT)
    with psycopg.connect(early) as link:
        link.execute("DELETE FROM schema_migration WHERE name = %s", (FULL_TEXT,))
        link.execute("DROP TABLE embedding")
    migrate(early, FULL_TEXT)
    with psycopg.connect(early) as link:
        assert link.execute("SELECT count(*) FROM embedding").fetchone() == (0,)
