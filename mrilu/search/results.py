"""What a search returns: pages of hits, ready to be shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from peewee import PostgresqlDatabase

from mrilu.mail.own_words.spans import own_text, paired
from mrilu.search.fusion import Fused
from mrilu.search.snippet import Snippet, make_snippets


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
_MESSAGES = """
SELECT m.id, m.message_id, m.subject, m.from_name, m.from_address, m.sent_at, m.list_ids,
       (SELECT t.thread FROM thread_link AS t WHERE t.node = m.node), m.body, m.own_spans
  FROM message AS m WHERE m.id = ANY(%s)
"""
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
    rows = {row[0]: row for row in db.connection().execute(_MESSAGES, ([hit.id for hit in hits],))}
    shown = [hit for hit in hits if hit.id in rows]
    own = [own_text(rows[hit.id][-2], paired(rows[hit.id][-1])) for hit in shown]
    snippets = make_snippets(db, own, tsquery, [starts.get(hit.id, 0) for hit in shown])
    made = []
    for hit, snippet in zip(shown, snippets, strict=True):
        one, message_id, subject, name, address, sent_at, lists, thread, _, _ = rows[hit.id]
        facts = (one, message_id, subject, name, address, sent_at, tuple(lists), thread)
        made.append(MessageHit(*facts, in_thread.get(one, 1), hit.found_by, snippet))
    return made


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
    found = [(rows[hit.id], hit.found_by) for hit in hits if hit.id in rows]
    return [
        SentenceHit(one, lojban, english, rating, by)
        for (one, lojban, english, rating), by in found
    ]
