"""Senders and lists that no message has any more: forgotten beside imports, which note them by triggers."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any, NamedTuple

from peewee import PostgresqlDatabase
from psycopg import Connection
from psycopg.errors import LockNotAvailable

from mrilu.archive.plans import BY_INDEX
from mrilu.search.conditions import KEYS

logger = logging.getLogger(__name__)

AT_ONCE = 500
LOCK_SECONDS = 0.5  # an import that comes meanwhile waits as long

DOUBTED = "SELECT id, sender, list FROM doubted_name WHERE id > %s ORDER BY id LIMIT %s"
# Whoever imports or changes a message has written to both tables in the same transaction, if no row: with this lock
# all of them have ended, and what they stored is seen; who comes later looks for the name after we have.
LOCK = "LOCK TABLE sender, known_list IN SHARE ROW EXCLUSIVE MODE"
SETTLE = "DELETE FROM doubted_name WHERE id = ANY(%s)"


class _Kind(NamedTuple):
    """SQL: which of these names a message has, and the deletion of those that none has."""

    used: str
    forget: str


_HAS_SENDER = f"EXISTS (SELECT FROM message AS s WHERE {KEYS} && ARRAY[n.key])"
_HAS_LIST = "EXISTS (SELECT FROM message AS s WHERE s.list_ids && ARRAY[n.name])"
SENDERS = _Kind(
    f"SELECT key FROM unnest(%s::bigint[]) AS n (key) WHERE {_HAS_SENDER}",  # noqa: S608
    f"DELETE FROM sender AS n WHERE key = ANY(%s) AND NOT {_HAS_SENDER}",  # noqa: S608
)
LISTS = _Kind(
    f"SELECT name FROM unnest(%s::text[]) AS n (name) WHERE {_HAS_LIST}",  # noqa: S608
    f"DELETE FROM known_list AS n WHERE name = ANY(%s) AND NOT {_HAS_LIST}",  # noqa: S608
)


def forget_left_names(db: PostgresqlDatabase) -> int:
    """Delete the senders and lists that no message has any more; return how many.

    Where an import keeps its locks for long, the rest is left to the next call.
    """
    forgotten, last = 0, 0
    while rows := db.connection().execute(DOUBTED, (last, AT_ONCE)).fetchall():
        last = rows[-1][0]
        try:
            forgotten += _settle(db, rows)
        except LockNotAvailable:
            logger.info("names are looked at later: an import is at work")
            break
    return forgotten


def _settle(db: PostgresqlDatabase, rows: list[Any]) -> int:
    """Look at names, first beside imports, then at those that seem left once more while none is at work."""
    ids, senders, lists = ({row[column] for row in rows} - {None} for column in range(3))
    with db.atomic():
        connection = db.connection()
        # The index of search has both. The planner takes no name for one that nobody has, and would read all messages.
        connection.execute(BY_INDEX)
        left = (
            (SENDERS, _left(connection, SENDERS, senders)),
            (LISTS, _left(connection, LISTS, lists)),
        )
    with db.atomic():
        connection = db.connection()
        forgotten = _forget(connection, left) if any(names for _, names in left) else 0
        connection.execute(SETTLE, (list(ids),))
    return forgotten


def _left(connection: Connection, kind: _Kind, names: set[Any]) -> list[Any]:
    """Return the names that no message has."""
    return list(names.difference(row[0] for row in connection.execute(kind.used, (list(names),))))


def _forget(connection: Connection, left: Iterable[tuple[_Kind, list[Any]]]) -> int:
    connection.execute("SELECT set_config('lock_timeout', %s, true)", (f"{LOCK_SECONDS}s",))
    connection.execute(BY_INDEX)
    connection.execute(LOCK)
    return sum(connection.execute(kind.forget, (names,)).rowcount for kind, names in left)
