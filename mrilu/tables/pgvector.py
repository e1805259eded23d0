"""Whether the database can hold vectors: it needs pgvector, and all but search by meaning works without it."""

from __future__ import annotations

import re

from peewee import PostgresqlDatabase

LEAST = (0, 8)  # hnsw.iterative_scan; halfvec came with 0.7

_VERSIONS = """
SELECT (SELECT extversion FROM pg_extension WHERE extname = 'vector'),
       (SELECT default_version FROM pg_available_extensions WHERE name = 'vector')
"""
HOLDS_VECTORS = """
EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass('embedding') AND attname = 'vector'
           AND format_type(atttypid, NULL) = 'halfvec')
"""


def holds_vectors(db: PostgresqlDatabase) -> bool:
    """Tell whether the column of vectors is one of pgvector's."""
    return bool(db.execute_sql(f"SELECT {HOLDS_VECTORS}").fetchone()[0])


def lack_of_vectors(db: PostgresqlDatabase) -> str:
    """Return why the database holds no vectors, with what to do; "" if it does."""
    if holds_vectors(db):
        return ""
    return lack_of_pgvector(db) or "pgvector is there now: the next start of ./run.sh takes it up"


def lack_of_pgvector(db: PostgresqlDatabase) -> str:
    """Return why the server has no pgvector that serves, with what to do; "" if it has."""
    installed, offered = db.execute_sql(_VERSIONS).fetchone()
    found = installed or offered
    if found is None:
        return "the server has no pgvector: install it there and start again"
    if _parts(found) >= LEAST:
        return ""
    if installed and offered and _parts(offered) >= LEAST:
        return f"pgvector {installed} is too old: ALTER EXTENSION vector UPDATE, and start again"
    return f"pgvector {found} is too old: install {LEAST[0]}.{LEAST[1]} or newer and start again"


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])
