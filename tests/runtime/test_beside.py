"""A question beside others has its own connection, and its error where the answer is wanted."""

from __future__ import annotations

import psycopg
import pytest
from peewee import PostgresqlDatabase

from mrilu.runtime.beside import Beside

PID = "SELECT pg_backend_pid()"
SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s"


def test_it_is_answered_by_another_session_which_ends_with_it(
    database: PostgresqlDatabase,
) -> None:
    one = Beside(lambda db: db.execute_sql(PID).fetchone()[0])
    theirs, ours = one.answer(), database.execute_sql(PID).fetchone()[0]
    assert theirs != ours
    while database.execute_sql(SESSIONS, (theirs,)).fetchone() != (0,):
        continue


def test_what_it_raises_is_raised_where_the_answer_is_wanted(database: PostgresqlDatabase) -> None:
    one = Beside(lambda db: db.connection().execute("SELECT 1 / 0"))
    assert database.execute_sql("SELECT 1").fetchone() == (1,)
    with pytest.raises(psycopg.errors.DivisionByZero):
        one.answer()
