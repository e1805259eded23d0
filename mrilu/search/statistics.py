"""What the last ANALYZE saw of the messages: how full the times are, how common words, senders and lists.

Remembered until it looks again, an hour at most. It only tells where to begin: what a search finds does not depend on
it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from math import floor
from typing import NamedTuple

from peewee import PostgresqlDatabase

from mrilu.search.eras import HAS_ATTACHMENT, STEP, Calendar, finer, step_of
from mrilu.search.grammar import Query, Term
from mrilu.search.lexemes import LEXEME, Lexemes

SMALL = 4000  # so few messages are looked at at once
REMEMBERED_SECONDS = 3600.0
# What a sender, list, thread or recipient leaves of the messages, as a guess where ANALYZE saw nothing of it.
NARROWED = 0.1
_NARROWING = ("from", "to", "list", "thread")
_DATES = ("before", "after")

_TIMES = """
SELECT c.reltuples, ARRAY(SELECT date_part('epoch', one) / %s FROM unnest(s.histogram_bounds::text::timestamptz[])
                           AS t (one) WHERE isfinite(one) ORDER BY one)
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
  JOIN pg_stats AS s ON (s.schemaname, s.tablename, s.attname) = (n.nspname, c.relname, 'sent_at')
 WHERE c.oid = 'message'::regclass AND s.histogram_bounds IS NOT NULL
"""
# The newest messages are rarely spread evenly over the last part of the histogram: so many of them are looked at, of
# whose parts there are so many to one of the histogram's.
NEWEST, FINER = 4000, 25
LEAST_PART = 20  # messages
_NEWEST = """
SELECT date_part('epoch', sent_at) / %s
  FROM (SELECT sent_at, row_number() OVER (ORDER BY sent_at DESC) - 1 AS n FROM message
         WHERE isfinite(sent_at) ORDER BY sent_at DESC LIMIT %s) AS t
 WHERE n %% %s = 0 ORDER BY n DESC
"""
# The frequencies are followed by the least and the greatest of them (of an array also by how often there is none).
_WORDS = """
SELECT most_common_elems::text::text[], most_common_elem_freqs FROM pg_stats
 WHERE tablename = %s AND attname = %s AND most_common_elems IS NOT NULL AND schemaname = (
       SELECT n.nspname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.oid = 'message'::regclass) LIMIT 1
"""


class Frequencies(NamedTuple):
    """The share of the messages that hold each common word or value; all others are in fewer than `least`."""

    words: Mapping[str, float]
    least: float

    def of(self, tsquery: str) -> float:
        """Return about what share holds all the words of a tsquery."""
        shares = [
            self.words.get(one[1:-1].replace("''", "'"), self.least / 2)
            for one in LEXEME.findall(tsquery)
        ]
        return together(shares)

    def of_any(self, values: Iterable[object]) -> float:
        """Return about what share holds one of the values."""
        return sum(self.words.get(str(one), self.least / 2) for one in values)


class Statistics(NamedTuple):
    """Of an archive that is not small."""

    calendar: Calendar
    texts: Frequencies
    subjects: Frequencies
    keys: Frequencies  # of mrilu/search/eras.py, and of senders
    lists: Frequencies


class Expected(NamedTuple):
    """About what share of all messages is found, and of the newest; `guessed` where it is no more than a guess.

    `read` tells that what the index finds has to be read: it does not know where the words of a phrase stand. `indexed`
    tells that the index knows all else that is asked for.
    """

    share: float = 1.0
    lately: float = 1.0
    guessed: bool = True
    read: bool = False
    indexed: bool = False

    def mended(self, amiss: float) -> Expected:
        """Return what is expected where the newest of something like it are so many times as many as they seemed.

        They may be few of late alone.
        """
        lately = min(1.0, self.lately * amiss)
        return self._replace(share=max(self.share, lately), lately=lately)


class Times(NamedTuple):
    """The statistics, and when the newest message was sent; `statistics` is None for a small archive."""

    statistics: Statistics | None = None
    newest: datetime | None = None

    def end(self, last: datetime | None) -> int:
        """Return the step behind the newest message that was sent before `last`."""
        moments = [one for one in (self.newest, last) if one is not None]
        return step_of(min(moments)) + 1 if moments else 0

    def among(self, last: datetime | None, first: datetime) -> float:
        """Return about how many messages there are from one moment to another; one at least."""
        assert self.statistics is not None
        return max(1.0, self.statistics.calendar.between(step_of(first), self.end(last)))

    def share_of(self, first: datetime | None, last: datetime | None) -> float:
        """Return about what share of the messages was sent from one moment on until another."""
        assert self.statistics is not None
        calendar = self.statistics.calendar
        start = step_of(first) if first else floor(calendar.bounds[0])
        end = step_of(last) + 1 if last else max(self.end(None), floor(calendar.bounds[-1]) + 1)
        return max(0.0, calendar.between(start, end)) / calendar.messages


# Of a database, how many messages the last look counted, until when that is believed, and what it saw.
_known: dict[str, tuple[float, float, Statistics | None]] = {}


def times_of(db: PostgresqlDatabase, newest: datetime | None, counted: float) -> Times:
    """Return what is known of the times of all messages, of which the newest was sent then.

    `counted` are the messages of PostgreSQL's last look: when it looks again, it counts others.
    """
    return Times(statistics_of(db, counted), newest)


def statistics_of(db: PostgresqlDatabase, counted: float) -> Statistics | None:
    """Return what the last ANALYZE saw; None for a small archive, or before the first."""
    if counted <= SMALL:
        return None
    now, name = time.monotonic(), str(db.database)
    known = _known.get(name)
    if known is None or known[0] != counted or now > known[1]:
        known = _known[name] = counted, now + REMEMBERED_SECONDS, _read(db)
    return known[2]


def _read(db: PostgresqlDatabase) -> Statistics | None:
    row = db.connection().execute(_TIMES, (STEP,)).fetchone()
    if row is None or len(row[1]) < 2:
        return None
    columns = (
        ("message", "search"),
        ("message_search", "ts_filter"),
        ("message_search", "search_keys"),
        ("message", "list_ids"),
    )
    return Statistics(
        _calendar(db, int(row[0]), row[1]), *(_frequencies(db, *one) for one in columns)
    )


def _calendar(db: PostgresqlDatabase, messages: int, bounds: Sequence[float]) -> Calendar:
    part = messages // (len(bounds) - 1) // FINER
    if part < LEAST_PART:
        return Calendar(messages, bounds)
    rows = db.connection().execute(_NEWEST, (STEP, max(NEWEST, part) + 1, part)).fetchall()
    return Calendar(messages, finer(bounds, FINER, [row[0] for row in rows]))


def _frequencies(db: PostgresqlDatabase, table: str, column: str) -> Frequencies:
    row = db.connection().execute(_WORDS, (table, column)).fetchone()
    if row is None:
        return Frequencies({}, 1.0)
    shares: Sequence[float] = row[1]
    return Frequencies(dict(zip(row[0], shares, strict=False)), shares[len(row[0])])


def expected(query: Query, lexemes: Lexemes, known: Statistics, words: Frequencies) -> Expected:
    """Return what a query is expected to find of the messages of its time, whose words are in texts or in subjects."""
    shares = [
        min(1.0, sum(_share_of(term, lexemes, known, words) for term in group))
        for group in query.groups
    ]
    guessed = any(_is_guess(term) for term in query.terms())
    share = max(1e-9, together(shares))
    read = any("<" in lexemes.get(term.text, "") for term in query.terms() if term.in_text)
    return Expected(share, share, guessed, read, is_indexed(query, lexemes))


def _share_of(term: Term, lexemes: Lexemes, known: Statistics, words: Frequencies) -> float:
    if term.negated:
        return 1.0
    if term.in_text:
        held_in = known.subjects if term.operator == "subject" else words
        return held_in.of(lexemes[term.text]) if lexemes.get(term.text) else 1.0
    if term.senders is not None:
        return known.keys.of_any(term.senders)
    if term.lists is not None:
        return known.lists.of_any(term.lists)
    if term.operator == "has":
        return known.keys.of_any([HAS_ATTACHMENT])
    return NARROWED if term.operator in _NARROWING else 1.0


def is_indexed(query: Query, lexemes: Lexemes) -> bool:
    """Tell whether the index of search has what a group asks for, and no other group needs another index."""
    return any(
        all(not term.negated and _is_in_index(term, lexemes) for term in group)
        for group in query.groups
    ) and all(
        term.negated or term.in_text or term.operator in _DATES or _is_in_index(term, lexemes)
        for term in query.terms()
    )


def _is_in_index(term: Term, lexemes: Lexemes) -> bool:
    if term.in_text:
        return bool(lexemes.get(term.text))
    return term.is_named or term.operator == "has"


def _is_guess(term: Term) -> bool:
    unknown = term.operator in _NARROWING and not term.is_named
    return not term.negated and (unknown or term.operator == "is")


def together(shares: Iterable[float]) -> float:
    """Return about what share has all: words of one matter go together, so each further one counts less."""
    found, power = 1.0, 1.0
    for share in sorted(shares):
        found *= share**power
        power /= 2
    return found
