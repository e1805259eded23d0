"""The process's connection, when the server ends it between two questions."""

from __future__ import annotations

import threading
import time

import psycopg
import pytest
from peewee import PostgresqlDatabase

from mrilu.runtime import database as module
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
