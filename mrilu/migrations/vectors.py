"""pgvector is taken up where the server has it, be it installed long after the schema was made."""

from __future__ import annotations

from peewee import PeeweeException, PostgresqlDatabase

from mrilu.tables.pgvector import holds_vectors, lack_of_pgvector

# The column is empty as long as it is no halfvec: nothing writes a vector before.
_TAKE_UP = """
SET LOCAL lock_timeout = '1s';
ALTER TABLE embedding ALTER vector TYPE halfvec USING NULL;
ALTER TABLE embedding ALTER vector SET STORAGE PLAIN;
"""


def take_up(db: PostgresqlDatabase) -> str:
    """Make the column of vectors one of pgvector's, if it can be; return why not, "" if it is one."""
    if holds_vectors(db):
        return ""
    if reason := lack_of_pgvector(db):
        return reason
    try:
        with db.atomic():
            db.execute_sql("CREATE EXTENSION IF NOT EXISTS vector")
    except PeeweeException as error:
        told = str(error).strip().partition("\n")[0]
        return f"{told}: CREATE EXTENSION vector in this database as a superuser, and start again"
    with db.atomic():
        db.execute_sql(_TAKE_UP)
    return ""
