"""What changes with every change of a page's messages, read from a few rows however many these are (migration 0041).

Each is a text for comparing alone. It is asked for before what it stands for, so that what is kept under it is never
older than it says.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from peewee import PostgresqlDatabase

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


def of_thread(db: PostgresqlDatabase, thread: int) -> str:
    """Return the version of a thread: its messages, and the links between them; "" for none."""
    row = db.connection().execute(THREAD, (thread,)).fetchone()
    return row[0] if row else ""


def of_month(db: PostgresqlDatabase, list_id: str, since: datetime) -> MonthVersion:
    """Return how the month of a list that begins at `since` (UTC) stands."""
    month, following = since.date(), month_after(since).date()
    parameters = (list_id, month, list_id, following, list_id, month)
    messages, *names = db.connection().execute(MONTH, parameters).fetchone()
    return MonthVersion(messages, *(name or "" for name in names))


def of_list(db: PostgresqlDatabase, list_id: str) -> ListVersion:
    """Return how all months of a list stand."""
    rows = db.connection().execute(LIST, (list_id,)).fetchall()
    months = [(month, messages) for month, messages, _ in rows if messages > 0]
    return ListVersion(months, " ".join(row[2] for row in rows))
