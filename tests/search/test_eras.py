"""Spans of time as the numbers that the index of search holds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mrilu.search.eras import (
    HAS_ATTACHMENT,
    Calendar,
    finer,
    keys_of,
    rounded_down,
    rounded_up,
    start_of,
    step_of,
)

STEPS_OF_KEYS = {0: 1, 1: 8, 2: 64, 3: 512}


def steps(keys: list[int]) -> list[int]:
    covered = []
    for key in keys:
        level = (key + (1 << 39)) >> 40
        width = STEPS_OF_KEYS[level]
        first = (key - (level << 40)) * width
        covered += range(first, first + width)
    return covered


@pytest.mark.parametrize(
    "span", [(0, 0), (0, 1), (-3, 5), (7, 64), (-1030, 1025), (511, 513), (9000, 10300)]
)
def test_a_span_is_covered_once_and_nothing_else(span):
    assert steps(keys_of(*span)) == list(range(*span))


def test_rounding_never_narrows_a_span_and_leaves_few_numbers():
    for first in range(-40, 9000, 61):
        for last in (first + 1, first + 9, first + 100, first + 1500):
            down = rounded_down(first, last)
            up = rounded_up(down, last)
            assert down <= first < last <= up
            assert len(keys_of(down, up)) <= 24


@pytest.mark.parametrize("moment", ["1969-12-31T23:59:59", "1970-01-01", "2025-10-06T09:12:44.5"])
def test_the_database_has_the_same_numbers(database, moment):
    at = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    sql = "SELECT search_keys(%s, 'Ann', 'ann@x', %s)"
    keys = database.execute_sql(sql, (at, True)).fetchone()[0]
    step = step_of(at)
    for width in STEPS_OF_KEYS.values():
        first = step // width * width
        (key,) = keys_of(first, first + width)
        assert key in keys
    assert HAS_ATTACHMENT in keys
    plain = database.execute_sql(sql, (at, False)).fetchone()[0]
    assert set(keys) - set(plain) == {HAS_ATTACHMENT}
    sender = database.execute_sql("SELECT sender_key('Ann', 'ann@x')").fetchone()[0]
    assert sender in plain and len(plain) == 5


def test_a_step_begins_where_it_says():
    assert step_of(start_of(10_000)) == 10_000
    assert step_of(start_of(10_000) - timedelta(seconds=1)) == 9_999
    assert start_of(-(10**9)).year == 1


def test_a_calendar_tells_about_how_far_back_some_messages_reach():
    even = Calendar(1000, [float(10 * one) for one in range(101)])
    first = even.before(1000, 100)
    assert first is not None and 850 <= first <= 900
    assert round(even.between(900, 1000)) == 100
    assert even.before(1000, 5000) is None and even.before(-5, 1) is None
    late = even.before(5000, 100)  # behind the end there is nothing
    assert late is not None and 850 <= late <= 900


def test_bounds_are_made_finer_evenly_and_by_what_is_known_of_the_newest():
    assert finer([0.0, 10.0, 30.0], 2) == [0.0, 5.0, 10.0, 20.0, 30.0]
    assert finer([0.0, 10.0, 30.0], 2, [11.0, 40.0]) == [0.0, 5.0, 10.0, 11.0, 40.0]
    # since the last look messages may have come, and gone
    assert finer([0.0, 10.0, 30.0], 2, [35.0, 40.0]) == [0.0, 5.0, 10.0, 35.0, 40.0]
    assert finer([0.0, 10.0, 30.0], 2, [7.0, 9.0]) == [0.0, 5.0, 7.0, 7.0, 9.0]
