"""Array literals mean to PostgreSQL what the lists that they are made of mean."""

import uuid
from datetime import UTC, datetime

import pytest

from mrilu.archive.array_literals import array, plain_array


@pytest.mark.parametrize(
    "texts",
    [[], [""], ["NULL"], ["a,b", "{c}", 'say "hi"', "back\\slash"], ["ü", "line\nend", " blank "]],
)
def test_an_array_of_texts_arrives_as_it_was(database, texts):
    assert database.connection().execute("SELECT %s::text[]", (array(texts),)).fetchone() == (
        texts,
    )


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("bigint", []),
        ("bigint", [0, -(2**63), 2**63 - 1]),
        ("boolean", [True, False]),
        ("uuid", [uuid.UUID(int=7)]),
        (
            "timestamptz",
            [datetime(1, 1, 1, tzinfo=UTC), datetime(2026, 11, 26, 1, 2, 3, 456789, tzinfo=UTC)],
        ),
    ],
)
def test_an_array_of_plain_values_arrives_as_it_was(database, kind, values):
    asked = f"SELECT %s::{kind}[] = %s::{kind}[]"
    assert database.connection().execute(asked, (plain_array(values), values)).fetchone() == (True,)
