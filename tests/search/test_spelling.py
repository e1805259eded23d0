import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrilu.search.spelling import distance

WORDS = st.text("abc", max_size=7)


@pytest.mark.parametrize(
    ("first", "second", "slips"),
    [
        ("mlatu", "mlatu", 0),
        ("mltau", "mlatu", 1),
        ("mlatu", "mltu", 1),
        ("mlatu", "mlaatu", 1),
        ("", "ab", 2),
    ],
)
def test_exchanged_missing_and_surplus_letters_are_one_slip_each(first, second, slips):
    assert distance(first, second) == slips


@given(WORDS, WORDS)
def test_distance_is_symmetric_and_nothing_only_for_the_same(first, second):
    assert distance(first, second) == distance(second, first) <= max(len(first), len(second))
    assert (distance(first, second) == 0) == (first == second)
