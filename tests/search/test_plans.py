"""What is found does not depend on what is known, nor on how the statements are planned."""

from __future__ import annotations

import pytest

from mrilu.search import fulltext, newest, statistics
from mrilu.search.conditions import condition_of
from mrilu.search.engine import Wanted, search
from mrilu.search.grammar import parse
from mrilu.search.names import with_names
from mrilu.search.patience import SearchTooSlow
from mrilu.search.plans import rows_of
from mrilu.search.statistics import Expected, expected, is_indexed, statistics_of

LEXEMES = {"cat": "'cat'", "dog": "'dog'", "big cat": "'big' <-> 'cat'", "the": ""}
QUERIES = (
    "common",
    "third",
    "rare",
    "rare new",
    "third -old",
    "third OR rare",
    "old OR -third",
    "common before:2002",
    "common after:2004 third",
    "after:2005-06",
    "before:2000-03",
    "from:ann",
    'from:"ann 3" third',
    "has:attachment common",
    "has:attachment",
    "common -third",
    "subject:common third",
    "common third rare",
    "common is:thread",
    "third to:bob",
)


@pytest.fixture
def few_ranked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fulltext, "RANKED", 15)
    monkeypatch.setattr(fulltext, "RANKED_BY_SUBJECT", 5)


@pytest.mark.parametrize("query", QUERIES)
def test_a_search_finds_the_same_whatever_is_known(database, times, few_ranked, monkeypatch, query):
    database.execute_sql(
        "UPDATE message SET search = search || setweight(search, 'A') WHERE id %% 11 = 0"
    )

    def found() -> list[int]:
        monkeypatch.setattr(statistics, "_known", {})
        return [hit.id for hit in search(database, query, "message", Wanted("text", limit=60)).hits]

    by_spans = found()
    assert by_spans or query.endswith((":thread", ":bob"))
    monkeypatch.setattr(newest, "FEW", 1000)
    at_once = found()
    monkeypatch.setattr(statistics, "SMALL", 10**6)
    assert by_spans == at_once == found()


@pytest.mark.parametrize(
    ("query", "indexed"),
    [
        ("cat", True),
        ("cat dog", True),
        ("cat OR dog", True),
        ('"big cat"', True),
        ("subject:cat", True),
        ("-cat before:2004", False),
        ("cat -dog", True),
        ("cat -is:thread", True),
        ("cat OR -dog", False),
        ("the", False),
        ("cat before:2004", True),
        ("before:2004", False),
        ("cat OR before:2004", False),
        ("cat is:thread", False),
        ("cat to:ann", False),
        ("cat from:ann", False),
        ("has:attachment", True),
        ("cat OR the", False),
    ],
)
def test_the_index_of_search_answers_words_names_and_attachments(query, indexed):
    assert is_indexed(parse(query), LEXEMES) is indexed


def test_words_are_asked_for_together():
    made = condition_of(parse('cat dog OR "big cat" -the before:2004 -dog').groups, LEXEMES)
    assert made.sql.count("s.search @@") == 2
    assert made.parameters[0] == "( ( 'cat' ) ) & ( ( 'dog' ) | ( 'big' <-> 'cat' ) )"


def test_one_plan_is_for_one_statement_alone(database):
    mode = "SELECT current_setting('plan_cache_mode')"
    connection = database.connection()
    assert rows_of(connection, mode, (), one_plan=True) == [("force_generic_plan",)]
    assert rows_of(connection, mode, (), one_plan=False) == [("auto",)]


def test_how_common_senders_lists_and_attachments_are_is_known(database, times):
    known = statistics_of(database, 3000.0)

    def share(text: str) -> Expected:
        named = with_names(database, parse(text))
        return expected(named, {"common": "'common'"}, known, known.texts)

    assert 0.1 < share('from:"ann 3"').share < 0.2 and not share('from:"ann 3"').guessed
    assert 0.01 < share("has:attachment").share < 0.03
    assert share("from:nobody").share < 0.01
    assert share("to:bob").guessed and share("common to:bob").share < share("common").share


def test_what_is_mended_is_not_made_little_for_the_whole_by_few_of_late():
    before = Expected(0.1, 0.1, guessed=False)
    assert before.mended(0.5) == Expected(0.1, 0.05, guessed=False)
    assert before.mended(4.0) == Expected(0.4, 0.4, guessed=False)
    assert before.mended(40.0).share == 1.0


def test_a_search_that_takes_too_long_ends_in_the_midst_of_a_walk(database, times, monkeypatch):
    monkeypatch.setattr(
        newest, "_SHOWN", newest._SHOWN.replace("SELECT kept.id", "SELECT pg_sleep(20), kept.id")
    )
    with pytest.raises(SearchTooSlow):
        search(database, "common", "message", Wanted("text", seconds=0.3))
    database.rollback()
