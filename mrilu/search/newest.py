"""The newest messages that a search finds, without reading those that are older.

A common word is in more messages than are wanted, and an index gives them in no order of time: each would be read for
its date. So the index is asked for spans of time, from the newest back (mrilu/search/eras.py), each as long as what
was found so far makes it seem needed. What comes out is exactly what one query over all messages would give.
"""

from __future__ import annotations

import math
import time
from datetime import datetime
from typing import Any, NamedTuple

from peewee import PostgresqlDatabase

from mrilu.search.conditions import ALWAYS, KEYS, Condition, where
from mrilu.search.eras import Calendar, keys_of, rounded_up, start_of, step_of
from mrilu.search.grammar import Query
from mrilu.search.statistics import Times

FIRST = 500  # messages that are looked at at least
# Where so many times the messages that are wanted may be all that there are, all are asked for, in no order.
PROBED, PROBED_AFTER = 2, 32  # the part of all that has been looked at before
# How many messages are looked at next: what lacks at the rate so far, and as much again, in bounds. Never more than a
# part of all, since what is rare of late may have been common once.
SAFETY, LEAST_GROWTH, MOST_GROWTH = 2.0, 0.5, 16
PART, WHOLE = 8, 20_000

# Materialized, so that no plan walks all messages by date: how many will be found is not known before.
_HITS = "WITH hits AS MATERIALIZED (SELECT s.ctid AS place, s.sent_at, s.id FROM message AS s {where} {limit})"
_KEPT = """kept AS (SELECT *, row_number() OVER (ORDER BY sent_at DESC, id DESC) AS n FROM hits
 ORDER BY sent_at DESC, id DESC LIMIT {limit})"""
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
    return Condition("(s.sent_at, s.id) < (%s, %s)", place)


def find_newest(
    db: PostgresqlDatabase,
    holds: Condition,
    limit: int,
    times: Times,
    span: Span = ALL_TIME,
    also: Columns = PLAIN,
    share: float = 1.0,
    enough: Enough | None = None,
) -> Newest:
    """Return the newest messages for which `holds` does, at most `limit`, with the columns `also`.

    `span` must be implied by the condition; about `share` of the messages of its time are expected to be found.
    """
    walk = _Walk(db, holds, limit, span, also, enough)
    rows = walk.by_spans(times, share) if times.statistics else walk.at_once()
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
        self.enough = enough
        self.rows: list[Any] = []
        self.among = 0.0
        self.whole = True

    def at_once(self) -> list[Any]:
        """Look at all of the time."""
        return self._ask(ALWAYS)

    def by_spans(self, times: Times, share: float) -> list[Any]:
        """Look at one span after the other, until enough is found or all has been looked at."""
        assert times.statistics is not None
        calendar = times.statistics.calendar
        top = last = self._end(times.newest)
        bottom = step_of(self.span.first) if self.span.first else -math.inf
        wanted = round(min(max(FIRST, SAFETY * self.limit / share), _most(calendar)))
        probed = False
        while last > bottom:
            first = calendar.before(last, wanted)
            if first is None or first <= bottom:
                return self.rows + self._ask(_before(last) if last != top else ALWAYS)
            # behind the end there is nothing, or nothing that is wanted
            keys = keys_of(first, rounded_up(first, last) if last == top else last)
            self.rows += self._ask(Condition(f"{KEYS} && %s::bigint[]", (keys,)))
            self.among += max(1.0, calendar.between(first, last))
            if len(self.rows) >= self.limit or self._makes_do():
                break
            if not probed and self._may_be_few(calendar):
                probed = True
                if self._is_all():
                    break
            last, wanted = first, self._needed(calendar)
        return self.rows

    def _makes_do(self) -> bool:
        if self.enough and len(self.rows) >= self.enough.messages:
            self.whole = time.monotonic() < self.enough.ends
        return not self.whole

    def _end(self, newest: datetime | None) -> int:
        """Return the step behind the newest message, or behind the span."""
        moments = [one for one in (newest, self.span.last) if one is not None]
        return step_of(min(moments)) + 1 if moments else 0

    def _may_be_few(self, calendar: Calendar) -> bool:
        """Tell whether what was found so far is little enough; chance may have made it more than usual."""
        if self.among < calendar.messages / PROBED_AFTER:
            return False
        usual = max(0.0, len(self.rows) - 2 * math.sqrt(len(self.rows)))
        return usual / self.among * calendar.messages <= PROBED * self.limit

    def _is_all(self) -> bool:
        """Ask for all without an order; tell whether these were all, and are the rows now."""
        most = PROBED * self.limit
        known, self.rows = self.rows, []
        found = self._ask(ALWAYS, most + 1)
        if len(found) > most:
            self.rows = known
            return False
        self.rows = found
        return True

    def _needed(self, calendar: Calendar) -> int:
        """Return how many messages may hold what lacks."""
        rate = (len(self.rows) + 0.5) / self.among
        wanted = max(SAFETY * (self.limit - len(self.rows)) / rate, LEAST_GROWTH * FIRST)
        return round(min(wanted, MOST_GROWTH * self.among, _most(calendar)))

    def _ask(self, when: Condition, at_most: int = 0) -> list[Any]:
        clause = where(self.holds, when)
        hits = _HITS.format(where=clause.sql, limit=f"LIMIT {at_most}" if at_most else "")
        also = self.also.behind(len(self.rows))
        sql = f"{hits}, {_KEPT.format(limit=at_most or self.limit)} {_SHOWN.format(also=also.sql)}"
        parameters = (*clause.parameters, *also.parameters)
        # prepare=False: a generic plan cannot see that a condition finds next to nothing
        return self.db.connection().execute(sql, parameters, prepare=False).fetchall()


def _most(calendar: Calendar) -> float:
    return max(WHOLE, calendar.messages / PART)


def _before(step: int) -> Condition:
    return Condition("s.sent_at < %s", (start_of(step),))
