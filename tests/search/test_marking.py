"""What is marked here is what PostgreSQL's ts_headline marks, mostly without asking it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mrilu.search import marking
from mrilu.search.fold import fold
from mrilu.search.marking import OPTIONS, mark, spans_of

WORDS = [
    "cat",
    "Cats",
    "CAT'S",
    "catty",
    "concat",
    "dying",
    "die",
    "data",
    "datum",
    "use",
    "ably",
    "ëcat",
    "кот",
]
SIGNS = [" ", "\n", ".", ". ", ",", ":", "-", "_", "/", "@", "<", ">", "<b>", "</b>", "<!--", "&", ";", "(", ")", '"',
         "'", "=", "~", "+", "1", "e5", "http://", ".org", "www.", "*", "%", "\u00a0", "é", "\\", "$", "?"]  # fmt: skip
TEXTS = st.lists(st.sampled_from(WORDS + SIGNS + [" "] * 20), max_size=40).map("".join).map(fold)
QUERIES = [
    "'cat'",
    "'cat' | 'die'",
    "'data' <-> 'use'",
    "'tie' & 'abl'",
    "'lie'",
    "'cat-fish'",
    "'кот' | 'cat'",
    "''''",
]


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marking, "_known", {})


def headline(connection: Any, text: str, tsquery: str) -> list[tuple[int, int]]:
    sql = "SELECT ts_headline('mrilu', %s, %s::tsquery, %s)"
    return spans_of(connection.execute(sql, (text, tsquery, OPTIONS)).fetchone()[0], text)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=400
)
@given(TEXTS, st.sampled_from(QUERIES))
@example("he's lying, they lie; it lied", "'lie'")
@example("<cat data> cat", "'cat'")
@example("cat. (cat.) cat.org cat:1 cat: x@cat", "'cat'")
def test_the_same_is_marked_as_by_ts_headline(database: Any, text: str, tsquery: str) -> None:
    connection = database.connection()
    assert mark(connection, [text], tsquery) == [headline(connection, text, tsquery)]


def test_words_that_are_known_are_not_asked_for_again(database: Any, statements: list[str]) -> None:
    connection, texts = (
        database.connection(),
        ["The cats, and (cat) food.", "no such word", "Cats!"],
    )
    for _ in range(2):
        assert mark(connection, texts, "'cat'") == [[(4, 8), (15, 18)], [], [(0, 4)]]
    assert len(statements) == 1
    assert mark(connection, texts, "") == [[], [], []]
    assert len(statements) == 1


def test_only_so_many_words_are_remembered(database: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marking, "MOST_KNOWN", 3)
    for word in ("cats", "dogs", "birds", "fishes"):
        spans = mark(database.connection(), [word], f"'{word[:3]}'")
        assert spans == ([[(0, 4)]] if word in ("cats", "dogs") else [[]])
        assert len(marking._known) <= 3
