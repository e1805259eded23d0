"""The newest threads of the first page's lists, in one query."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from peewee import PostgresqlDatabase

from models import Reader, visible_to

LOOKED_AT = 20  # messages of a list, among which its newest threads are
THREADS = 3  # of a list

NEWEST = """
SELECT w.name, l.thread, m.message_id, m.subject, m.sent_at
  FROM unnest(%s::text[]) WITH ORDINALITY AS w (name, place)
 CROSS JOIN LATERAL (
        SELECT message FROM posting WHERE list = list_number(w.name)
         ORDER BY sent_at DESC, message DESC LIMIT {looked_at}) AS p
  JOIN message AS m ON m.id = p.message JOIN thread_link AS l USING (node)
 WHERE {visible} ORDER BY w.place, m.sent_at DESC, m.id DESC
"""


class Talk(NamedTuple):
    """A thread by the newest of its messages on a list."""

    message_id: str
    subject: str
    sent_at: datetime


def newest_threads(
    db: PostgresqlDatabase, lists: Sequence[str], reader: Reader
) -> dict[str, list[Talk]]:
    """Return the newest threads of each of the lists that the reader may read, at most THREADS, newest first.

    They are looked for among the last LOOKED_AT messages: a list whose last thread is longer shows that one alone.
    """
    visible = visible_to(reader, "m")
    sql = NEWEST.format(looked_at=LOOKED_AT, visible=visible.sql or "true")
    found: dict[str, dict[int, Talk]] = {name: {} for name in lists}
    for name, thread, *talk in db.connection().execute(sql, (list(lists), *visible.parameters)):
        if len(found[name]) < THREADS:
            found[name].setdefault(thread, Talk(*talk))
    return {name: list(threads.values()) for name, threads in found.items()}
