"""What a search returns: pages of hits, ready to be shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from peewee import PostgresqlDatabase

from models import Message
from search.fusion import Fused
from search.snippet import Snippet, make_snippets


@dataclass(frozen=True)
class MessageHit:
    """A message; by thread it stands for its thread, of which `in_thread` messages were found."""

    id: int
    message_id: str
    subject: str
    from_name: str
    from_address: str
    sent_at: datetime
    list_ids: tuple[str, ...]
    thread: int
    in_thread: int
    found_by: tuple[str, ...]
    snippet: Snippet


@dataclass(frozen=True)
class WordHit:
    """A definition of a Lojban word, in the language with this tag."""

    id: int
    word: str
    type: str
    language: str
    glosses: tuple[str, ...]
    definition: str
    found_by: tuple[str, ...]


@dataclass(frozen=True)
class SentenceHit:
    """A Lojban sentence with its English; `rating` is how good the pair is held to be."""

    id: int
    lojban: str
    english: str
    rating: str
    found_by: tuple[str, ...]


Hit = MessageHit | WordHit | SentenceHit

_WORDS = """
SELECT s.id, w.word, w.type, l.tag, s.text,
       ARRAY(SELECT k.text FROM keyword AS k WHERE k.definition = s.id AND k.place = 0 ORDER BY k.position)
  FROM definition AS s JOIN word AS w ON w.id = s.word JOIN language AS l ON l.id = s.language WHERE s.id = ANY(%s)
"""
_SHOWN_OF_MAIL = (
    Message.id, Message.message_id, Message.subject, Message.from_name, Message.from_address, Message.sent_at,
    Message.list_ids, Message.body, Message.own_spans,
)  # fmt: skip
_SENTENCES = "SELECT id, lojban, english, rating FROM sentence WHERE id = ANY(%s)"
_THREADS = "SELECT m.id, t.thread FROM message AS m JOIN thread_link AS t USING (node) WHERE m.id = ANY(%s)"


def threads_of(db: PostgresqlDatabase, messages: Iterable[int]) -> dict[int, int]:
    """Return the thread of each message."""
    return dict(db.connection().execute(_THREADS, (list(messages),)).fetchall())


def show_messages(
    db: PostgresqlDatabase,
    hits: Sequence[Fused],
    tsquery: str,
    starts: dict[int, int],
    in_thread: dict[int, int],
) -> list[MessageHit]:
    """Return the messages of one page, with snippets of own text; `starts` is where the nearest chunk begins."""
    ids = [hit.id for hit in hits]
    rows = {row.id: row for row in Message.select(*_SHOWN_OF_MAIL).where(Message.id.in_(ids))}
    threads = threads_of(db, ids)
    shown = [hit for hit in hits if hit.id in rows]
    own = [rows[hit.id].own_text() for hit in shown]
    snippets = make_snippets(db, own, tsquery, [starts.get(hit.id, 0) for hit in shown])
    return [
        _message_hit(rows[hit.id], hit, threads[hit.id], in_thread.get(hit.id, 1), snippet)
        for hit, snippet in zip(shown, snippets, strict=True)
    ]


def _message_hit(row: Any, hit: Fused, thread: int, in_thread: int, snippet: Snippet) -> MessageHit:
    return MessageHit(
        row.id, row.message_id, row.subject, row.from_name, row.from_address, row.sent_at,
        tuple(row.list_ids), thread, in_thread, hit.found_by, snippet,
    )  # fmt: skip


def show_words(db: PostgresqlDatabase, hits: Sequence[Fused]) -> list[WordHit]:
    """Return the definitions of one page."""
    rows = {row[0]: row for row in db.connection().execute(_WORDS, ([hit.id for hit in hits],))}
    made = []
    for hit in hits:
        if hit.id in rows:
            one, word, kind, tag, text, glosses = rows[hit.id]
            made.append(WordHit(one, word, kind, tag, tuple(glosses), text, hit.found_by))
    return made


def show_sentences(db: PostgresqlDatabase, hits: Sequence[Fused]) -> list[SentenceHit]:
    """Return the sentence pairs of one page."""
    rows = {row[0]: row for row in db.connection().execute(_SENTENCES, ([hit.id for hit in hits],))}
    return [SentenceHit(*rows[hit.id], found_by=hit.found_by) for hit in hits if hit.id in rows]
