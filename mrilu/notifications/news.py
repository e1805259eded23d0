"""New messages on their way to their subscribers: noted in the import's transaction, matched after it.

Matching a thousand messages with ten thousand searches takes seconds, and the import holds the threads' lock until it
commits. So it leaves a row for each message that may be news, and matches in a transaction of its own: the rows go in
it as the notifications come. A worker that dies in between leaves its rows to the next one, or to the sender, which
looks every minute.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime

from peewee import PostgresqlDatabase
from psycopg import Connection

from mrilu.notifications.events import (
    ANY_FOR_MESSAGES,
    NewsRules,
    is_there_any,
    notify_new_messages,
)
from mrilu.runtime.errors import first_line
from mrilu.runtime.retry import CONTENT, is_transient

logger = logging.getLogger(__name__)

AT_ONCE = 1000  # messages that are matched in one transaction

NOTE = "INSERT INTO news (message, arrived) SELECT * FROM unnest(%s::bigint[], %s::float8[])"
# Rows that another worker is at are its own.
NEXT = "SELECT id FROM news ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED"
TAKE = """
DELETE FROM news WHERE id IN (SELECT id FROM news WHERE id = ANY(%s) FOR UPDATE SKIP LOCKED)
RETURNING message, arrived
"""


def note_news(connection: Connection, fresh: Mapping[int, float]) -> None:
    """Note messages that may be news, with when their files arrived (seconds since 1970); the caller commits."""
    if fresh and is_there_any(connection, ANY_FOR_MESSAGES):
        connection.execute(NOTE, (list(fresh), list(fresh.values())))


def match_news(db: PostgresqlDatabase, rules: NewsRules, now: datetime | None = None) -> int:
    """Write the notifications of all messages noted; return how many. Raises psycopg errors of the server's.

    A message that cannot be matched is left out, with an error in the log; the others of its batch are not.
    """
    written = 0
    while rows := _claimable(db):
        try:
            written += _match(db, rows, rules, now)
        except CONTENT:
            for row in rows:
                written += _match_alone(db, row, rules, now)
    return written


def _claimable(db: PostgresqlDatabase) -> list[int]:
    return [row[0] for row in db.connection().execute(NEXT, (AT_ONCE,))]


def _match(db: PostgresqlDatabase, rows: list[int], rules: NewsRules, now: datetime | None) -> int:
    with db.atomic():
        taken = db.connection().execute(TAKE, (rows,)).fetchall()
        return notify_new_messages(db.connection(), dict(taken), rules, now)


def _match_alone(db: PostgresqlDatabase, row: int, rules: NewsRules, now: datetime | None) -> int:
    try:
        return _match(db, [row], rules, now)
    except CONTENT:
        logger.exception("a message cannot be matched with the subscriptions news=%d", row)
        db.connection().execute(TAKE, ([row],))
        return 0


def match_if_possible(db: PostgresqlDatabase, rules: NewsRules) -> None:
    """Do the same for what was just stored; what cannot be matched now waits for the sender's look."""
    try:
        match_news(db, rules)
    except Exception as error:
        if not is_transient(error):
            raise
        logger.warning("new mail is matched later: %s", first_line(error))
