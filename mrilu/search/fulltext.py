"""Full text: the ids that hold a query's words, best first. The wide queries of search, in one place.

What is put into a statement's text is ours (tables, weights, conditions with %s); what was typed is a parameter.
Hits that hold every word are ranked by PostgreSQL's ts_rank, where the subject (or a word and its glosses) counts
most and own text (a definition) next. Of a word that many texts hold, the newest are ranked and the newest with it in
the subject; the rest follow by their age. Where hits are few, hits that hold some of the words join them and all are
ranked as BM25 does (Robertson & Zaragoza 2009): a word counts the more the fewer texts hold it, saying it often
gains little, and long texts count less. For mail, newer counts up to a fifth more.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from peewee import PostgresqlDatabase

from mrilu.search.conditions import ALWAYS, Condition, both, condition_of, where
from mrilu.search.grammar import Query
from mrilu.search.lexemes import Lexemes, all_of, any_of, names_something, without_weights

# Of what a common word finds, so many are ranked, and of those with it in the subject: it reads each whole vector.
RANKED, RANKED_BY_SUBJECT = 200, 100
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
# The index of migration 0008 answers this for mail. Without weights, which it no longer has.
_IN_SUBJECT = "ts_filter(s.search, '{a}') @@ %s::tsquery"


class Found(NamedTuple):
    """Ids, best first, with their share (0 to 1) of the query: how much of it they say, rare words counting more.

    `rest` returns those that come after these, at most so many; it is None if there are none.
    """

    shares: dict[int, float]
    rest: Callable[[int], list[int]] | None = None


def find_text(
    db: PostgresqlDatabase, kind: str, query: Query, lexemes: Lexemes, scope: Condition = ALWAYS
) -> Found:
    """Return ids of `message`, `definition` (kind "word") or `sentence`; `scope` narrows all of them.

    A query of operators alone gives the newest; one that names nothing but common words finds nothing.
    """
    if not names_something(query, lexemes):
        return Found({})
    wanted = query.positive_text()
    holds = both(condition_of(query.groups, lexemes), scope)
    # whatever has all the words in its subject answers the groups with words
    others = [
        group for group in query.groups if all(term.negated or not term.in_text for term in group)
    ]
    strict = _ranked(
        db, kind, all_of(wanted, lexemes), holds, both(condition_of(others, lexemes), scope)
    )
    if len(strict) >= FEW or len(wanted) < 2:
        rest = partial(_older, db, kind, holds, strict) if len(strict) >= RANKED else None
        return Found(dict.fromkeys(strict, 1.0), rest)
    return _relaxed(db, kind, query, lexemes, scope) or Found(dict.fromkeys(strict, 1.0))


def _ranked(
    db: PostgresqlDatabase, kind: str, tsquery: str, holds: Condition, without: Condition
) -> list[int]:
    """Return the newest, best first; fewer than RANKED are all there are. `without` is what holds but for the words."""
    newest = _newest(kind, holds, RANKED)
    if not tsquery:
        return [row[0] for row in _rows(db, newest.sql, newest.parameters)]
    ranks = _ranks(db, kind, tsquery, newest)
    if len(ranks) == RANKED:
        in_subject = Condition(_IN_SUBJECT, (without_weights(tsquery),))
        headed = _newest(kind, both(in_subject, without), RANKED_BY_SUBJECT)
        # what is new here is older than all of the newest: of equal ranks the first stays first
        ranks |= _ranks(db, kind, tsquery, headed, known=list(ranks))
    return sorted(ranks, key=lambda one: -ranks[one])


def _ranks(
    db: PostgresqlDatabase, kind: str, tsquery: str, found: Condition, known: Sequence[int] = ()
) -> dict[int, float]:
    """Return what this query finds and is not `known`, by id, the best first, with its rank."""
    rank = f"ts_rank('{_WEIGHTS[kind]}', s.search, %s::tsquery, {NORMALISED}) {_RECENCY[kind]}"
    others = Condition("WHERE s.id <> ALL(%s)", (known,)) if known else ALWAYS
    joined = f"found JOIN {TABLES[kind]} AS s USING (id) {others.sql} ORDER BY rank DESC, {_NEWEST[kind]}"
    ranked = f"WITH found AS MATERIALIZED ({found.sql}) SELECT s.id, {rank} AS rank FROM {joined}"  # noqa: S608 - ours
    return dict(_rows(db, ranked, (*found.parameters, tsquery, *others.parameters)))


def _newest(kind: str, holds: Condition, limit: int) -> Condition:
    """Return the query for the newest ids for which the condition holds."""
    clause = where(holds)
    select = f"SELECT s.id FROM {TABLES[kind]} AS s {clause.sql}"  # noqa: S608 - tables and conditions are ours
    return Condition(f"{select} ORDER BY {_NEWEST[kind]} LIMIT {int(limit)}", clause.parameters)


def _older(
    db: PostgresqlDatabase, kind: str, holds: Condition, known: list[int], limit: int
) -> list[int]:
    others = both(holds, Condition("s.id <> ALL(%s)", (known,)))
    query = _newest(kind, others, limit)
    return [row[0] for row in _rows(db, query.sql, query.parameters)]


def _relaxed(
    db: PostgresqlDatabase, kind: str, query: Query, lexemes: Lexemes, scope: Condition
) -> Found | None:
    """Return what holds some of the words; None if no word is known."""
    parts = list(
        dict.fromkeys(one for group in query.positive_text() if (one := any_of(group, lexemes)))
    )
    total, counts = _frequencies(db, kind, parts)
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


def _frequencies(db: PostgresqlDatabase, kind: str, parts: Sequence[str]) -> tuple[int, list[int]]:
    """Return how many texts there are, and how many hold each tsquery."""
    table = TABLES[kind]
    rows = db.connection().execute(
        f"SELECT (SELECT count(*) FROM {table} AS s WHERE s.search @@ one::tsquery) "  # noqa: S608 - the table is ours
        "FROM unnest(%s::text[]) WITH ORDINALITY AS t (one, n) ORDER BY n",
        (list(parts),),
    )
    counts = [row[0] for row in rows]
    estimate = db.execute_sql(
        "SELECT reltuples::bigint FROM pg_class WHERE oid = %s::regclass", (table,)
    )
    return max(estimate.fetchone()[0], *counts, 1), counts


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
