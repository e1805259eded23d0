"""The newest messages that a search finds, without reading those that are older.

A common word is in more messages than are wanted, and an index gives them in no order of time: each would be read for
its date. So the index is asked for spans of time, from the newest back (mrilu/search/eras.py), each longer than those
before it, in one statement that ends with the span in which enough is found. What comes out is exactly what one query
over all messages would give.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from peewee import PostgresqlDatabase

from mrilu.search.conditions import ALWAYS, KEYS, Condition, where
from mrilu.search.eras import Calendar, keys_of, rounded_up, start_of, step_of
from mrilu.search.grammar import Query
from mrilu.search.plans import rows_of
from mrilu.search.statistics import Expected, Times

FIRST = 500  # messages that are looked at at least
# Where about so many may be all that are found (fewer where each has to be read), all are asked for, in no order: at
# once where these are expected, or after a part of all held so few. Not where many times as many are expected for good
# reason: then there are few of late alone.
FEW, FEW_READ, PROBED_AFTER, DOUBTED = 500, 100, 32, 8
MORE = 5  # times the few may turn out to be all the same: the index has been read by then
# How many messages the first span has: what is wanted at the expected rate, and some more. Each one after it has so
# many times those before it. Never more than a part of all, since what is rare of late may have been common once.
SAFETY, GROWTH = 1.25, 2
PART, WHOLE = 8, 20_000

# Materialized, so that no plan walks all messages by date: how many will be found is not known before.
_HITS = (
    "WITH hits AS MATERIALIZED (SELECT s.ctid AS place, s.sent_at, s.id FROM message AS s {where})"
)
# The limit is kept from the plan, which would read the table until there are as many as it takes to be common.
_FEW = """WITH found AS MATERIALIZED (SELECT s.ctid AS place, s.sent_at, s.id FROM message AS s {where}),
hits AS MATERIALIZED (SELECT * FROM found LIMIT %s)"""
# The hits of one span after the other, as arrays of a row each, until there are enough.
_HITS_BY_SPANS = """WITH RECURSIVE walk AS (
SELECT 0 AS n, 0::bigint AS known, NULL::tid[] AS places, NULL::timestamptz[] AS times, NULL::bigint[] AS ids
 UNION ALL
SELECT walk.n + 1, walk.known + f.number, f.places, f.times, f.ids
  FROM walk CROSS JOIN LATERAL (SELECT count(*) AS number, array_agg(s.ctid) AS places, array_agg(s.sent_at) AS times,
       array_agg(s.id) AS ids FROM message AS s {where}) AS f
 WHERE walk.n < %s AND walk.known < %s
), hits AS MATERIALIZED (
SELECT h.* FROM walk CROSS JOIN LATERAL unnest(walk.places, walk.times, walk.ids) AS h (place, sent_at, id))"""
_OF_SPAN = f"{KEYS} && ((%s::text[])[walk.n + 1])::bigint[]"
_KEPT = """kept AS (SELECT *, row_number() OVER (ORDER BY sent_at DESC, id DESC) AS n FROM hits
 ORDER BY sent_at DESC, id DESC LIMIT {limit})"""
# Of hits that are too many to be all, one is enough to tell.
_COUNT = ", (SELECT count(*) FROM hits)"
_OF_FEW = "CASE WHEN (SELECT count(*) FROM hits) > %s THEN 1 ELSE %s END"
# By their places, one by one: joined with many, all messages would be read.
_SHOWN = """SELECT kept.id, kept.sent_at {also}
  FROM kept CROSS JOIN LATERAL (SELECT * FROM message AS m WHERE m.ctid = kept.place OFFSET 0) AS s
 ORDER BY kept.sent_at DESC, kept.id DESC"""

Place = tuple[datetime, int]  # when a message was sent, and its id


class Span(NamedTuple):
    """From when on, and until when; None is without end."""

    first: datetime | None = None
    last: datetime | None = None


class Columns(NamedTuple):
    """What else is asked for: `each` (", a, b") of every message, and of the newest `most` the column `dear` before."""

    each: Condition = ALWAYS
    dear: Condition = ALWAYS
    most: int = 0

    def behind(self, known: int) -> Condition:
        """Return the columns where so many messages were found before."""
        if not self.dear.sql:
            return self.each
        dear = f", CASE WHEN kept.n <= %s THEN {self.dear.sql} END"
        parameters = (self.most - known, *self.dear.parameters, *self.each.parameters)
        return Condition(dear + self.each.sql, parameters)


class Enough(NamedTuple):
    """Of how many messages the search makes do when it has taken until then (time.monotonic)."""

    messages: int
    ends: float


class Newest(NamedTuple):
    """Rows of (id, sent_at, what else was asked for), newest first; `whole` unless there might be more of them."""

    rows: list[Any]
    whole: bool = True


ALL_TIME = Span()
PLAIN = Columns()


def span_of(query: Query) -> Span:
    """Return the time that all that a query finds lies in, as far as its operators tell."""
    alone = [group[0] for group in query.groups if len(group) == 1 and not group[0].negated]
    after = [term.date() for term in alone if term.operator == "after"]
    before = [term.date() for term in alone if term.operator == "before"]
    return Span(max(after, default=None), min(before, default=None))


def older_than(place: Place) -> Condition:
    """Return what holds for messages that come after a place, newest first."""
    # told so, no plan asks the index of dates, whose answer is most of the messages
    return Condition("NOT (s.sent_at, s.id) >= (%s, %s)", place)


def find_newest(
    db: PostgresqlDatabase,
    holds: Condition,
    limit: int,
    times: Times,
    span: Span = ALL_TIME,
    also: Columns = PLAIN,
    expected: Expected = Expected(),  # noqa: B008
    enough: Enough | None = None,
) -> Newest:
    """Return the newest messages for which `holds` does, at most `limit`, with the columns `also`.

    `span` must be implied by the condition; `expected` is what is found of the messages of its time.
    """
    walk = _Walk(db, holds, limit, span, also, enough)
    rows = walk.by_spans(times, expected) if times.statistics else walk.at_once()
    return Newest(rows[:limit], walk.whole)


class _Walk:
    """One search, from the newest span back."""

    def __init__(
        self,
        db: PostgresqlDatabase,
        holds: Condition,
        limit: int,
        span: Span = ALL_TIME,
        also: Columns = PLAIN,
        enough: Enough | None = None,
    ) -> None:
        self.db, self.holds, self.limit, self.span, self.also = db, holds, limit, span, also
        self.enough, self.few = enough, limit
        self.one_plan = False
        self.rows: list[Any] = []
        self.among = 0.0
        self.whole = True

    def at_once(self) -> list[Any]:
        """Look at all of the time."""
        return self._ask(ALWAYS)

    def by_spans(self, times: Times, expected: Expected) -> list[Any]:
        """Look at one span after the other, until enough is found or all has been looked at."""
        assert times.statistics is not None
        calendar = times.statistics.calendar
        end = last = times.end(self.span.last)
        bottom = step_of(self.span.first) if self.span.first else None
        self.few = max(self.limit, FEW_READ if expected.read else FEW)
        self.one_plan = expected.indexed
        found = calendar.messages * expected.share
        probed = found > DOUBTED * self.few and not expected.guessed
        if found <= self.few:
            if self._is_all():
                return self.rows
            probed = True
        wanted = max(FIRST, SAFETY * self.limit / expected.lately)
        until = calendar.messages / PROBED_AFTER
        while bottom is None or last > bottom:
            starts = self._starts(calendar, last, bottom, wanted, until)
            if not starts:
                return self.rows + self._ask(_before(last) if last != end else ALWAYS)
            self.rows += self._ask_spans(starts, last, end)
            self.among += max(1.0, calendar.between(starts[-1], last))
            if len(self.rows) >= self.limit or self._makes_do():
                break
            if not probed and self._may_be_few(calendar):
                probed = True
                if self._is_all():
                    break
            last, wanted, until = starts[-1], self._needed(), calendar.messages
        return self.rows

    def _starts(
        self, calendar: Calendar, last: int, bottom: int | None, wanted: float, until: float
    ) -> list[int]:
        """Return where the spans begin that are looked at next, the newest first: so many messages at least.

        None of them is the last of all, but where the time that is wanted has a bottom.
        """
        starts: list[int] = []
        passed, most = 0.0, max(WHOLE, calendar.messages / PART)
        while not starts or passed < until:
            first = calendar.before(last, round(min(wanted, most)))
            if bottom is not None and starts and (first is None or first <= bottom):
                return [*starts, bottom]
            if first is None or bottom is not None and first <= bottom:
                break
            passed += max(1.0, calendar.between(first, last))
            starts.append(first)
            last, wanted = first, GROWTH * (self.among + passed)
        return starts

    def _makes_do(self) -> bool:
        if self.enough and len(self.rows) >= self.enough.messages:
            self.whole = time.monotonic() < self.enough.ends
        return not self.whole

    def _may_be_few(self, calendar: Calendar) -> bool:
        """Tell whether what was found so far is little enough; chance may have made it more than usual."""
        if self.among < calendar.messages / PROBED_AFTER:
            return False
        usual = max(0.0, len(self.rows) - 2 * math.sqrt(len(self.rows)))
        return usual / self.among * calendar.messages <= self.few

    def _is_all(self) -> bool:
        """Ask for all without an order; tell whether these were few, and the newest of them are the rows now."""
        most = MORE * self.few
        clause = where(self.holds)
        hits = Condition(_FEW.format(where=clause.sql), (*clause.parameters, most + 1))
        rows = self._shown(hits, Condition(_OF_FEW, (most, self.limit)), _COUNT, 0)
        if rows and rows[0][-1] > most:
            return False
        self.rows = [row[:-1] for row in rows]
        return True

    def _needed(self) -> float:
        """Return how many messages may hold what lacks."""
        rate = (len(self.rows) + 0.5) / self.among
        needed = SAFETY * (self.limit - len(self.rows)) / rate
        return max(FIRST, min(needed, GROWTH * self.among))

    def _ask_spans(self, starts: Sequence[int], last: int, end: int) -> list[Any]:
        """Look at the spans that end where the one before begins, the first of them at `last`."""
        ends = [last, *starts[:-1]]
        # behind the end there is nothing, or nothing that is wanted
        ends[0] = rounded_up(starts[0], last) if last == end else last
        keys = [str(keys_of(*span)) for span in zip(starts, ends, strict=True)]
        spans = [f"{{{one[1:-1]}}}" for one in keys]
        clause = where(self.holds, Condition(_OF_SPAN, (spans,)))
        lacks = self.limit - len(self.rows)
        hits = Condition(
            _HITS_BY_SPANS.format(where=clause.sql), (*clause.parameters, len(spans), lacks)
        )
        return self._shown(hits, Condition("%s", (self.limit,)))

    def _ask(self, when: Condition) -> list[Any]:
        clause = where(self.holds, when)
        hits = Condition(_HITS.format(where=clause.sql), clause.parameters)
        return self._shown(hits, Condition("%s", (self.limit,)))

    def _shown(
        self, hits: Condition, limit: Condition, last: str = "", known: int | None = None
    ) -> list[Any]:
        also = self.also.behind(len(self.rows) if known is None else known)
        kept = _KEPT.format(limit=limit.sql)
        sql = f"{hits.sql}, {kept} {_SHOWN.format(also=also.sql + last)}"
        parameters = (*hits.parameters, *limit.parameters, *also.parameters)
        return rows_of(self.db.connection(), sql, parameters, one_plan=self.one_plan)


def _before(step: int) -> Condition:
    return older_than((start_of(step), -1))
