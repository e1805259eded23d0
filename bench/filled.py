"""A database filled with the corpora: a throw-away one, or one that is there already."""

from __future__ import annotations

import json
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from peewee import PostgresqlDatabase

import models
from bench.corpus import CORPORA, CorpusMissing, unpacked
from bench.timing import progress
from jobs.import_messages import import_paths
from models import Maildir
from mrilu import migrations
from mrilu.archive.ledger import difference
from mrilu.dictionary.entries import Entry, Export
from mrilu.dictionary.jbovlaste_xml import read_export
from mrilu.dictionary.store import store_export
from mrilu.queues.rules import limits_of, news_rules_of
from mrilu.runtime.database import database, disconnect
from mrilu.service.postgres import Cluster
from mrilu.service.valkey import Server
from mrilu.settings.current import current_settings, forget_settings, use_settings
from mrilu.settings.load import load

BATCH = 500
LANGUAGES = ("en", "ja", "de", "jbo", "en-simple")
DICTIONARY = "dictionary.tar.xz"
PLAIN_LANGUAGE = (
    "INSERT INTO language (tag, name, source, synced_at) VALUES (%s, %s, 'bench', now())"
)
PLAIN_ENTRY = """
WITH word AS (
    INSERT INTO word (word, type, rafsi, unofficial) VALUES (%(word)s, %(type)s, %(rafsi)s::text[], %(unofficial)s)
    ON CONFLICT (word) DO UPDATE SET type = excluded.type RETURNING id
), definition AS (
    INSERT INTO definition (language, word, source_id, text, notes, selmaho, username, realname, score, content_hash,
                            added_at, changed_at)
    SELECT l.id, w.id, %(source_id)s, %(definition)s, %(notes)s, %(selmaho)s, %(username)s, %(realname)s, %(score)s,
           md5(%(content)s)::uuid, now(), now()
      FROM word AS w, language AS l WHERE l.tag = %(language)s RETURNING id, language
), version AS (
    INSERT INTO definition_version (definition, version, change, bulk, content, recorded_at)
    SELECT id, 1, 'added', true, %(content)s::jsonb, now() FROM definition
)
INSERT INTO keyword (language, direction, definition, valsi, text, sense, place, position)
SELECT d.language, 'from', d.id, %(word)s, g.text, g.sense, g.place, g.position
  FROM definition AS d,
       unnest(%(texts)s::text[], %(senses)s::text[], %(places)s::smallint[]) WITH ORDINALITY
       AS g (text, sense, place, position)
"""


@contextmanager
def empty_service() -> Iterator[PostgresqlDatabase]:
    """Servers of the block's own, fsync on as in the service, with the schema; this process works with them."""
    with tempfile.TemporaryDirectory(prefix="mrilu-bench-") as folder:
        place = Path(folder)
        with Cluster(place / "pg") as cluster, Server(place / "vk") as valkey:
            migrations.apply(models.bind(cluster.url))
            use_settings(
                replace(
                    load({}),
                    database_url=cluster.url,
                    redis_url=valkey.url,
                    data_dir=place / "data",
                )
            )
            yield database()
            disconnect()
            forget_settings()


@contextmanager
def existing(database_url: str, redis_url: str) -> Iterator[PostgresqlDatabase]:
    """A service that is filled already."""
    use_settings(replace(load({}), database_url=database_url, redis_url=redis_url))
    yield database()
    disconnect()
    forget_settings()


def read_dictionary(tag: str) -> Export:
    """Read one language of the dictionary corpus."""
    archive = CORPORA / DICTIONARY
    if not archive.is_file():
        raise CorpusMissing(
            f"{archive} is missing: benchmarks need the corpora folder beside the project"
        )
    with tarfile.open(archive) as tar:
        member = next(one for one in tar.getmembers() if one.name.endswith(f"jbo-{tag}.xml"))
        file = tar.extractfile(member)
        assert file is not None
        return read_export(file)


def fill_dictionary(db: PostgresqlDatabase, tag: str = "en") -> int:
    """Store one language of the dictionary corpus; return how many definitions there are."""
    export = read_dictionary(tag)
    with db.atomic():
        store_export(db, tag, DICTIONARY, export, datetime.now(UTC), max_shrink=0)
    db.execute_sql("ANALYZE")
    return len(export.entries)


def fill_plain_dictionary(db: PostgresqlDatabase, tags: Iterable[str] = LANGUAGES) -> int:
    """Write languages of the corpus as the second schema step has them; return how many definitions."""
    exports = {tag: read_dictionary(tag) for tag in tags}
    cursor = db.connection().cursor()
    with db.atomic():
        for tag, export in exports.items():
            cursor.execute(PLAIN_LANGUAGE, (tag, tag))
            for entry in export.entries:
                cursor.execute(PLAIN_ENTRY, _plain(tag, entry))
    db.execute_sql("ANALYZE")
    return sum(len(export.entries) for export in exports.values())


def _plain(tag: str, entry: Entry) -> dict[str, Any]:
    glosses = [list(column) for column in zip(*entry.glosses, strict=True)] or [[], [], []]
    names = ("texts", "senses", "places")
    facts = {"language": tag, "rafsi": list(entry.rafsi), "content": json.dumps(entry.content())}
    return entry._asdict() | facts | dict(zip(names, glosses, strict=True))


def fill_sentences(db: PostgresqlDatabase, wanted: int = 20_000) -> None:
    """Make as many sentence pairs as asked for of the sample's, each with a number in it."""
    pairs = [
        line.split("\t")[:2]
        for line in (CORPORA / "muplis-jb2en-sample.tsv").read_text().splitlines()
    ]
    db.connection().cursor().executemany(
        "INSERT INTO sentence (pair_hash, lojban, english, rating, added_at, changed_at) "
        "SELECT md5(%(lojban)s || %(english)s || n)::uuid, n || ' ' || %(lojban)s, %(english)s || ' ' || n, '', "
        "       now(), now() "
        "  FROM generate_series(1, %(each)s::int) AS n ON CONFLICT DO NOTHING",
        [
            {"lojban": lojban, "english": english, "each": wanted // len(pairs)}
            for lojban, english in pairs
        ],
    )
    db.execute_sql("ANALYZE sentence")


def fill_mail(db: PostgresqlDatabase) -> int:
    """Import the list corpus; return how many messages there are."""
    with unpacked("lists") as root:
        maildir = Maildir.register("lists", str(root), "maildir")
        paths = difference(models.db, root, maildir.name).paths
        for start in range(0, len(paths), BATCH):
            import_paths(
                db,
                maildir.name,
                paths[start : start + BATCH],
                limits_of(current_settings()),
                news_rules_of(current_settings()),
            )
    db.execute_sql("ANALYZE")
    progress(f"imported {len(paths)} files")
    return models.Message.select().count()
