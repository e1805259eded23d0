"""The threads of a list, or of one of its months, that with the newest message first; a page after the other."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from peewee import PostgresqlDatabase

from models import Reader, visible_to
from mrilu.web.queries import archive
from mrilu.web.queries.archive import MessageRow

Place = tuple[datetime, int]  # of a message on a list: when it was sent, and its id

PORTION = 200  # messages that are looked at at once
MOST_LOOKED_AT = (
    3000  # messages of one page: more may be hidden, or of threads that stand further up
)
NAMES = 5

# What the threads have on the list: the first message of each, who wrote, how many, and the newest.
SUMMARIES = """
WITH member AS MATERIALIZED (
    SELECT l.thread, m.id, m.message_id, m.subject, m.from_name, m.from_address, m.sent_at, m.list_ids, m.restrictions
      FROM thread_link AS l JOIN message AS m USING (node) WHERE l.thread = ANY(%s)
)
SELECT thread, count(*), (array_agg(message_id ORDER BY sent_at, id))[1],
       (array_agg(subject ORDER BY sent_at, id))[1], (array_agg(id ORDER BY sent_at DESC, id DESC))[1],
       array_agg(coalesce(nullif(from_name, ''), from_address) ORDER BY sent_at, id)
  FROM member AS m
 WHERE sent_at >= %s AND sent_at < %s AND {visible}
   AND CASE WHEN %s = '' THEN list_ids = '{{}}' ELSE %s = ANY(list_ids) END
 GROUP BY thread
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
    seen: set[int] = set()
    place, looked_at = min(before, (period.until, 0)), 0
    while looked_at < MOST_LOOKED_AT:
        portion = archive.posted(db, period.list_id, period.since, place, PORTION + 1)
        rows, more = portion[:PORTION], len(portion) > PORTION
        looked_at += len(rows)
        heads = _first_of_threads(rows, reader, seen)
        summaries = _summaries(db, period, heads, reader)
        for row in heads:
            one = summaries.get(row.thread)
            if one is None or one[4] != row.id:  # its newest message stands on a page before
                continue
            if len(found) == wanted:
                last = found[-1].newest
                return ListPage(found, (last.sent_at, last.id))
            found.append(_conversation(row, one))
        if not more:
            return ListPage(found, None)
        place = (rows[-1].sent_at, rows[-1].id)
    return ListPage(found, place)


def _first_of_threads(
    rows: Sequence[MessageRow], reader: Reader, seen: set[int]
) -> list[MessageRow]:
    """Return the first message of each thread that was not seen before, as far as the reader may read it."""
    heads = []
    for row in rows:
        if row.thread not in seen and reader.may_read(row.restrictions, row.list_ids):
            seen.add(row.thread)
            heads.append(row)
    return heads


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
