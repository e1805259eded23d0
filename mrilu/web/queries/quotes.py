"""What the messages of a page quote, and who quotes them, as one reader may see it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from peewee import PostgresqlDatabase

from models import Reader, visible_to

MOST_LINKS = 5000  # of a page
# Two plain queries instead of one of many joins, which takes the planner longer than all of the rest.
_COLUMNS = "message, start, stop, source, passage, last_passage, whole, answered"
LINKS = f"""
SELECT {_COLUMNS} FROM quote WHERE message = ANY(%s)
UNION
SELECT {_COLUMNS} FROM quote WHERE source = ANY(%s) LIMIT {MOST_LINKS}
"""  # noqa: S608 - the columns are ours
ENDS = """
SELECT m.id, l.thread, m.message_id, m.from_name, m.from_address, m.sent_at
  FROM message AS m JOIN thread_link AS l USING (node) WHERE m.id = ANY(%s) AND {visible}
"""


class End(NamedTuple):
    """A message at an end of a link."""

    message_id: str
    from_name: str
    from_address: str
    sent_at: datetime


class LinkRow(NamedTuple):
    """body[start:stop] of `message` came from passages `passage` to `last_passage` of `source`."""

    message: int
    start: int
    stop: int
    source: int
    passage: int
    last_passage: int
    whole: bool
    answered: bool
    origin: End
    answer: End


def links(db: PostgresqlDatabase, messages: Sequence[int], reader: Reader) -> list[LinkRow]:
    """Return the links from and to these messages whose both ends the reader may read, the oldest answer first.

    Links between threads are left out: they would change pages whose own messages did not change.
    """
    connection = db.connection()
    rows: list[Any] = connection.execute(LINKS, (list(messages), list(messages))).fetchall()
    if not rows:
        return []
    visible = visible_to(reader, "m")
    numbers = list({number for row in rows for number in (row[0], row[3])})
    sql = ENDS.format(visible=visible.sql or "true")
    found: list[Any] = connection.execute(sql, (numbers, *visible.parameters)).fetchall()
    threads, ends = {row[0]: row[1] for row in found}, {row[0]: End(*row[2:]) for row in found}
    made = [
        LinkRow._make((*row, ends[row[3]], ends[row[0]]))
        for row in rows
        if row[0] in ends and row[3] in ends and threads[row[0]] == threads[row[3]]
    ]
    return sorted(made, key=lambda one: (one.answer.sent_at, one.message, one.start))
