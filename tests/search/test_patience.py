"""A search holds PostgreSQL up no longer than it may."""

import psycopg
import pytest

from mrilu.search import engine
from mrilu.search.engine import Wanted, search
from mrilu.search.patience import HARMLESS, SearchTooSlow, within


def timeout_of(db) -> str:
    return db.execute_sql("SHOW statement_timeout").fetchone()[0]


def test_a_statement_that_takes_longer_is_ended_and_the_setting_named(database):
    with pytest.raises(SearchTooSlow, match=r"SEARCH_TIMEOUT \(0.05 s\)"), within(database, 0.05):
        database.connection().execute("SELECT pg_sleep(20)")
    database.rollback()


def test_one_through_peewee_too(database):
    with pytest.raises(SearchTooSlow), within(database, 0.05):
        database.execute_sql("SELECT pg_sleep(20)")
    database.rollback()


def test_other_errors_stay_what_they_are_and_the_limit_ends_with_the_search(database):
    before = timeout_of(database)
    with within(database, 5):
        assert timeout_of(database) in ("5s", "4999ms")
    assert timeout_of(database) == before
    with pytest.raises(ZeroDivisionError), within(database, 5):
        raise ZeroDivisionError
    assert timeout_of(database) == before
    with pytest.raises(psycopg.errors.DivisionByZero), within(database, 5):
        database.connection().execute("SELECT 1 / 0")
    database.rollback()


def test_a_search_is_made_within_it(database, monkeypatch):
    with pytest.raises(SearchTooSlow):
        monkeypatch.setattr(
            engine._Search, "page", lambda self, encode: self.db.execute_sql("SELECT pg_sleep(20)")
        )
        search(database, "cat", wanted=Wanted(seconds=0.2))
    database.rollback()


def test_many_short_statements_together_take_no_longer_either(database):
    made = []
    with pytest.raises(SearchTooSlow), within(database, 0.3):
        for number in range(400):
            made.append(number)
            database.connection().execute("SELECT pg_sleep(0.05)")
    assert len(made) <= 7


def test_a_statement_has_what_the_ones_before_it_left(database):
    with within(database, 1):
        database.connection().execute("SELECT pg_sleep(0.5)")
        assert int(timeout_of(database).removesuffix("ms")) <= 500


def test_the_server_is_told_once_while_there_is_time(database):
    told = []
    with within(database, 5):
        for _ in range(20):
            told.append(timeout_of(database))
    assert len(set(told)) == 1


def test_a_limit_is_taken_back_when_something_else_comes_next(database, statements):
    usual = timeout_of(database)
    for _ in range(2):
        with within(database, 2 * HARMLESS):
            database.connection().execute("SELECT 1")
    assert not any("RESET" in one for one in statements)
    assert timeout_of(database) == usual
    assert any("RESET" in one for one in statements)


def test_a_transaction_that_fails_does_not_bring_the_limit_back(database):
    usual = timeout_of(database)
    with within(database, 2 * HARMLESS):
        database.connection().execute("SELECT 1")
    with pytest.raises(ZeroDivisionError), database.atomic():
        assert timeout_of(database) == usual
        raise ZeroDivisionError
    assert timeout_of(database) == usual


def test_no_search_ends_by_what_little_the_one_before_it_had_left(database):
    with pytest.raises(SearchTooSlow), within(database, 0.05):
        database.connection().execute("SELECT pg_sleep(20)")
    database.rollback()
    with within(database, 5):
        database.connection().execute("SELECT pg_sleep(0.1)")
