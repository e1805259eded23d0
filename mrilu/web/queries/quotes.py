"""What the messages of a page quote, and who quotes them, as one reader may see it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from peewee import PostgresqlDatabase

from models import Reader, visible_to

MOST_LINKS = 5000  # of a page
_COLUMNS = """q.message, q.start, q.stop, q.source, q.passage, q.last_passage, q.whole,
       s.message_id AS s_id, s.from_name AS s_name, s.from_address AS s_address, s.sent_at AS s_sent,
       r.message_id AS r_id, r.from_name AS r_name, r.from_address AS r_address, r.sent_at AS r_sent"""
_FROM = "FROM quote AS q JOIN message AS s ON s.id = q.source JOIN message AS r ON r.id = q.message"
# Who quotes it from another thread is not told: that changes no page but its own.
LINKS = f"""
SELECT {_COLUMNS} {_FROM} WHERE q.message = ANY(%s) AND {{visible}}
UNION
SELECT {_COLUMNS} {_FROM} JOIN thread_link AS a ON a.node = r.node JOIN thread_link AS b ON b.node = s.node
 WHERE q.source = ANY(%s) AND a.thread = b.thread AND {{visible}}
 ORDER BY r_sent, message, start LIMIT {MOST_LINKS}
"""  # noqa: S608 - the columns are ours
# The source's xmin: it may be withheld, or named otherwise.
VERSION = """
SELECT md5(string_agg(concat_ws(' ', q.message, q.start, q.stop, q.source, q.passage, q.last_passage, q.whole, s.xmin),
                      ',' ORDER BY q.message, q.start))
  FROM thread_link AS l JOIN message AS r USING (node) JOIN quote AS q ON q.message = r.id
  JOIN message AS s ON s.id = q.source WHERE l.thread = %s
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
    origin: End
    answer: End


def links(db: PostgresqlDatabase, messages: Sequence[int], reader: Reader) -> list[LinkRow]:
    """Return the links from and to these messages whose both ends the reader may read, in the order of the answers."""
    ends = [visible_to(reader, alias) for alias in ("s", "r")]
    visible = " AND ".join(one.sql for one in ends if one.sql) or "true"
    parameters = [value for one in ends for value in one.parameters]
    asked = (list(messages), *parameters)
    rows: list[Any] = (
        db.connection().execute(LINKS.format(visible=visible), (*asked, *asked)).fetchall()
    )
    return [LinkRow._make((*row[:7], End(*row[7:11]), End(*row[11:]))) for row in rows]


def version(db: PostgresqlDatabase, thread: int) -> str:
    """Return what changes whenever the links of a thread's messages do."""
    return db.connection().execute(VERSION, (thread,)).fetchone()[0] or ""
