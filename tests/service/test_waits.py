"""Who holds up PostgreSQL is named."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from peewee import PostgresqlDatabase

from mrilu.archive.lock import LOCK
from mrilu.service import waits
from mrilu.tables.base import IDLE_IN_TRANSACTION, session_options


@contextmanager
def held(url: str, statement: str) -> Iterator[int]:
    """Hold what the statement locks, with another session that waits for it; yield the holder's pid."""
    with psycopg.connect(url) as holder, psycopg.connect(url) as waiting:
        holder.execute(statement)
        thread = threading.Thread(target=lambda: waiting.execute(statement))
        thread.start()
        try:
            yield holder.info.backend_pid
        finally:
            holder.rollback()
            thread.join()


def named(url: str) -> list[waits.Holder]:
    deadline = time.monotonic() + 30
    with psycopg.connect(url, autocommit=True) as link:
        while not (found := waits.holders(link)):
            assert time.monotonic() < deadline
    return found


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waits, "PATIENCE", 0.1)


def test_the_holder_of_the_import_lock_is_named(
    database: PostgresqlDatabase, migrated: str
) -> None:
    assert "at work" in waits.told(migrated)
    with held(migrated, LOCK) as pid:
        [one] = named(migrated)
        assert (one.pid, one.waiting, one.imports) == (pid, 1, True)
        assert f"session {pid}" in waits.told(migrated) and "lock of all imports" in str(one)


def test_the_holder_of_a_table_is_named(database: PostgresqlDatabase, migrated: str) -> None:
    with held(migrated, "LOCK TABLE location IN ACCESS EXCLUSIVE MODE") as pid:
        [one] = named(migrated)
        assert (one.pid, one.imports, one.tables) == (pid, False, "location")
        assert "holds location" in str(one) and "idle in transaction" in str(one)


def test_a_server_that_is_away_is_told_and_not_raised() -> None:
    assert "refused" in waits.told("postgresql://x@127.0.0.1:1/x")


def test_a_session_that_hangs_in_a_transaction_is_ended_by_the_server(
    database: PostgresqlDatabase,
) -> None:
    shown = database.execute_sql("SHOW idle_in_transaction_session_timeout").fetchone()
    assert shown == (IDLE_IN_TRANSACTION,)
    assert database.execute_sql("SHOW timezone").fetchone() == ("UTC",)


def test_options_of_the_url_stay_in_force_beside_ours(migrated: str) -> None:
    url = f"{migrated}&options=-csearch_path%3Dpublic"
    with psycopg.connect(url, **session_options(url, lock_timeout=1.5)) as link:
        assert link.execute("SHOW search_path").fetchone() == ("public",)
        assert link.execute("SHOW lock_timeout").fetchone() == ("1500ms",)
