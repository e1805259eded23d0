from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mrilu.search.grammar import MAX_CHARS, MAX_TERMS, OPERATORS, Query, QueryError, parse

PARTS = st.sampled_from(
    [
        *(f"{name}:" for name in OPERATORS),
        '"',
        "-",
        "OR",
        " ",
        "a'u",
        "(",
        ")",
        "\\",
        "%",
        "2024-03",
        "\x00",
        "\ud800",
        "attachment",
        "thread",
        "word",
        "日本",
        "'; DROP TABLE message; --",
        ":",
        "<a@b>",
        "\u202e",
    ]
)
ANYTHING = st.one_of(st.text(max_size=60), st.lists(PARTS, max_size=14).map("".join))


@given(ANYTHING)
@example("from:")
@example('"')
@example("OR")
@example("-")
def test_whatever_is_typed_only_the_query_error_is_raised_and_it_has_a_column_inside(text):
    try:
        query = parse(text)
    except QueryError as error:
        assert 1 <= error.column <= max(1, len(text)) and f"column {error.column}" in str(error)
    else:
        assert isinstance(query, Query) and query.terms()
        query.meaning().encode()


@given(st.lists(st.sampled_from(["one", "two", "three"]), min_size=1, max_size=6))
def test_words_are_terms_in_their_order(words):
    assert [term.text for term in parse(" ".join(words)).terms()] == words


def terms(text: str) -> list[tuple[str, str]]:
    return [(term.operator, term.text) for term in parse(text).terms()]


def test_operators_take_words_and_phrases_in_any_case():
    assert terms('FROM:ann subject:"a b" -list:r-help') == [
        ("from", "ann"),
        ("subject", "a b"),
        ("list", "r-help"),
    ]
    assert [term.negated for term in parse("a -from:b").terms()] == [False, True]


def test_an_unknown_operator_is_a_word():
    assert terms("http://x.org re:zero") == [("", "http://x.org"), ("", "re:zero")]


def test_or_joins_its_neighbours():
    groups = parse("a OR b c OR from:d").groups
    assert [[term.text for term in group] for group in groups] == [["a", "b"], ["c", "d"]]


def test_or_in_quotes_or_small_letters_is_a_word():
    assert [len(group) for group in parse('a "OR" b or c').groups] == [1, 1, 1, 1, 1]


def test_signs_that_stand_alone_are_nothing():
    assert terms("a - b & ( c )") == [("", "a"), ("", "b"), ("", "c")]


def test_plain_words_are_wishes_and_the_rest_are_conditions_for_hits_by_meaning():
    query = parse('cats "in boxes" from:ann -dogs a OR "b c"')
    assert [group[0].text for group in query.conditions()] == ["in boxes", "ann", "dogs"]
    assert query.meaning() == "cats in boxes a b c"


def test_dates_are_years_months_or_days():
    dates = [
        parse(f"x before:{text}").terms()[1].date() for text in ("2024", "2024-3", "2024-03-31")
    ]
    assert dates == [datetime(2024, *rest, tzinfo=UTC) for rest in ((1, 1), (3, 1), (3, 31))]


@pytest.mark.parametrize(
    ("text", "column", "reason"),
    [
        ("cats from:", 6, "needs a value"),
        ('cats "in boxes', 6, "never closed"),
        ('subject:"cats', 9, "never closed"),
        ("OR cats", 1, "OR needs"),
        ("cats OR", 6, "OR needs"),
        ("a OR OR b", 6, "OR needs"),
        ("a before:soon", 3, "needs a date"),
        ("a after:2024-13", 3, "needs a date"),
        ("a before:2024-02-30", 3, "needs a date"),
        ("a before:0000", 3, "needs a date"),
        ("a has:wings", 3, "has: knows only attachment"),
        ("a is:late", 3, "is: knows only thread"),
        ("  ", 1, "nothing to look for"),
        ("", 1, "nothing to look for"),
        ("-cats -dogs", 1, "leave out"),
        ("a " * (MAX_TERMS + 1), 2 * MAX_TERMS + 1, "at most"),
        ("a" * (MAX_CHARS + 1), MAX_CHARS + 1, "at most"),
    ],
)
def test_a_bad_query_is_told_where_and_why(text, column, reason):
    with pytest.raises(QueryError, match=reason) as caught:
        parse(text)
    assert caught.value.column == column
