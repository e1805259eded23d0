"""Steps of the schema that readers must not feel."""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Iterator

import psycopg
import pytest
from peewee import PostgresqlDatabase
from playhouse.migrations import Runner

from mrilu.mail.thread_keys import node_of
from mrilu.service.postgres import Cluster
from mrilu.settings.table import PROJECT

FULL_TEXT = "0005_embeddings"
PERMALINKS = "0023_permalinks_and_restrictions"
FACTS = "0016_facts_of_definitions"
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
        link.execute(
            "INSERT INTO sentence (pair_hash, lojban, english, rating, added_at, changed_at) "
            "VALUES (gen_random_uuid(), 'mlatu', 'cat', '', now(), now())"
        )
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


BEFORE_EDGES = "0010_one_file_is_no_copy"
STORED = """
INSERT INTO message (identity, message_id, message_id_derived, node, subject, cleaned_subject, subject_key, orphan,
    from_name, from_address, to_addresses, cc_addresses, sent_at, date_source, list_ids, in_reply_to, reference_ids,
    body, own_spans, parts, has_attachment, signed, encrypted, defects, parser_version, search)
VALUES (gen_random_uuid(), %(name)s, false, %(node)s, 'x', 'x', 7, %(orphan)s, '', '', '[]', '[]',
    timestamptz '2025-01-01' + %(day)s * interval '1 day', 'date', '{one.x}', '{}', %(references)s, '', '{}', '{}',
    false, false, false, '{}', 1, '')
"""


def test_messages_of_before_get_the_edges_of_their_threads(early: str) -> None:
    migrate(early, BEFORE_EDGES)
    with psycopg.connect(early) as link:
        for day, (name, references, orphan) in enumerate(
            [("a@x", [], False), ("b@x", ["ghost@x", "a@x"], False), ("c@x", [], True)]
        ):
            facts = {"name": name, "node": node_of(name), "references": references}
            link.execute(STORED, facts | {"orphan": orphan, "day": day})
    names = sorted(path.stem for path in (PROJECT / "mrilu" / "migrations").glob("0*.py"))
    migrate(early, names[-1])
    with psycopg.connect(early) as link:
        rows = link.execute("SELECT node, other, sequence <> 0 FROM thread_edge").fetchall()
    assert sorted(rows) == sorted(
        [
            (node_of("b@x"), node_of("ghost@x"), False),
            (node_of("b@x"), node_of("a@x"), False),
            (node_of("c@x"), node_of("b@x"), True),
        ]
    )


def test_definitions_get_the_facts_of_their_last_version(early: str) -> None:
    migrate(early, "0010_one_file_is_no_copy")
    version = (
        "INSERT INTO definition_version (definition, version, change, bulk, content, recorded_at) "
        "VALUES (1, %s, 'edited', false, %s, now())"
    )
    with psycopg.connect(early) as link:
        for number, kind in ((1, "gismu"), (2, "cmavo")):
            content = {"type": kind, "rafsi": ["lat", "mlatu"], "unofficial": True}
            link.execute(version, (number, psycopg.types.json.Jsonb(content)))
    for _ in range(2):  # a step that was broken off is tried again
        migrate(early, FACTS)
        with psycopg.connect(early) as link:
            row = link.execute(
                "SELECT type, rafsi, unofficial, jargon, tags FROM definition"
            ).fetchone()
            assert row == ("cmavo", ["lat", "mlatu"], True, "", [])
            link.execute("DELETE FROM schema_migration WHERE name = %s", (FACTS,))


def test_permalinks_become_obligatory_without_a_look_at_each_message_behind_an_exclusive_lock(
    early: str,
) -> None:
    migrate(early, PERMALINKS)
    step = importlib.import_module(f"mrilu.migrations.{PERMALINKS}")
    obligatory = "SELECT attnotnull FROM pg_attribute WHERE attrelid = 'message'::regclass AND attname = 'permalink'"
    told: list[str] = []
    with psycopg.connect(early, autocommit=True) as link:
        assert link.execute(obligatory).fetchone() == (True,)
        link.execute("ALTER TABLE message ALTER permalink DROP NOT NULL")
        link.execute("SET client_min_messages = debug1")
        link.add_notice_handler(lambda notice: told.append(notice.message_primary or ""))
        for part in step.NOT_NULL:
            link.execute(part)
        assert link.execute(obligatory).fetchone() == (True,)
        left = "SELECT count(*) FROM pg_constraint WHERE conname = 'permalink_is_there'"
        assert link.execute(left).fetchone() == (0,)
    assert any("sufficient to prove" in one for one in told)
