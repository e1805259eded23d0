"""The process's connections: when the server ends one between two questions, and when the settings change."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import psycopg
import pytest
from peewee import PostgresqlDatabase

import models
from mrilu.runtime import database as module
from mrilu.settings.current import current_settings, use_settings
from mrilu.settings.table import Settings


def _end_session(settings: Settings, number: int) -> None:
    """End a session, and wait until it is gone."""
    deadline = time.monotonic() + 30
    with psycopg.connect(str(settings.database_url), autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 30000)", (number,))
        while other.execute("SELECT FROM pg_stat_activity WHERE pid = %s", (number,)).fetchone():
            assert time.monotonic() < deadline


def _session() -> int:
    found = module.database().connection().execute("SELECT pg_backend_pid()").fetchone()
    return int(found[0])


def test_a_session_that_was_just_ended_is_opened_again(
    database: PostgresqlDatabase, service_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ANSWER_SECONDS", 3600.0)
    first = _session()
    _end_session(service_settings, first)
    assert _session() != first


def test_one_sign_of_life_is_enough_for_the_questions_of_a_second(
    database: PostgresqlDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = module.database().connection()
    asked: list[str] = []
    execute = connection.execute

    def note(query: str, *more: object, **facts: object) -> object:
        asked.append(query)
        return execute(query, *more, **facts)

    monkeypatch.setattr(connection, "execute", note)
    monkeypatch.setattr(module, "_answered", threading.local())
    for at, signs in ((100.0, 1), (100.9, 1), (101.5, 2), (101.6, 2)):
        monkeypatch.setattr(module.time, "monotonic", lambda at=at: at)
        assert module.database().connection() is connection
        assert asked.count("") == signs


@pytest.fixture
def elsewhere(database: PostgresqlDatabase, service_settings: Settings) -> Settings:
    """Settings that lead to another database of the same server."""
    url = str(service_settings.database_url).replace("@/mrilu?", "@/postgres?")
    return replace(service_settings, database_url=url)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """One thread besides this one, whose connection is closed at the end."""
    with ThreadPoolExecutor(1) as one:
        yield one
        one.submit(models.db.close).result(30)


def _name() -> str:
    return str(module.database().execute_sql("SELECT current_database()").fetchone()[0])


def test_each_threads_connection_follows_the_settings(
    elsewhere: Settings, pool: ThreadPoolExecutor
) -> None:
    assert (_name(), pool.submit(_name).result(30)) == ("mrilu", "mrilu")
    use_settings(elsewhere)
    assert (_name(), pool.submit(_name).result(30)) == ("postgres", "postgres")


def test_a_thread_that_has_read_the_settings_of_before_leads_nobody_back_to_them(
    elsewhere: Settings, service_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []

    def read_late() -> Settings:
        if read:
            return current_settings()
        read.append(True)
        use_settings(elsewhere)
        assert _name() == "postgres"
        return service_settings

    monkeypatch.setattr(module, "current_settings", read_late)
    assert _name() == "postgres"


def test_no_thread_takes_a_database_for_bound_that_another_is_still_binding(
    elsewhere: Settings, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_settings(elsewhere)
    names: list[str] = []
    others: list[threading.Thread] = []
    bind = models.bind

    def ask() -> None:
        names.append(_name())
        models.db.close()

    def bind_slowly(url: str, **limits: float) -> PostgresqlDatabase:
        other = threading.Thread(target=ask, daemon=True)
        monkeypatch.setattr(models, "bind", bind)
        other.start()
        other.join(0.3)  # it waits for us; where it does not, it is done by then
        others.append(other)
        return bind(url, **limits)

    monkeypatch.setattr(models, "bind", bind_slowly)
    names.append(_name())
    others[0].join(30)
    assert names == ["postgres", "postgres"]
