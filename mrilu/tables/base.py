"""The deferred database and the base class of all tables; see models.py, which gathers them."""

from __future__ import annotations

from peewee import Model, PostgresqlDatabase

db = PostgresqlDatabase(None)


def bind(url: str) -> PostgresqlDatabase:
    """Point `db` at the PostgreSQL of `url`; nothing connects yet.

    psycopg 3 is asked for by name because peewee takes psycopg2 where both are installed. The session
    runs in UTC so that every timestamp comes back in UTC whatever the server's default.
    """
    db.init(
        url,
        prefer_psycopg3=True,
        options="-c timezone=UTC -c application_name=mrilu",
        connect_timeout=10,
    )
    return db


class BaseModel(Model):
    """Bound to the deferred database; table names are those of the migrations."""

    class Meta:
        database = db
        legacy_table_names = False
