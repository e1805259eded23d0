"""New messages are matched after the import's transaction, and none is forgotten on the way."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

import models
from jobs.import_messages import import_messages
from jobs.send_notifications import send_notifications
from models import Message, News, Notification, Reader, Restriction
from mrilu.archive import store
from mrilu.archive.lock import THREAD_LOCK
from mrilu.notifications import news
from mrilu.notifications.events import NewsRules
from mrilu.settings.table import Settings

RULES = NewsRules(30, "", "https://archive.example")
LOCKED = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND (classid::bigint << 32) + objid::bigint = %s"


Arrive = Callable[..., None]


@pytest.fixture(autouse=True)
def subscribed(search_for: Callable[..., None]) -> None:
    search_for("aardvark", "eve@example.org")


@pytest.fixture
def unmatched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Imports that are killed before they match."""
    monkeypatch.setattr(store, "match_if_possible", lambda *args: None)


def test_a_message_is_matched_by_its_import(arrive: Arrive) -> None:
    arrive(body="an aardvark")
    assert (Notification.select().count(), News.select().count()) == (1, 0)


def test_no_one_waits_for_the_matching(arrive: Arrive, monkeypatch: pytest.MonkeyPatch) -> None:
    held = []

    def look(*args: object) -> int:
        held.append(models.db.execute_sql(LOCKED, (THREAD_LOCK,)).fetchone()[0])
        return 0

    monkeypatch.setattr(news, "notify_new_messages", look)
    arrive(body="an aardvark")
    assert held == [0]


def test_what_a_killed_import_left_is_matched_by_the_sender(
    arrive: Arrive, unmatched: None, service_settings: Settings
) -> None:
    arrive(body="an aardvark")
    assert (Notification.select().count(), News.select().count()) == (0, 1)
    send_notifications()
    assert (Notification.select().count(), News.select().count()) == (1, 0)


def test_the_import_that_is_run_again_matches_what_the_killed_one_left(
    tmp_path: Path, arrive: Arrive, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(store, "match_if_possible", lambda *args: None)
        arrive(body="an aardvark")
    [file] = (tmp_path / "Maildir" / "new").iterdir()
    assert import_messages("test", [f"new/{file.name}"]) == {"known": 1}
    assert (Notification.select().count(), News.select().count()) == (1, 0)


def test_a_database_that_goes_away_loses_neither_the_mail_nor_its_news(
    arrive: Arrive, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> int:
        raise psycopg.OperationalError("the connection is closed")

    with monkeypatch.context() as patched:
        patched.setattr(news, "notify_new_messages", fail)
        arrive(body="an aardvark")
    assert (Message.select().count(), News.select().count()) == (1, 1)
    assert news.match_news(models.db, RULES) == 1


def test_one_message_that_cannot_be_matched_keeps_no_other_back(
    arrive: Arrive,
    unmatched: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for body in ("an aardvark", "the bad aardvark", "aardvarks"):
        arrive(body=body)
    bad = Message.get(Message.body.startswith("the bad")).id
    match = news.notify_new_messages

    def refuse(connection: psycopg.Connection, fresh: dict[int, float], *more: object) -> int:
        if bad in fresh:
            connection.execute("SELECT 1 / 0")
        return match(connection, fresh, *more)

    monkeypatch.setattr(news, "notify_new_messages", refuse)
    with caplog.at_level(logging.ERROR):
        assert news.match_news(models.db, RULES) == 2
    assert "cannot be matched" in caplog.text
    assert News.select().count() == 0


def test_rows_that_another_worker_has_are_left_to_it(
    arrive: Arrive, unmatched: None, migrated: str
) -> None:
    arrive(body="an aardvark")
    arrive(body="an aardvark")
    with psycopg.connect(migrated) as other:
        first = other.execute("SELECT id FROM news ORDER BY id LIMIT 1 FOR UPDATE").fetchone()
        assert news.match_news(models.db, RULES) == 1
        assert [(row.id,) for row in News.select()] == [first]


@pytest.mark.parametrize(
    "reader", [Reader(int(Restriction.NO_ARCHIVE), ()), Reader(0, ("tea.example.org",))]
)
def test_subscribers_hear_of_what_everyone_may_read_alone(
    arrive: Arrive, unmatched: None, reader: Reader
) -> None:
    arrive(body="aardvark", list_id="<tea.example.org>", more="X-No-Archive: yes\n")
    assert news.match_news(models.db, replace(RULES, reader=reader)) == 0
