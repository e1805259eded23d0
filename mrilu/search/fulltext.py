"""Full text: the ids that hold a query's words, best first. The wide queries of search, in one place.

What is put into a statement's text is ours (tables, weights, conditions with %s); what was typed is a parameter.
Hits that hold every word are ranked by PostgreSQL's ts_rank, where the subject (or a word and its glosses) counts
most and own text (a definition) next. Of a word that many texts hold, the newest are ranked, and the newest of the
others that have it in the subject; the rest follow by their age. Where hits are few, hits that hold some of the words
join them and all are ranked as BM25 does (Robertson & Zaragoza 2009): a word counts the more the fewer texts hold it,
saying it often gains little, and long texts count less. For mail, newer counts up to a fifth more.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from peewee import PostgresqlDatabase

from mrilu.search import facets
from mrilu.search.conditions import ALWAYS, SUBJECT, Condition, both, condition_of, where
from mrilu.search.facets import FACTS, Facets, facets_of
from mrilu.search.grammar import Query
from mrilu.search.lexemes import Lexemes, all_of, any_of, names_something, without_weights
from mrilu.search.newest import (
    ALL_TIME,
    PLAIN,
    Columns,
    Enough,
    Newest,
    Place,
    Span,
    find_newest,
    older_than,
    span_of,
)
from mrilu.search.statistics import (
    Expected,
    Statistics,
    Times,
    expected,
    is_indexed,
)

# Of what a common word finds, so many of the newest are ranked, and so many older ones that have it in the subject: it
# reads each whole vector. Of definitions and sentences more: those that come first are no better than others.
RANKED, RANKED_BY_SUBJECT = 100, 50
RANKED_ELSEWHERE, RANKED_BY_WORD = 200, 100
# The messages with the words in the subject may be expected to be so many times more or fewer than they seemed to be.
MOST_AMISS = 8.0
# With fewer hits than this that hold every word, those that hold some of the words join them.
FEW = 20
RELAXED = 200
# Words are tried from the rarest on, until they would find more than this together.
RELAXED_CANDIDATES = 1000

TABLES = {"message": "message", "word": "definition", "sentence": "sentence"}
_WEIGHTS = {  # of D, C, B, A; what they mean is in migrations 0001 and 0005
    "message": "{0.4, 0.2, 0.4, 1.0}",
    "word": "{0.1, 0.3, 0.6, 1.0}",
    "sentence": "{0.4, 0.4, 0.4, 1.0}",
}
_USUAL_LENGTH = {"message": 80, "word": 15, "sentence": 15}  # lexemes
SATURATION, LENGTH_SHARE = 0.15, 0.3  # BM25's k1, on ts_rank's scale, and b
_DATE = {"message": "s.sent_at, ", "word": "", "sentence": ""}
_NEWEST = {"message": "s.sent_at DESC, s.id DESC", "word": "s.id", "sentence": "s.id"}
# Today counts a fifth more than long ago; by days, so that a page turned later shows the same order.
_RECENCY = {
    "message": "* (1 + 0.2 / (1 + greatest(0, current_date - s.sent_at::date) / 365.0))",
    "word": "",
    "sentence": "",
}
NORMALISED = 1  # ts_rank divides by 1 + log(length)
LIVE_WORDS = Condition("s.gone_at IS NULL")


class Found(NamedTuple):
    """Ids, best first, with their share (0 to 1) of the query: how much of it they say, rare words counting more.

    `rest` returns those that come after these, at most so many; it is None if there are none. `behind` does the same
    for what comes after a place, where they follow each other by their dates. `spread` is how all that hold every word
    are spread, None where that was not asked for, or takes too long.
    """

    shares: dict[int, float]
    rest: Callable[[int], list[int]] | None = None
    behind: Callable[[int, Place], list[int]] | None = None
    spread: Facets | None = None


class _Asked(NamedTuple):
    """What holds for all hits, the same but for the words, the time in which they lie, and how many may be found."""

    holds: Condition
    without: Condition
    span: Span = ALL_TIME
    times: Times = Times()  # noqa: RUF012
    expected: Expected = Expected()  # noqa: RUF012
    headed: Expected = Expected()  # noqa: RUF012 - of those that hold it in the subject
    facets_until: float | None = None


def find_text(
    db: PostgresqlDatabase,
    kind: str,
    query: Query,
    lexemes: Lexemes,
    scope: Condition = ALWAYS,
    times: Times = Times(),  # noqa: B008
    facets_until: float | None = None,
) -> Found:
    """Return ids of `message`, `definition` (kind "word") or `sentence`; `scope` narrows all of them.

    A query of operators alone gives the newest; one that names nothing but common words finds nothing. `times` is what
    is known of the messages; until `facets_until` (time.monotonic) it is looked how they are spread.
    """
    if not names_something(query, lexemes):
        return Found({})
    wanted = query.positive_text()
    by_date = kind == "message" and not is_indexed(query, lexemes)
    holds = both(condition_of(query.groups, lexemes, by_date=by_date), scope)
    # whatever has all the words in its subject answers the groups with words
    others = [
        group for group in query.groups if all(term.negated or not term.in_text for term in group)
    ]
    without = both(condition_of(others, lexemes, by_date=by_date), scope)
    asked = (
        _asked(query, lexemes, holds, without, times)
        if kind == "message"
        else _Asked(holds, without)
    )
    asked = asked._replace(facets_until=facets_until)
    strict = _ranked(db, kind, all_of(wanted, lexemes), asked)
    if len(strict.shares) >= FEW or len(wanted) < 2:
        return strict
    relaxed = _relaxed(db, kind, query, lexemes, scope, times.statistics)
    return relaxed._replace(spread=strict.spread) if relaxed else strict


def _asked(
    query: Query, lexemes: Lexemes, holds: Condition, without: Condition, times: Times
) -> _Asked:
    known = times.statistics
    shares = (
        (expected(query, lexemes, known, each) for each in (known.texts, known.subjects))
        if known
        else ()
    )
    return _Asked(holds, without, span_of(query), times, *shares)


def _ranked(db: PostgresqlDatabase, kind: str, tsquery: str, asked: _Asked) -> Found:
    """Return the newest, best first, and what follows them; fewer than RANKED are all there are."""
    found, spread = _newest_spread(db, kind, tsquery, asked)
    ranks = {row[0]: row[2] for row in found}
    if len(ranks) < (RANKED if kind == "message" else RANKED_ELSEWHERE):
        return Found(dict.fromkeys(_by_rank(ranks), 1.0), spread=spread)
    last = found[-1][1], found[-1][0]
    # these are older than all of the newest: of equal ranks the first stays first
    headed = _headed(db, kind, tsquery, asked, last) if tsquery else {}
    others = Condition("s.id <> ALL(%s)", (list(headed),))
    shares = dict.fromkeys(_by_rank(ranks | headed), 1.0)
    others_hold = asked._replace(holds=both(asked.holds, others))
    if kind != "message":
        further = others_hold._replace(holds=both(others_hold.holds, _behind(kind, last)))
        return Found(shares, lambda limit: _ids(_newest(db, kind, further, limit)))

    def behind(limit: int, place: Place) -> list[int]:
        # what is ranked ends with the oldest of the newest
        first = min(place, last)
        holds = both(others_hold.holds, _behind(kind, first))
        span = asked.span._replace(last=first[0])
        return _ids(_newest(db, kind, others_hold._replace(holds=holds, span=span), limit))

    return Found(shares, lambda limit: behind(limit, last), behind, spread)


def _newest_spread(
    db: PostgresqlDatabase, kind: str, tsquery: str, asked: _Asked
) -> tuple[list[Any], Facets | None]:
    """Return the newest with their ranks, at most RANKED, and how all are spread, as far as that is wanted."""
    rank = _rank(kind, tsquery) if tsquery else Condition("0")
    if kind != "message":
        return _newest(db, kind, asked, RANKED_ELSEWHERE, _column(rank)).rows, None
    if asked.facets_until is None:
        return _newest(db, kind, asked, RANKED, _column(rank)).rows, None
    enough = Enough(RANKED, asked.facets_until)
    also = Columns(FACTS, rank, RANKED)
    found = _newest(db, kind, asked, facets.NEWEST + 1, also, enough)
    spread = facets_of([row[3:] for row in found.rows]) if found.whole else None
    return found.rows[:RANKED], spread


def _ids(found: Newest) -> list[int]:
    return [row[0] for row in found.rows]


def _headed(
    db: PostgresqlDatabase, kind: str, tsquery: str, asked: _Asked, last: Place
) -> dict[int, float]:
    """Return those behind a place that have all the words in the subject, the newest first, with their ranks."""
    in_subject = Condition(f"{SUBJECT} @@ %s::tsquery", (without_weights(tsquery),))
    headed = asked._replace(holds=both(in_subject, asked.without, _behind(kind, last)))
    most = RANKED_BY_WORD
    if kind == "message":
        most, span = RANKED_BY_SUBJECT, asked.span._replace(last=last[0])
        headed = headed._replace(span=span, expected=_expected_headed(asked, last[0]))
    rows = _newest(db, kind, headed, most, _column(_rank(kind, tsquery))).rows
    return {row[0]: row[2] for row in rows}


def _expected_headed(asked: _Asked, last: datetime) -> Expected:
    """Return what is expected of the subjects, now that it is known since when there are RANKED texts."""
    if not asked.times.statistics:
        return asked.headed
    found = RANKED / asked.times.among(asked.span.last, last)
    amiss = found / asked.expected.share
    return asked.headed.mended(min(MOST_AMISS, max(1 / MOST_AMISS, amiss)))


def _behind(kind: str, place: Place) -> Condition:
    """Return what holds for texts that come after a place."""
    return older_than(place) if kind == "message" else Condition("s.id > %s", (place[1],))


def _by_rank(ranks: Mapping[int, float]) -> list[int]:
    return sorted(ranks, key=lambda one: -ranks[one])


def _rank(kind: str, tsquery: str) -> Condition:
    """Return the column that is a text's rank."""
    rank = f"ts_rank('{_WEIGHTS[kind]}', s.search, %s::tsquery, {NORMALISED})"
    return Condition(f"{rank} {_RECENCY[kind]}", (tsquery,))


def _column(one: Condition) -> Columns:
    return Columns(Condition(f", {one.sql}", one.parameters))


def _newest(
    db: PostgresqlDatabase,
    kind: str,
    asked: _Asked,
    limit: int,
    also: Columns = PLAIN,
    enough: Enough | None = None,
) -> Newest:
    """Return the newest messages, or the first definitions or sentences, for which the condition holds."""
    if kind == "message":
        return find_newest(
            db, asked.holds, limit, asked.times, asked.span, also, asked.expected, enough
        )
    clause, table = where(asked.holds), TABLES[kind]
    found = f"SELECT s.id FROM {table} AS s {clause.sql} ORDER BY s.id LIMIT {int(limit)}"  # noqa: S608 - ours
    shown = (
        f"SELECT s.id, NULL {also.each.sql} FROM found JOIN {table} AS s USING (id) ORDER BY s.id"  # noqa: S608 - ours
    )
    sql = f"WITH found AS MATERIALIZED ({found}) {shown}"
    return Newest(_rows(db, sql, (*clause.parameters, *also.each.parameters)))


def _relaxed(
    db: PostgresqlDatabase,
    kind: str,
    query: Query,
    lexemes: Lexemes,
    scope: Condition,
    known: Statistics | None,
) -> Found | None:
    """Return what holds some of the words; None if no word is known."""
    parts = list(
        dict.fromkeys(one for group in query.positive_text() if (one := any_of(group, lexemes)))
    )
    total, counts = _frequencies(db, kind, parts, known)
    rare = _rarest(parts, counts)
    if not rare:
        return None
    values = [math.log(1 + (total - count + 0.5) / (count + 0.5)) for count in counts]
    clause = where(
        Condition("s.search @@ %s::tsquery", (" | ".join(f"( {one} )" for one in rare),)),
        condition_of(query.conditions(), lexemes),
        scope,
    )
    scored = partial(_scored, db, kind, dict(zip(parts, values, strict=True)), clause)
    found = scored(RELAXED + 1)

    def rest(limit: int) -> list[int]:
        return list(scored(RELAXED + limit))[RELAXED:]

    return Found(dict(list(found.items())[:RELAXED]), rest if len(found) > RELAXED else None)


def _scored(
    db: PostgresqlDatabase, kind: str, values: dict[str, float], clause: Condition, limit: int
) -> dict[int, float]:
    """Return what the clause finds, best first, with its share of the tsqueries, of which each has its value."""
    share = " + ".join(["%s * (s.search @@ %s::tsquery)::int"] * len(values))
    score = " + ".join([_word_score(kind)] * len(values))
    # joined with nothing, a long vector is read from its place outside the table once, not once a word
    select = f"SELECT s.id, {_DATE[kind]}s.search || '' AS search"
    found = f"{select} FROM {TABLES[kind]} AS s {clause.sql}"
    order = f"({score}) {_RECENCY[kind]} DESC, {_NEWEST[kind]}"
    ranked = f"WITH s AS MATERIALIZED ({found}) SELECT s.id, {share} FROM s ORDER BY {order}"  # noqa: S608 - names of ours
    by_word = [one for part, value in values.items() for one in (value, part)]
    rows = _rows(db, f"{ranked} LIMIT {int(limit)}", (*clause.parameters, *by_word, *by_word))
    return {row[0]: row[1] / (sum(values.values()) or 1.0) for row in rows}


def _word_score(kind: str) -> str:
    """Return one word's part of a score: its value times r / (r + c), r being the rank of the word alone."""
    rank = f"ts_rank('{_WEIGHTS[kind]}', s.search, %s::tsquery)"
    pivot = f"({SATURATION} * ({1 - LENGTH_SHARE} + {LENGTH_SHARE} * length(s.search) / {_USUAL_LENGTH[kind]}.0))"
    return f"%s * (1 - {pivot} / ({rank} + {pivot}))"


def _frequencies(
    db: PostgresqlDatabase, kind: str, parts: Sequence[str], known: Statistics | None
) -> tuple[int, list[int]]:
    """Return how many texts there are, and how many hold each tsquery; about how many, where ANALYZE saw it."""
    if known:
        return known.calendar.messages, _estimated(db, known, parts)
    counts = _counted(db, kind, parts)
    estimate = db.execute_sql(
        "SELECT reltuples::bigint FROM pg_class WHERE oid = %s::regclass", (TABLES[kind],)
    )
    return max(estimate.fetchone()[0], *counts, 1), counts


def _estimated(db: PostgresqlDatabase, known: Statistics, parts: Sequence[str]) -> list[int]:
    """Return how many messages hold each tsquery, exactly as long as they may be looked at one by one."""
    about = {part: round(known.texts.of(part) * known.calendar.messages) for part in parts}
    least = known.texts.least * known.calendar.messages
    rare = [part for part in parts if about[part] <= least]
    counts = _counted(db, "message", rare, RELAXED_CANDIDATES + 1)
    for part, found in zip(rare, counts, strict=True):
        about[part] = found if found <= RELAXED_CANDIDATES else max(about[part], found)
    return [about[part] for part in parts]


def _counted(
    db: PostgresqlDatabase, kind: str, parts: Sequence[str], most: int | None = None
) -> list[int]:
    """Return how many texts hold each tsquery, at most so many."""
    if not parts:
        return []
    found = f"SELECT FROM {TABLES[kind]} AS s WHERE s.search @@ %s::tsquery LIMIT %s"  # noqa: S608 - the table is ours
    count = f"(SELECT count(*) FROM ({found}) AS found)"  # noqa: S608 - ours
    facts = [fact for part in parts for fact in (part, most)]
    return list(_rows(db, f"SELECT {', '.join([count] * len(parts))}", facts)[0])


def _rarest(parts: Sequence[str], counts: Sequence[int]) -> list[str]:
    """Return the rarest parts that find few enough texts together; one at least, if any finds something."""
    chosen: list[str] = []
    total = 0
    for count, part in sorted(zip(counts, parts, strict=True)):
        if count and (not chosen or total + count <= RELAXED_CANDIDATES):
            chosen.append(part)
            total += count
    return chosen


def _rows(db: PostgresqlDatabase, sql: str, parameters: Sequence[Any]) -> list[Any]:
    # prepare=False: a generic plan cannot see that a condition finds next to nothing
    return db.connection().execute(sql, parameters, prepare=False).fetchall()
