"""Meaning: the ids whose vectors are nearest to a query's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from peewee import PostgresqlDatabase

from models import EmbeddingModel
from mrilu.embeddings.index import vector_type
from mrilu.search.conditions import Condition, both, where
from mrilu.search.grammar import Query
from mrilu.search.lexemes import Lexemes
from mrilu.search.newest import span_of
from mrilu.search.statistics import Times, expected

KINDS = {"message": "message", "word": "definition", "sentence": "sentence"}
NEAREST = 200  # chunks that are looked at
# To measure every vector that a condition leaves takes as long as these are many; to walk the graph past those that it
# refuses, as long as these are few. Both are about even where so many times the root of all messages are left; but of
# what keeps together, such as a list's mail, the graph finds half.
EVEN = 40
# Vectors further away than this (cosine distance) have nothing to do with the query.
FURTHEST = 0.75


class Near(NamedTuple):
    """A hit by meaning: its id, its distance (0 to 2) and where its nearest chunk starts in own text."""

    id: int
    distance: float
    start: int


def find_near(
    db: PostgresqlDatabase,
    model: EmbeddingModel,
    kind: str,
    vector: Sequence[float],
    holds: Condition,
    *,
    measure_all: bool = False,
) -> list[Near]:
    """Return the nearest sources that are there and for which the condition holds, nearest first, each once.

    With `measure_all` all for which it holds are looked at, and none is missed.
    """
    shown = "[" + ",".join(f"{number:.6g}" for number in vector) + "]"
    rows = (_measured if measure_all else _walked)(db, model, kind, shown, holds)
    nearest: dict[int, Near] = {}
    for row in sorted(rows, key=lambda row: (row[1], -row[0])):
        if row[1] <= FURTHEST:
            nearest.setdefault(row[0], Near(*row))
    return list(nearest.values())


def leaves_few(query: Query, lexemes: Lexemes, times: Times) -> bool:
    """Tell whether the conditions of a query leave so few messages that all of them are soon looked at."""
    groups, known = query.conditions(), times.statistics
    if not groups or not known:
        return False
    conditions = Query(groups)
    found = expected(conditions, lexemes, known, known.texts)
    share = min(found.share, times.share_of(*span_of(conditions)))
    few = share * known.calendar.messages <= EVEN * math.sqrt(known.calendar.messages)
    return few and not found.guessed


def _walked(
    db: PostgresqlDatabase, model: EmbeddingModel, kind: str, shown: str, holds: Condition
) -> list[Any]:
    """Ask the graph, where there is one, for NEAREST vectors of those for which the condition holds."""
    distance, of_kind = _distance(model), _of_kind(model, kind)
    narrowed = both(Condition(of_kind), holds)
    # vectors stay until the next whole run of embed_missing; what they are of may be gone since
    join = f"JOIN {KINDS[kind]} AS s ON s.id = e.owner"
    select = f"SELECT e.owner, {distance} AS distance, e.start FROM embedding AS e {join}"  # noqa: S608 - names of ours
    sql = f"{select} WHERE {narrowed.sql} ORDER BY distance LIMIT %s"
    with db.atomic():
        # as many candidates as are asked for; more where the condition refuses them
        db.execute_sql(f"SET LOCAL hnsw.ef_search = {NEAREST}")
        db.execute_sql("SET LOCAL hnsw.iterative_scan = relaxed_order")
        facts = (shown, *narrowed.parameters, NEAREST)
        return db.connection().execute(sql, facts, prepare=False).fetchall()


def _measured(
    db: PostgresqlDatabase, model: EmbeddingModel, kind: str, shown: str, holds: Condition
) -> list[Any]:
    """Look at the vectors of each source for which the condition holds; joined, those of all would be read."""
    clause = where(holds)
    held = f"held AS MATERIALIZED (SELECT s.id FROM {KINDS[kind]} AS s {clause.sql})"  # noqa: S608 - names of ours
    # their numbers as one array, which the index goes through once
    near = f"""SELECT e.owner, {_distance(model)} AS distance, e.start FROM embedding AS e
 WHERE {_of_kind(model, kind)} AND e.owner = ANY(held_by.ids) OFFSET 0"""  # noqa: S608 - names of ours
    sql = f"""WITH {held} SELECT near.* FROM (SELECT array_agg(id) AS ids FROM held) AS held_by
 CROSS JOIN LATERAL ({near}) AS near ORDER BY distance LIMIT %s"""  # noqa: S608 - names of ours
    facts = (*clause.parameters, shown, NEAREST)
    return db.connection().execute(sql, facts, prepare=False).fetchall()


def _distance(model: EmbeddingModel) -> str:
    return f"e.vector::{vector_type(model.dimensions)} <=> %s::{vector_type(model.dimensions)}"


def _of_kind(model: EmbeddingModel, kind: str) -> str:
    """Model and kind are literals, so that the planner sees that the partial index serves."""
    return f"e.model = {int(model.id)} AND e.kind = '{KINDS[kind]}'"
