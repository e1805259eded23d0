"""Steps of upkeep stand alone."""

from __future__ import annotations

import psycopg
import pytest

from mrilu.runtime.steps import run_each


def fail() -> None:
    raise LookupError("first")


def fail_too() -> None:
    raise ValueError("second")


def test_what_one_step_runs_into_keeps_no_other_from_its_turn() -> None:
    done: list[int] = []
    with pytest.raises(LookupError, match="first"):
        run_each((fail, lambda: done.append(1), fail_too, lambda: done.append(2)))
    assert done == [1, 2]


def test_a_server_that_is_away_ends_the_round_at_once() -> None:
    def away() -> None:
        raise psycopg.OperationalError("gone")

    done: list[int] = []
    with pytest.raises(psycopg.OperationalError):
        run_each((away, lambda: done.append(1)))
    assert done == []


def test_what_went_wrong_before_a_server_went_away_is_told(caplog) -> None:
    def away() -> None:
        raise psycopg.OperationalError("gone")

    with pytest.raises(psycopg.OperationalError):
        run_each((fail, away))
    assert "LookupError('first')" in caplog.text
