"""What waits to be embedded: sources without a current vector, newest first, as pieces of text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from peewee import PostgresqlDatabase

from mrilu.embeddings.chunks import pieces
from mrilu.embeddings.encoder import Encoder
from mrilu.embeddings.text import (
    RECIPE,
    Gloss,
    definition_text,
    message_head,
    message_piece,
    sentence_text,
    text_hash,
)
from mrilu.mail.own_words.spans import own_text, paired

KINDS = ("definition", "sentence", "message")
MAX_CHUNKS = 8  # of one message; what comes after some 2,000 tokens seldom is its topic
HEAD_TOKENS = 64  # of a piece that its subject may take
MARKS = 2  # the tokens that a model puts around a text
NEWEST = 2**62

_WAITS = (
    "LEFT JOIN embedded AS e ON e.model = %(model)s AND e.kind = '{kind}' AND e.owner = s.id "
    "WHERE (e.owner IS NULL OR e.state <> {state} OR e.recipe <> %(recipe)s)"
)
_DONE = (
    "SELECT count(*) FROM embedded AS e JOIN {kind} AS s ON e.model = %(model)s AND e.kind = '{kind}' "
    "AND e.owner = s.id AND e.state = {state} AND e.recipe = %(recipe)s"
)
_BEFORE = "AND s.id < %(before)s AND s.id > %(after)s ORDER BY s.id DESC LIMIT %(limit)s"
_STATES = {
    "definition": "s.content_hash",
    "sentence": "s.pair_hash",
    "message": "coalesce(s.text_state, s.identity)",
}
_LIVE = {"definition": "AND s.gone_at IS NULL", "sentence": "", "message": ""}

_DEFINITIONS = """
SELECT s.id, s.content_hash, w.type, s.text, s.notes,
       coalesce((SELECT json_agg(json_build_array(k.text, k.sense, k.place) ORDER BY k.position)
                   FROM keyword AS k WHERE k.definition = s.id), '[]')
  FROM definition AS s JOIN word AS w ON w.id = s.word
"""
_SENTENCES = "SELECT s.id, s.pair_hash, s.english FROM sentence AS s"
_MESSAGES = (
    f"SELECT s.id, {_STATES['message']}, s.cleaned_subject, s.body, s.own_spans FROM message AS s"  # noqa: S608 - ours
)
_SELECTS = {"definition": _DEFINITIONS, "sentence": _SENTENCES, "message": _MESSAGES}


class Piece(NamedTuple):
    """One chunk of a source: its text, the hash of that, and where in a message's own text it starts."""

    chunk: int
    start: int
    text: str
    hash: UUID


@dataclass(frozen=True)
class Source:
    """A definition, sentence or message with the pieces to embed (none when it says nothing)."""

    kind: str
    owner: int
    state: UUID
    pieces: tuple[Piece, ...]


def count_waiting(db: PostgresqlDatabase, model: int) -> dict[str, int]:
    """Return how many sources of each kind have no current vector of this model."""
    return {
        kind: db.execute_sql(_count(kind), {"model": model, "recipe": RECIPE}).fetchone()[0]
        for kind in KINDS
    }


def _count(kind: str) -> str:
    """Return a query for all less those that have a vector: while few have one, few rows of them are read."""
    live = f"WHERE true {_LIVE[kind]}"
    return f"SELECT (SELECT count(*) FROM {kind} AS s {live}) - ({_DONE.format(kind=kind, state=_STATES[kind])} {live})"  # noqa: S608 - the kind is one of ours


def _waits(kind: str) -> str:
    return f"{_WAITS.format(kind=kind, state=_STATES[kind])} {_LIVE[kind]}"


def rows_waiting(
    db: PostgresqlDatabase, model: int, kind: str, limit: int, before: int = NEWEST, after: int = 0
) -> list[tuple[Any, ...]]:
    """Return the newest sources that wait, `after` < id < `before`, as rows for `as_sources`."""
    query = f"{_SELECTS[kind]} {_waits(kind)} {_BEFORE}"
    facts = {"model": model, "recipe": RECIPE, "before": before, "after": after, "limit": limit}
    return db.execute_sql(query, facts).fetchall()


def newest_message(db: PostgresqlDatabase) -> int:
    """Return the highest id of a message, 0 when there is none."""
    return db.execute_sql("SELECT coalesce(max(id), 0) FROM message").fetchone()[0]


def as_sources(kind: str, rows: Sequence[tuple[Any, ...]], encoder: Encoder) -> list[Source]:
    """Make the texts of rows of `rows_waiting`."""
    if kind == "message":
        return list(_messages(rows, encoder))
    texts = {"definition": _definition, "sentence": _sentence}
    return [Source(kind, row[0], row[1], _single(texts[kind](row))) for row in rows]


def _definition(row: tuple[Any, ...]) -> str:
    _, _, word_type, text, notes, glosses = row
    return definition_text(word_type, text, notes, (Gloss(*one) for one in glosses))


def _sentence(row: tuple[Any, ...]) -> str:
    return sentence_text(row[2])


def _single(text: str) -> tuple[Piece, ...]:
    return (Piece(0, 0, text, text_hash(text)),) if text else ()


def _messages(rows: Sequence[tuple[Any, ...]], encoder: Encoder) -> Iterator[Source]:
    heads = [message_head(row[2]) for row in rows]
    bodies = [own_text(row[3], paired(row[4])) for row in rows]
    # a text's beginning is enough: no token is longer than this many characters on average
    most = [body[: encoder.model.max_tokens * MAX_CHUNKS * 10] for body in bodies]
    taken = encoder.tokens(heads)
    for row, head, in_head, body, spans in zip(
        rows, heads, taken, most, encoder.tokens(most), strict=True
    ):
        head = head if len(in_head) <= HEAD_TOKENS else head[: in_head[HEAD_TOKENS - 1][1]]
        budget = encoder.model.max_tokens - MARKS - min(len(in_head), HEAD_TOKENS)
        cut = pieces(body, spans, budget, MAX_CHUNKS) or [(0, 0)]
        texts = [(start, message_piece(head, body[start:end])) for start, end in cut]
        made = (
            Piece(number, start, text, text_hash(text))
            for number, (start, text) in enumerate(texts)
            if text
        )
        yield Source("message", row[0], row[1], tuple(made))
