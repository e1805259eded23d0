"""A book is read in time that grows with its entries, whatever PostgreSQL knows of the tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from peewee import PostgresqlDatabase

from mrilu.exports.rows import DEFINITIONS, read_book
from tests.embeddings.made import define

ENTRIES = 60


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield all nodes of a plan."""
    yield plan
    for one in plan.get("Plans", ()):
        yield from nodes(one)


def test_a_dictionary_without_statistics_is_not_joined_row_by_row(
    database: PostgresqlDatabase,
) -> None:
    made = [define(f"word{number}", f"text {number}", ["one", "two"]) for number in range(ENTRIES)]
    language = made[0].language
    link = database.connection()
    assert len(read_book(link, language, "en", "English").entries) == ENTRIES
    query = f"EXPLAIN (ANALYZE, FORMAT JSON) {DEFINITIONS}"
    plan = link.execute(query, {"language": language}).fetchone()[0][0]["Plan"]
    vain = sum(
        one.get("Rows Removed by Join Filter", 0) * one["Actual Loops"] for one in nodes(plan)
    )
    assert vain <= ENTRIES
