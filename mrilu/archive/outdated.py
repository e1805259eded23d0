"""Messages that an older parser read: which they are, and how many."""

from __future__ import annotations

from typing import NamedTuple

from peewee import PostgresqlDatabase

from mrilu.mail.version import PARSER_VERSION

_HAS_FILE = "EXISTS (SELECT FROM location AS l WHERE l.message = m.id AND l.gone_at IS NULL)"
NEXT = f"""
SELECT m.id FROM message AS m WHERE m.parser_version < %s AND m.id < %s AND {_HAS_FILE} ORDER BY m.id DESC LIMIT %s
"""  # noqa: S608 - no value is in the text
COUNT = f"""
SELECT count(*) FILTER (WHERE has_file), count(*) FILTER (WHERE NOT has_file)
  FROM (SELECT {_HAS_FILE} AS has_file FROM message AS m WHERE m.parser_version < %s) AS one
"""  # noqa: S608 - no value is in the text


class Outdated(NamedTuple):
    """How many messages an older parser read: with a file, so that they will be read again, and without."""

    waiting: int
    gone: int


def count_outdated(db: PostgresqlDatabase) -> Outdated:
    """Count the messages that a parser older than this one read."""
    return Outdated(*db.execute_sql(COUNT, (PARSER_VERSION,)).fetchone())


def next_outdated(db: PostgresqlDatabase, before: int, most: int) -> list[int]:
    """Return the newest messages with a file that an older parser read, `before` that id, newest first."""
    return [row[0] for row in db.execute_sql(NEXT, (PARSER_VERSION, before, most))]
