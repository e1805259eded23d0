"""What changes with every change of a page's messages, read from a few rows however many these are (migration 0041).

Each is a text for comparing alone. It is asked for before what it stands for, so that what is kept under it is never
older than it says.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from peewee import PostgresqlDatabase
from psycopg import Cursor

from models import Reader, visible_to
from mrilu.mail.permalinks import hash_of, permalink_in
from mrilu.search.opening import STATE
from mrilu.web.addresses import month_after

# The row of `thread` tells which transaction made it: a number that a new database gives again differs by that.
THREAD = """
SELECT t.xmin::text || coalesce((SELECT string_agg(v.part || '.' || v.xmin, ' ' ORDER BY v.part)
                                   FROM thread_version AS v WHERE v.thread = t.id), '')
  FROM thread AS t WHERE t.id = %s
"""
_ROWS = "string_agg(id || '.' || xmin, ' ' ORDER BY id)"
_NEXT = """
(SELECT to_char(month, 'YYYY-MM') FROM posting_count WHERE list = list_number(%s) AND month {sign} %s
  GROUP BY month HAVING sum(messages) > 0 ORDER BY month {order} LIMIT 1)
"""
MONTH = f"""
SELECT coalesce(sum(messages), 0)::bigint, {_ROWS}, {_NEXT.format(sign="<", order="DESC")},
       {_NEXT.format(sign=">=", order="ASC")}
  FROM posting_count WHERE list = list_number(%s) AND month = %s
"""  # noqa: S608 - ours
LIST = f"""
SELECT to_char(month, 'YYYY-MM'), sum(messages)::bigint, {_ROWS}
  FROM posting_count WHERE list = list_number(%s) GROUP BY month ORDER BY month
"""  # noqa: S608 - ours

# A message, what stands beside it on the first list that its reader may see, and the links from and to it with the
# messages at their other ends, whose threads say whether they are shown. Ends are looked up one by one: a join of all
# messages is what the planner takes where it knows nothing of a table yet, as after a first import.
_END = """
SELECT ROW(e.message_id, e.from_name, e.from_address, e.sent_at, e.restrictions, e.list_ids, l.thread)::text
  FROM message AS e JOIN thread_link AS l USING (node) WHERE e.id = q.{end}
"""
_LINKS = "SELECT q::text || coalesce(({end}), '') AS link FROM quote AS q WHERE q.{own} = m.id"
MESSAGES = """
SELECT m.id, m.message_id, m.restrictions, m.list_ids,
       concat_ws('.', m.xmin, (SELECT thread FROM thread_link AS o WHERE o.node = m.node)), {earlier}, {later},
       (SELECT string_agg(link, ' ' ORDER BY link) FROM ({links}) AS known)
  FROM message AS m CROSS JOIN LATERAL (
       SELECT list_number(coalesce((SELECT name FROM unnest(m.list_ids) WITH ORDINALITY AS n (name, place)
                                     WHERE name <> ALL(%s) ORDER BY place LIMIT 1), '')) AS number) AS list
 WHERE m.permalink = %s ORDER BY m.sent_at, m.id
"""
# Mostly one of the next few may be seen; only where none is, all that stand there are looked at.
_NEXT_FEW = 10
_BESIDE = """
(SELECT b.message_id FROM (
    SELECT p.sent_at, p.message FROM posting AS p
     WHERE p.list = list.number AND (p.sent_at, p.message) {sign} (m.sent_at, m.id)
     ORDER BY p.sent_at {order}, p.message {order} {limit}) AS p JOIN message AS b ON b.id = p.message
  WHERE {visible} ORDER BY p.sent_at {order}, p.message {order} LIMIT 1)
"""


class MessageVersion(NamedTuple):
    """A message: all by which its page, as one reader may see it, differs from another."""

    id: int
    message_id: str
    restrictions: int
    list_ids: list[str]
    version: str
    earlier: str | None
    later: str | None
    links: str | None


class MonthVersion(NamedTuple):
    """A month of a list: how many messages, withheld ones too; the months with messages before and behind it, or ""."""

    messages: int
    version: str
    earlier: str
    later: str


class ListVersion(NamedTuple):
    """A list: its months with how many messages each has, oldest first."""

    months: list[tuple[str, int]]
    version: str


def _ask(db: PostgresqlDatabase, statement: str, parameters: Sequence[object] = ()) -> list[Any]:
    """Ask with a statement that is prepared at once: to plan it takes longer than all the rest of an answer."""
    cursor: Cursor[Any] = db.connection().execute(statement, parameters, prepare=True)
    return cursor.fetchall()


def of_thread(db: PostgresqlDatabase, thread: int) -> str:
    """Return the version of a thread: its messages, and the links between them; "" for none."""
    rows = _ask(db, THREAD, (thread,))
    return rows[0][0] if rows else ""


def of_messages(db: PostgresqlDatabase, message_hash: str, reader: Reader) -> list[MessageVersion]:
    """Return the messages whose Message-ID has this hash, oldest first, visible or not, in one question.

    `earlier` and `later` are Message-IDs that the reader may see.
    """
    if (number := permalink_in(message_hash)) is None:
        return []
    visible = visible_to(reader, "b")
    sides = {
        name: _beside(sign, order, visible.sql or "true")
        for name, sign, order in (("earlier", "<", "DESC"), ("later", ">", "ASC"))
    }
    links = " UNION ALL ".join(
        _LINKS.format(own=own, end=_END.format(end=end))
        for own, end in (("message", "source"), ("source", "message"))
    )
    parameters = (*visible.parameters * 4, list(reader.closed_lists), number)
    found = _ask(db, MESSAGES.format(links=links, **sides), parameters)
    rows = (MessageVersion(*row) for row in found)
    return [row for row in rows if hash_of(row.message_id) == message_hash.upper()]


def _beside(sign: str, order: str, visible: str) -> str:
    """Return the SQL for the Message-ID that stands before, or behind, a message."""
    facts = {"sign": sign, "order": order, "visible": visible}
    few = _BESIDE.format(limit=f"LIMIT {_NEXT_FEW}", **facts)
    return f"coalesce({few}, {_BESIDE.format(limit='', **facts)})"


def of_month(db: PostgresqlDatabase, list_id: str, since: datetime) -> MonthVersion:
    """Return how the month of a list that begins at `since` (UTC) stands."""
    month, following = since.date(), month_after(since).date()
    parameters = (list_id, month, list_id, following, list_id, month)
    messages, *names = _ask(db, MONTH, parameters)[0]
    return MonthVersion(messages, *(name or "" for name in names))


def of_list(db: PostgresqlDatabase, list_id: str) -> ListVersion:
    """Return how all months of a list stand."""
    rows = _ask(db, LIST, (list_id,))
    months = [(month, messages) for month, messages, _ in rows if messages > 0]
    return ListVersion(months, " ".join(row[2] for row in rows))


def state_of(db: PostgresqlDatabase) -> str:
    """Return what changes with whatever is written to the database, "" where that cannot be told."""
    return str(_ask(db, f"SELECT {STATE}")[0][0])
