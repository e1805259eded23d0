"""What the last ANALYZE saw of the messages: how full the times are, and how common the words. Remembered for a minute.

It only tells where to begin: what a search finds does not depend on it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from peewee import PostgresqlDatabase

from mrilu.search.eras import STEP, Calendar
from mrilu.search.grammar import Group, Query, Term
from mrilu.search.lexemes import LEXEME, Lexemes

SMALL = 4000  # so few messages are looked at at once
REMEMBERED_SECONDS = 60.0
# What a sender, list, thread or recipient leaves of the messages, as a guess.
NARROWED = 0.1
_NARROWING = ("from", "to", "list", "thread")

_TIMES = """
SELECT c.reltuples, ARRAY(SELECT date_part('epoch', one) / %s FROM unnest(s.histogram_bounds::text::timestamptz[])
                           AS t (one) WHERE isfinite(one) ORDER BY one)
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
  JOIN pg_stats AS s ON (s.schemaname, s.tablename, s.attname) = (n.nspname, c.relname, 'sent_at')
 WHERE c.oid = 'message'::regclass AND s.histogram_bounds IS NOT NULL
"""
# Of a tsvector the frequencies are followed by the least and the greatest of them.
_WORDS = """
SELECT most_common_elems::text::text[], most_common_elem_freqs FROM pg_stats
 WHERE tablename = %s AND attname = %s AND most_common_elems IS NOT NULL AND schemaname = (
       SELECT n.nspname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.oid = 'message'::regclass) LIMIT 1
"""


class Frequencies(NamedTuple):
    """The share of the messages that hold each common word; all others are in fewer than `least`."""

    words: Mapping[str, float]
    least: float

    def of(self, tsquery: str) -> float:
        """Return about what share holds all the words of a tsquery."""
        shares = [
            self.words.get(one[1:-1].replace("''", "'"), self.least / 2)
            for one in LEXEME.findall(tsquery)
        ]
        return together(shares)


class Statistics(NamedTuple):
    """Of an archive that is not small."""

    calendar: Calendar
    texts: Frequencies
    subjects: Frequencies


class Times(NamedTuple):
    """The statistics, and when the newest message was sent; `statistics` is None for a small archive."""

    statistics: Statistics | None = None
    newest: datetime | None = None


_known: dict[str, tuple[float, Statistics | None]] = {}


def times_of(db: PostgresqlDatabase, newest: datetime | None) -> Times:
    """Return what is known of the times of all messages, of which the newest was sent then."""
    return Times(statistics_of(db), newest)


def statistics_of(db: PostgresqlDatabase) -> Statistics | None:
    """Return what the last ANALYZE saw; None for a small archive, or before the first."""
    now, name = time.monotonic(), str(db.database)
    known = _known.get(name)
    if known is None or now - known[0] > REMEMBERED_SECONDS:
        known = _known[name] = now, _read(db)
    return known[1]


def _read(db: PostgresqlDatabase) -> Statistics | None:
    row = db.connection().execute(_TIMES, (STEP,)).fetchone()
    if row is None or row[0] <= SMALL or len(row[1]) < 2:
        return None
    texts, subjects = (
        _frequencies(db, "message", "search"),
        _frequencies(db, "message_search", "ts_filter"),
    )
    return Statistics(Calendar(int(row[0]), row[1]), texts, subjects)


def _frequencies(db: PostgresqlDatabase, table: str, column: str) -> Frequencies:
    row = db.connection().execute(_WORDS, (table, column)).fetchone()
    if row is None:
        return Frequencies({}, 1.0)
    shares: Sequence[float] = row[1]
    return Frequencies(dict(zip(row[0], shares, strict=False)), shares[len(row[0])])


def share_found(query: Query, lexemes: Lexemes, frequencies: Frequencies) -> float:
    """Return about what share of the messages of its time a query finds."""
    shares = [_share_of(group, lexemes, frequencies) for group in query.groups]
    return max(1e-9, together(shares))


def _share_of(group: Group, lexemes: Lexemes, frequencies: Frequencies) -> float:
    return min(1.0, sum(_share_of_term(term, lexemes, frequencies) for term in group))


def _share_of_term(term: Term, lexemes: Lexemes, frequencies: Frequencies) -> float:
    if term.negated:
        return 1.0
    if term.in_text:
        return frequencies.of(lexemes[term.text]) if lexemes.get(term.text) else 1.0
    return NARROWED if term.operator in _NARROWING else 1.0


def together(shares: Iterable[float]) -> float:
    """Return about what share has all: words of one matter go together, so each further one counts less."""
    found, power = 1.0, 1.0
    for share in sorted(shares):
        found *= share**power
        power /= 2
    return found
