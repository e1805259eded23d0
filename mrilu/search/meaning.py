"""Meaning: the ids whose vectors are nearest to a query's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from peewee import PostgresqlDatabase

from models import EmbeddingModel
from mrilu.embeddings.index import vector_type
from mrilu.search.conditions import Condition, both

KINDS = {"message": "message", "word": "definition", "sentence": "sentence"}
NEAREST = 200  # chunks that are looked at
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
) -> list[Near]:
    """Return the nearest sources that are there and for which the condition holds, nearest first, each once."""
    sql, parameters = _query(model, kind, holds)
    shown = "[" + ",".join(f"{number:.6g}" for number in vector) + "]"
    with db.atomic():
        # as many candidates as are asked for; more where the condition refuses them
        db.execute_sql(f"SET LOCAL hnsw.ef_search = {NEAREST}")
        db.execute_sql("SET LOCAL hnsw.iterative_scan = relaxed_order")
        rows = db.connection().execute(sql, (shown, *parameters, NEAREST), prepare=False).fetchall()
    nearest: dict[int, Near] = {}
    for row in sorted(rows, key=lambda row: (row[1], -row[0])):
        if row[1] <= FURTHEST:
            nearest.setdefault(row[0], Near(*row))
    return list(nearest.values())


def _query(model: EmbeddingModel, kind: str, holds: Condition) -> tuple[str, tuple[Any, ...]]:
    """Model and kind are literals, so that the planner sees that the partial index serves."""
    distance = f"e.vector::{vector_type(model.dimensions)} <=> %s::{vector_type(model.dimensions)}"
    narrowed = both(Condition(f"e.model = {int(model.id)} AND e.kind = '{KINDS[kind]}'"), holds)
    # vectors stay until the next whole run of embed_missing; what they are of may be gone since
    join = f"JOIN {KINDS[kind]} AS s ON s.id = e.owner"
    select = f"SELECT e.owner, {distance} AS distance, e.start FROM embedding AS e {join}"  # noqa: S608 - names of ours
    return f"{select} WHERE {narrowed.sql} ORDER BY distance LIMIT %s", narrowed.parameters
