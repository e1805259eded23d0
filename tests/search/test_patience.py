"""A search holds PostgreSQL up no longer than it may."""

import psycopg
import pytest

from mrilu.search import engine
from mrilu.search.engine import Wanted, search
from mrilu.search.patience import SearchTooSlow, within


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
        assert timeout_of(database) == "5s"
    assert timeout_of(database) == before
    with pytest.raises(ZeroDivisionError), within(database, 5):
        raise ZeroDivisionError
    assert timeout_of(database) == before
    with pytest.raises(psycopg.errors.DivisionByZero), within(database, 5):
        database.connection().execute("SELECT 1 / 0")
    database.rollback()


def test_a_search_is_made_within_it(database, monkeypatch):
    seen = []
    monkeypatch.setattr(engine, "look_up", lambda db, terms: seen.append(timeout_of(db)) or {})
    with pytest.raises(SearchTooSlow):
        monkeypatch.setattr(
            engine._Search, "page", lambda self, encode: self.db.execute_sql("SELECT pg_sleep(20)")
        )
        search(database, "cat", wanted=Wanted(seconds=0.2))
    assert seen == ["200ms"]
    database.rollback()
