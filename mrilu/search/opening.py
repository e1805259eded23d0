"""What a search has to know before it looks for anything, asked for in one question."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from peewee import PostgresqlDatabase

from models import HOLDS_VECTORS, EmbeddingModel
from mrilu.search.fold import fold
from mrilu.search.grammar import Term
from mrilu.search.lexemes import Lexemes
from mrilu.search.patience import SET, Deadline

# What changes with whatever is written to the database: a snapshot names the transactions that were still under way,
# and is another as soon as one of them has ended. On a standby it does not. What is found depends on the day besides.
STATE = "CASE WHEN pg_is_in_recovery() THEN '' ELSE concat_ws(' ', pg_current_snapshot(), current_date) END"
_MODEL = ("id", "name", "source", "dimensions", "current", "added_at")
_OPENING = f"""
SELECT {SET}, {STATE},
       ARRAY(SELECT phraseto_tsquery('mrilu', one)::text
               FROM unnest(%s::text[]) WITH ORDINALITY AS t (one, n) ORDER BY n),
       (SELECT max(sent_at) FROM message), (SELECT reltuples FROM pg_class WHERE oid = 'message'::regclass),
       m.id IS NOT NULL OR {HOLDS_VECTORS}, {", ".join(f"m.{one}" for one in _MODEL)}
  FROM (VALUES (1)) AS one LEFT JOIN embedding_model AS m ON m.current LIMIT 1
"""  # noqa: S608 - names of ours


class Opening(NamedTuple):
    """The tsquery of each term's text; when the newest message was sent; the model whose vectors are searched.

    As long as `state` is the same, the same is found; "" where that cannot be told. `counted` is how many messages
    there were when PostgreSQL last looked at them, less than 0 if it has not yet.
    """

    state: str
    lexemes: Lexemes
    newest: datetime | None
    counted: float
    model: EmbeddingModel | None
    holds_vectors: bool


def open_search(db: PostgresqlDatabase, deadline: Deadline, terms: Iterable[Term]) -> Opening:
    """Ask, and tell the server how long the search may take. Raises SearchTooSlow."""
    texts = list(dict.fromkeys(term.text for term in terms if term.in_text))
    parameters = (deadline.news(), [fold(text) for text in texts])
    row = db.connection().execute(_OPENING, parameters).fetchone()
    _, state, tsqueries, newest, counted, holds_vectors, *model = row
    known = EmbeddingModel(**dict(zip(_MODEL, model, strict=True))) if model[0] else None
    lexemes = dict(zip(texts, tsqueries, strict=True))
    return Opening(state, lexemes, newest, counted, known, holds_vectors)
