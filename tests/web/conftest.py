"""The pages over the session's servers, asked in process."""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from peewee import PostgresqlDatabase
from redis import Redis

from jobs.import_messages import import_messages
from models import Message, Restriction
from mrilu.dictionary.entries import Entry, Export
from mrilu.dictionary.store import store_export
from mrilu.mail.permalinks import hash_of
from mrilu.runtime.operators import operator_token
from mrilu.settings.table import Settings
from mrilu.web.app import make_app
from tests.factories import deliver, mail, make_maildir, register

Ask = Callable[..., FlaskClient]
Import = Callable[..., str]
Sync = Callable[..., None]
LIST = "tea.example.org"
START = datetime(2024, 5, 1, tzinfo=UTC)
ALL_MAY_GO = 100


@pytest.fixture
def open_pages(
    service_settings: Settings, database: PostgresqlDatabase, redis_client: Redis
) -> Iterator[Ask]:
    """Make a client of the pages under the given settings; what requests began beside themselves ends with the test."""

    def make(**settings: object) -> FlaskClient:
        app = make_app(replace(service_settings, **settings))  # type: ignore[arg-type]
        app.testing = False
        return app.test_client()

    yield make
    for thread in threading.enumerate():
        if thread.name in ("slow-facts", "status-facts"):
            thread.join(30)


@pytest.fixture
def pages(open_pages: Ask) -> FlaskClient:
    """A client on this machine, under the default settings."""
    return open_pages()


@pytest.fixture
def operator(pages: FlaskClient, redis_client: Redis) -> FlaskClient:
    """A client that sends the operators' password with each request."""
    told = base64.b64encode(f"me:{operator_token(redis_client)}".encode()).decode()
    pages.environ_base["HTTP_AUTHORIZATION"] = f"Basic {told}"
    return pages


@pytest.fixture
def scraper(open_pages: Ask) -> FlaskClient:
    """A client that may see the metrics."""
    client = open_pages(metrics_token="scrape")  # noqa: S106
    client.environ_base["HTTP_AUTHORIZATION"] = "Bearer scrape"
    return client


@pytest.fixture
def scrape(scraper: FlaskClient) -> Callable[[], dict[str, float]]:
    """Scrape /metrics with the slow facts fresh; return the values by the line's name and labels."""

    def now() -> dict[str, float]:
        scraper.application.extensions["slow_facts"].renew()
        return values(scraper.get("/metrics").text)

    return now


def values(text: str) -> dict[str, float]:
    """Read Prometheus's text format."""
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, value = re.fullmatch(r"(.*) (\S+)", line).groups()  # type: ignore[union-attr]
            found[name] = float(value)
    return found


@pytest.fixture
def take_in(tmp_path: Path, pages: FlaskClient) -> Import:
    """A function that imports one mail of the list and returns the hash of its Message-ID."""
    root = make_maildir(tmp_path / "Maildir")
    register(root)

    def take(name: str, **facts: str) -> str:
        raw = mail(f"<{name}>", **({"list_id": f"<{LIST}>"} | facts))
        assert import_messages("test", [deliver(root, raw)])["imported"] == 1
        return hash_of(name)

    return take


def hide(message_hash: str) -> None:
    bit = int(Restriction.WITHHELD)
    query = Message.update(restrictions=Message.restrictions.bin_or(bit))
    assert query.where(Message.id == Message.at_permalink(message_hash)[0].id).execute() == 1


def entry(word: str, number: int, text: str = "it", **facts: Any) -> Entry:
    known = {
        "type": "gismu", "unofficial": False, "rafsi": (), "selmaho": "", "username": "ann", "realname": "",
        "notes": "", "score": 5.0, "glosses": (),
    }  # fmt: skip
    return Entry(word=word, source_id=number, definition=text, **(known | facts))


@pytest.fixture
def sync(database: PostgresqlDatabase) -> Sync:
    """A function that makes a language's dictionary these entries; each call is a day later."""
    day = [START]

    def store(*entries: Entry, tag: str = "en", name: str = "English") -> None:
        day[0] += timedelta(days=1)
        with database.atomic():
            export = Export(language=name, entries=list(entries))
            store_export(database, tag, f"file:{tag}", export, day[0], ALL_MAY_GO)

    return store


def forget(pages: FlaskClient) -> None:
    """Let nothing be kept of what was asked before."""
    for name in ("words", "word_facets"):
        kept = pages.application.extensions[name]
        kept._answers.clear()
