"""Asked before: the threads that are nearest by meaning to a thread, or to a question."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from peewee import PostgresqlDatabase

from models import EmbeddingModel, Reader, visible_to
from mrilu.search.conditions import Condition
from mrilu.search.meaning import find_near
from mrilu.search.patience import SearchTooSlow, within

MOST = 5  # threads
# Vectors further away than this (cosine distance) are of another matter, though a few words are the same.
FURTHEST = 0.5

BEGINNING = """
SELECT e.vector::text FROM thread_link AS l JOIN message AS s USING (node)
  JOIN embedding AS e ON e.model = %s AND e.kind = 'message' AND e.owner = s.id AND e.chunk = 0
 WHERE l.thread = %s AND {visible} ORDER BY s.sent_at, s.id LIMIT 1
"""
THREADS = """
SELECT m.id, l.thread, m.message_id, m.subject, m.sent_at, m.list_ids
  FROM message AS m JOIN thread_link AS l USING (node) WHERE m.id = ANY(%s) AND {visible}
"""


class AskedThread(NamedTuple):
    """A thread, by its message that is nearest."""

    thread: int
    message_id: str
    subject: str
    sent_at: datetime
    list_ids: list[str]


def like_thread(db: PostgresqlDatabase, thread: int, reader: Reader, seconds: float) -> list[int]:
    """Return the messages nearest to how a thread begins, across all lists, nearest first.

    None without vectors, or when it takes so long. Who keeps them asks `threads_of` again each time what may be shown.
    """
    try:
        with within(db, seconds):
            model = EmbeddingModel.searched()
            vector = _beginning(db, model, thread, reader) if model else []
            return _near(db, model, vector, reader) if model and vector else []
    except SearchTooSlow:
        return []


def like_question(
    db: PostgresqlDatabase,
    model: EmbeddingModel,
    vector: Sequence[float],
    reader: Reader,
    seconds: float,
) -> list[int]:
    """Return the messages nearest to a question's vector, as `like_thread` does."""
    try:
        with within(db, seconds):
            return _near(db, model, vector, reader)
    except SearchTooSlow:
        return []


def threads_of(
    db: PostgresqlDatabase, messages: Sequence[int], reader: Reader, without: int = 0
) -> list[AskedThread]:
    """Return the threads of these messages in their order, but `without`, as far as the reader may see them now."""
    visible = visible_to(reader, "m")
    sql = THREADS.format(visible=visible.sql or "true")
    rows = db.connection().execute(sql, (list(messages), *visible.parameters)).fetchall()
    shown = {row[0]: AskedThread(*row[1:]) for row in rows}
    found: dict[int, AskedThread] = {}
    for number in messages:
        if number in shown and shown[number].thread != without:
            found.setdefault(shown[number].thread, shown[number])
    return list(found.values())[:MOST]


def _beginning(
    db: PostgresqlDatabase, model: EmbeddingModel, thread: int, reader: Reader
) -> list[float]:
    """Return the vector of the first message of a thread that the reader may read and that has one."""
    visible = visible_to(reader, "s")
    sql = BEGINNING.format(visible=visible.sql or "true")
    row = db.connection().execute(sql, (model.id, thread, *visible.parameters)).fetchone()
    return [float(one) for one in row[0].strip("[]").split(",")] if row else []


def _near(
    db: PostgresqlDatabase, model: EmbeddingModel, vector: Sequence[float], reader: Reader
) -> list[int]:
    visible = visible_to(reader, "s")
    near = find_near(db, model, "message", vector, Condition(visible.sql, visible.parameters))
    return [one.id for one in near if one.distance <= FURTHEST]
