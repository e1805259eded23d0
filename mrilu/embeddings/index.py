"""Indices for nearest neighbours: HNSW (Malkov & Yashunin 2016) over half floats, one a model and kind."""

from __future__ import annotations

import logging

from peewee import PostgresqlDatabase

from mrilu.embeddings.sources import KINDS

logger = logging.getLogger(__name__)

# Below this many vectors a scan takes a millisecond, and a bulk of new ones would only be slowed down by an index.
WORTH_INDEXING = 2000
# A graph that outgrows the memory is built many times more slowly: 1,000,000 vectors of 384 half floats need 1.5 GB.
BUILD_MEMORY = """
SELECT set_config('maintenance_work_mem', '512MB', true)
 WHERE pg_size_bytes(current_setting('maintenance_work_mem')) < pg_size_bytes('512MB')
"""


def vector_type(dimensions: int) -> str:
    """Return the type that the column is cast to, in the index and in queries alike."""
    return f"halfvec({int(dimensions)})"


def index_name(model: int, kind: str) -> str:
    """Return the name of the index of one model's vectors of one kind."""
    return f"embedding_near_{int(model)}_{kind}"


def ensure_indexes(db: PostgresqlDatabase, model: int, dimensions: int) -> list[str]:
    """Build the indices that are missing and worth while; return their names."""
    made = []
    for kind in KINDS:
        name = index_name(model, kind)
        if not _exists(db, name) and _is_large(db, model, kind):
            _build(db, name, model, kind, dimensions)
            made.append(name)
    return made


def _exists(db: PostgresqlDatabase, name: str) -> bool:
    return db.execute_sql("SELECT to_regclass(%s)", (name,)).fetchone()[0] is not None


def _is_large(db: PostgresqlDatabase, model: int, kind: str) -> bool:
    query = "SELECT count(*) FROM (SELECT FROM embedding WHERE model = %s AND kind = %s LIMIT %s) AS few"
    return db.execute_sql(query, (model, kind, WORTH_INDEXING)).fetchone()[0] >= WORTH_INDEXING


def _build(db: PostgresqlDatabase, name: str, model: int, kind: str, dimensions: int) -> None:
    with db.atomic():
        db.execute_sql(BUILD_MEMORY)
        db.execute_sql(
            f"CREATE INDEX {name} ON embedding USING hnsw ((vector::{vector_type(dimensions)}) halfvec_cosine_ops) "
            f"WHERE model = {int(model)} AND kind = '{kind}'"
        )
    logger.info("built index=%s", name)


def drop_indexes_of_others(db: PostgresqlDatabase, model: int) -> None:
    """Drop the indices of all models but this one."""
    kept = {index_name(model, kind) for kind in KINDS}
    rows = db.execute_sql(
        "SELECT relname FROM pg_class WHERE relkind = 'i' AND relname LIKE 'embedding\\_near\\_%%'"
    )
    for (name,) in rows.fetchall():
        if name not in kept:
            db.execute_sql(f'DROP INDEX IF EXISTS "{name}"')
