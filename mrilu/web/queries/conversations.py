"""The threads of a list, or of one of its months, that with the newest message first; a page after the other."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from peewee import PostgresqlDatabase

from models import Reader, visible_to
from mrilu.web.queries import archive
from mrilu.web.queries.archive import MessageRow

Place = tuple[datetime, int]  # of a message on a list: when it was sent, and its id

PORTION = 200  # messages that are looked at at once
GROWTH = 4  # times as many, where these were of few threads
MOST_LOOKED_AT = (
    3000  # messages of one page: more may be hidden, or of threads that stand further up
)
NAMES = 5

# The first message of each further thread among the next ones of a list, as far as the reader may read it; in front of
# each how many were looked at, and the place of the last. Without any thread it is one row.
HEADS = f"""
WITH portion AS MATERIALIZED (
    SELECT message, sent_at FROM posting
     WHERE list = list_number(%s) AND sent_at >= %s AND (sent_at, message) < (%s, %s)
     ORDER BY sent_at DESC, message DESC LIMIT %s
), head AS MATERIALIZED (
    SELECT DISTINCT ON (l.thread) {archive.COLUMNS}
      FROM portion AS p JOIN message AS m ON m.id = p.message JOIN thread_link AS l USING (node)
     WHERE l.thread <> ALL(%s) AND {{visible}}
     ORDER BY l.thread, m.sent_at DESC, m.id DESC
)
SELECT looked.*, head.*
  FROM (SELECT count(*), (array_agg(sent_at ORDER BY sent_at, message))[1],
               (array_agg(message ORDER BY sent_at, message))[1] FROM portion) AS looked
  LEFT JOIN head ON true
 ORDER BY head.sent_at DESC, head.id DESC
"""  # noqa: S608 - the columns are ours
# What the threads have on the list: the first message of each, who wrote, how many, and the newest.
SUMMARIES = """
WITH member AS MATERIALIZED (
    SELECT l.thread, m.id, m.from_name, m.from_address, m.sent_at, m.list_ids, m.restrictions
      FROM thread_link AS l JOIN message AS m USING (node) WHERE l.thread = ANY(%s)
), summary AS MATERIALIZED (
    SELECT thread, array_agg(id ORDER BY sent_at, id) AS ids,
           array_agg(coalesce(nullif(from_name, ''), from_address) ORDER BY sent_at, id) AS names
      FROM member AS m
     WHERE sent_at >= %s AND sent_at < %s AND {visible}
       AND CASE WHEN %s = '' THEN list_ids = '{{}}' ELSE %s = ANY(list_ids) END
     GROUP BY thread
)
SELECT s.thread, cardinality(s.ids), m.message_id, m.subject, s.ids[cardinality(s.ids)], s.names
  FROM summary AS s JOIN message AS m ON m.id = s.ids[1]
"""


class Conversation(NamedTuple):
    """A thread on a page of a list: its newest message there; its first one, who wrote and how many there are."""

    newest: MessageRow
    first_id: str
    subject: str
    messages: int
    names: tuple[str, ...]
    people: int


class ListPage(NamedTuple):
    """Threads, newest first; `further` is the place behind which the next page begins, None at the end."""

    conversations: list[Conversation]
    further: Place | None


class Period(NamedTuple):
    """A time of a list: from `since` on and before `until`."""

    list_id: str
    since: datetime
    until: datetime


def page_of(
    db: PostgresqlDatabase, period: Period, before: Place, wanted: int, reader: Reader
) -> ListPage:
    """Return the threads whose newest message of the period, that the reader may read, stands before a place.

    They are `wanted` at most; fewer with a place to go on from where a lot is hidden. Each thread is on one page.
    """
    found: list[Conversation] = []
    seen: list[int] = []
    place, size, looked_at = min(before, (period.until, 0)), PORTION, 0
    while looked_at < MOST_LOOKED_AT:
        portion = _portion(db, period, place, (size, seen), reader)
        looked_at += portion.messages
        seen += [row.thread for row in portion.heads]
        summaries = _summaries(db, period, portion.heads, reader)
        for row in portion.heads:
            one = summaries.get(row.thread)
            if one is None or one[4] != row.id:  # its newest message stands on a page before
                continue
            if len(found) == wanted:
                last = found[-1].newest
                return ListPage(found, (last.sent_at, last.id))
            found.append(_conversation(row, one))
        if portion.last is None or portion.messages < size:
            return ListPage(found, None)
        place = portion.last
        few = len(portion.heads) * 10 < portion.messages
        size = min(size * GROWTH if few else PORTION, max(1, MOST_LOOKED_AT - looked_at))
    more = _portion(db, period, place, (1, seen), reader).messages
    return ListPage(found, place if more else None)


class _Portion(NamedTuple):
    """How many messages were looked at, the place of the last, and the first of each further thread."""

    messages: int
    last: Place | None
    heads: list[MessageRow]


def _portion(
    db: PostgresqlDatabase,
    period: Period,
    before: Place,
    size_and_seen: tuple[int, Sequence[int]],
    reader: Reader,
) -> _Portion:
    """Look at so many messages before a place, but for those of threads that were seen."""
    size, seen = size_and_seen
    visible = visible_to(reader, "m")
    sql = HEADS.format(visible=visible.sql or "true")
    parameters = (period.list_id, period.since, *before, size, list(seen), *visible.parameters)
    # prepare=False: a generic plan does not see how short the time is
    rows: list[Any] = db.connection().execute(sql, parameters, prepare=False).fetchall()
    messages, sent_at, number = rows[0][:3]
    heads = [MessageRow(*row[3:]) for row in rows if row[3] is not None]
    return _Portion(messages, (sent_at, number) if messages else None, heads)


def _summaries(
    db: PostgresqlDatabase, period: Period, heads: Sequence[MessageRow], reader: Reader
) -> dict[int, tuple]:
    if not heads:
        return {}
    visible = visible_to(reader, "m")
    sql = SUMMARIES.format(visible=visible.sql or "true")
    threads = [row.thread for row in heads]
    parameters = (threads, period.since, period.until, *visible.parameters, *(period.list_id,) * 2)
    # prepare=False: a generic plan does not see how short the time is
    return {row[0]: row for row in db.connection().execute(sql, parameters, prepare=False)}


def _conversation(row: MessageRow, summary: tuple) -> Conversation:
    _, messages, first_id, subject, _, authors = summary
    names = tuple(dict.fromkeys(authors))
    return Conversation(row, first_id, subject, messages, names[:NAMES], len(names))
