"""Full text: the ids that hold a query's words, best first. The wide queries of search, in one place.

What is put into a statement's text is ours (tables, weights, conditions with %s); what was typed is a parameter.
Hits that hold every word are ranked by PostgreSQL's ts_rank, where the subject (or a word and its glosses) counts
most and own text (a definition) next. Where they are few, hits that hold some of the words join them and all are
ranked as BM25 does (Robertson & Zaragoza 2009): a word counts the more the fewer texts hold it, saying it often
gains little, and long texts count less. For mail, newer counts up to a fifth more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from peewee import PostgresqlDatabase

from search.conditions import ALWAYS, Condition, both, condition_of, where
from search.grammar import Query
from search.lexemes import Lexemes, all_of, any_of

# Of what a common word finds, the newest are ranked: ranking reads each hit's whole vector.
RANKED = 300
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


def find_text(
    db: PostgresqlDatabase, kind: str, query: Query, lexemes: Lexemes, scope: Condition = ALWAYS
) -> dict[int, float]:
    """Return ids of `message`, `definition` (kind "word") or `sentence`, best first, with their share of the query.

    The share (0 to 1) is how much of what the query says a hit holds, rare words counting more. At most RANKED
    hits; `scope` narrows all of them. A query without words gives the newest.
    """
    wanted = query.positive_text()
    tsquery = all_of(wanted, lexemes)
    if wanted and not tsquery and not query.conditions():
        return {}
    strict = _ranked(db, kind, tsquery, both(condition_of(query.groups, lexemes), scope))
    if len(strict) >= FEW or len(wanted) < 2:
        return dict.fromkeys(strict, 1.0)
    return _relaxed(db, kind, query, lexemes, scope) or dict.fromkeys(strict, 1.0)


def _ranked(db: PostgresqlDatabase, kind: str, tsquery: str, holds: Condition) -> list[int]:
    clause, newest = where(holds), _NEWEST[kind]
    found = f"SELECT s.id FROM {TABLES[kind]} AS s {clause.sql} ORDER BY {newest} LIMIT {RANKED}"  # noqa: S608
    if not tsquery:
        return [row[0] for row in _rows(db, found, clause.parameters)]
    rank = f"ts_rank('{_WEIGHTS[kind]}', s.search, %s::tsquery, {NORMALISED}) {_RECENCY[kind]}"
    join = f"found JOIN {TABLES[kind]} AS s USING (id)"
    ranked = f"WITH found AS MATERIALIZED ({found}) SELECT s.id FROM {join} ORDER BY {rank} DESC, {newest}"  # noqa: S608
    return [row[0] for row in _rows(db, ranked, (*clause.parameters, tsquery))]


def _relaxed(db: PostgresqlDatabase, kind: str, query: Query, lexemes: Lexemes, scope: Condition) -> dict[int, float]:
    """Return what holds some of the words, with its share of all of them; empty if no word is known."""
    parts = list(dict.fromkeys(one for group in query.positive_text() if (one := any_of(group, lexemes))))
    total, counts = _frequencies(db, kind, parts)
    rare = _rarest(parts, counts)
    if not rare:
        return {}
    values = [math.log(1 + (total - count + 0.5) / (count + 0.5)) for count in counts]
    clause = where(
        Condition("s.search @@ %s::tsquery", (" | ".join(f"( {one} )" for one in rare),)),
        condition_of(query.conditions(), lexemes), scope,
    )  # fmt: skip
    share = " + ".join(["%s * (s.search @@ %s::tsquery)::int"] * len(parts))
    score = " + ".join([_word_score(kind)] * len(parts))
    # joined with nothing, a long vector is read from its place outside the table once, not once a word
    found = f"SELECT s.id, {_DATE[kind]}s.search || '' AS search FROM {TABLES[kind]} AS s {clause.sql}"  # noqa: S608
    order = f"({score}) {_RECENCY[kind]} DESC, {_NEWEST[kind]}"
    ranked = f"WITH s AS MATERIALIZED ({found}) SELECT s.id, {share} FROM s ORDER BY {order} LIMIT {RELAXED}"  # noqa: S608
    by_word = [one for value, part in zip(values, parts, strict=True) for one in (value, part)]
    rows = _rows(db, ranked, (*clause.parameters, *by_word, *by_word))
    return {row[0]: row[1] / (sum(values) or 1.0) for row in rows}


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
    estimate = db.execute_sql("SELECT reltuples::bigint FROM pg_class WHERE oid = %s::regclass", (table,))
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


def _rows(db: PostgresqlDatabase, sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    # prepare=False: a generic plan cannot see that a condition finds next to nothing
    return db.connection().execute(sql, parameters, prepare=False).fetchall()
