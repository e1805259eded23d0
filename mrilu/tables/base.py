"""The deferred database and the base class of all tables; see models.py, which gathers them."""

from __future__ import annotations

from typing import Any

import psycopg
from peewee import Model, PostgresqlDatabase
from psycopg.conninfo import conninfo_to_dict

db = PostgresqlDatabase(None)

IDLE_IN_TRANSACTION = "1min"
# What every session of ours is opened with. A worker that was frozen or cut off in mid-transaction may hold the
# lock of all imports: the server ends its session, by its own clock or because no one answers its probes.
SESSION = {
    # every timestamp comes back in UTC, whatever the server's default
    "timezone": "UTC",
    "application_name": "mrilu",
    "idle_in_transaction_session_timeout": IDLE_IN_TRANSACTION,
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "25s",
}
# The same from our side: a server that was cut off is noticed.
_KEEPALIVES = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,  # milliseconds
}


def bind(url: str, *, lock_timeout: float = 0, statement_timeout: float = 0) -> PostgresqlDatabase:
    """Point `db` at the PostgreSQL of `url`; nothing connects yet.

    `lock_timeout` and `statement_timeout` are in seconds, 0 for no limit. psycopg 3 is asked for by name
    because peewee takes psycopg2 where both are installed.
    """
    options = session_options(url, lock_timeout=lock_timeout, statement_timeout=statement_timeout)
    db.init(url, prefer_psycopg3=True, **options)
    return db


def session_options(
    url: str, *, lock_timeout: float = 0, statement_timeout: float = 0
) -> dict[str, Any]:
    """Return how a session of ours is opened, for psycopg.connect; options that the URL names stay in force."""
    limits = {"lock_timeout": lock_timeout, "statement_timeout": statement_timeout}
    settings = SESSION | {
        name: f"{round(seconds * 1000)}ms" for name, seconds in limits.items() if seconds
    }
    own = " ".join(f"-c {name}={value}" for name, value in settings.items())
    return {"options": f"{own} {_options_in(url)}".strip(), "connect_timeout": 10, **_KEEPALIVES}


def _options_in(url: str) -> str:
    try:
        return str(conninfo_to_dict(url).get("options") or "")
    except psycopg.ProgrammingError:  # no URL at all: connecting says so
        return ""


class BaseModel(Model):
    """Bound to the deferred database; table names are those of the migrations."""

    class Meta:
        database = db
        legacy_table_names = False
