"""PostgreSQL or Redis away, refusing or silent: every route says so in its own form, soon, and no other breaks."""

from __future__ import annotations

import base64
import re
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from models import Definition
from mrilu.settings.current import use_settings
from mrilu.settings.table import Settings
from mrilu.web import access, health, metrics, patience
from mrilu.web.app import make_app
from mrilu.web.patience import Asker, Askers
from mrilu.web.routes import status, subscribing
from tests.web.conftest import LIST, Import, Sync, entry
from tests.web.test_operators import DASHBOARD, PASSWORD

LOGIN = f"Basic {base64.b64encode(f'me:{PASSWORD}'.encode()).decode()}"
SUBSCRIBING = {"address": "me@there.example", "kind": "word", "target": "klama"}
SOON = (
    8.0  # seconds, on a busy machine: patience with a server that is away is a fraction of one here
)
PATIENCE, MUCH_PATIENCE = 0.3, 60.0
REFUSING, SILENT = "refusing", "silent"
AWAY = "The archive cannot be reached just now"
# What is the same whether PostgreSQL is there or not; all else needs it, a new route too unless it is named here.
NEEDS_NO_DATABASE = frozenset(
    (
        "static", "assets.asset", "lists.all_lists", "words_then.choose", "words.opensearch",
        "api.description", "operators.ask_password", "operators.take_password", "operators.leave",
        "operators.run_job", "health.livez", "metrics.metrics", "subscribing.ask_subscribe",
        "elsewhere.word_before", "elsewhere.message_at_hyperkittys", "elsewhere.thread_at_hyperkittys",
        "elsewhere.list_at_hyperkittys",
    )
)  # fmt: skip
NEEDS_REDIS = frozenset(
    ("status.status", "api.status", "operators.run_job", "health.readyz")
)  # fmt: skip


class Asked(NamedTuple):
    """A way to ask a route."""

    endpoint: str
    method: str
    place: str


def ways(app: Flask, values: dict[str, str]) -> list[Asked]:
    """Return every route with each of its methods; what has no value is 1."""
    found = []
    for rule in app.url_map.iter_rules():
        given = values | ({"day": "06"} if rule.endpoint == "robots.sitemap" else {})
        place = re.sub(r"<(?:\w+:)?(\w+)>", _filling(given), str(rule))
        for method in sorted(rule.methods & {"GET", "POST"}):  # type: ignore[operator]
            found.append(Asked(rule.endpoint, method, place))
    return found


def _filling(values: dict[str, str]) -> Callable[[re.Match[str]], str]:
    return lambda found: values.get(found[1], "1")


@contextmanager
def silent_port() -> Iterator[int]:
    """A port that takes connections and says nothing; they are closed at the end, so that no thread waits on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken: list[socket.socket] = []

        def take() -> None:
            try:
                while True:
                    taken.append(server.accept()[0])
            except OSError:
                return

        thread = threading.Thread(target=take)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(10)
            for one in taken:
                one.close()


@contextmanager
def refusing_port() -> Iterator[int]:
    """A port that nobody listens on: it is bound, so that nobody else takes it."""
    with closing(socket.socket()) as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


class Patient(Asker):
    """Asks with as much patience as it has, whatever it is told to have."""

    def __init__(self, patience: float) -> None:
        super().__init__("away")
        self._patience = patience

    def ask(self, work: Callable[[], Any], seconds: float) -> Any:
        return super().ask(work, self._patience)


def be_patient(monkeypatch: pytest.MonkeyPatch, *, postgresql: float, redis: float) -> None:
    """Let new threads ask the servers, with so many seconds' patience: the one that is there may take its time."""
    for module, name, patient in (
        (access, "_redis", redis), (health, "_redis", redis), (health, "_postgresql", postgresql),
        (metrics, "_redis", redis), (metrics, "_postgresql", postgresql), (status, "_redis", redis),
        (status, "_postgresql", postgresql), (status, "_both", PATIENCE),
        (subscribing, "_database", postgresql),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, Patient(patient))
    monkeypatch.setattr(patience, "_database", Askers("away", 6))
    monkeypatch.setattr(patience, "PATIENCE", postgresql)
    monkeypatch.setattr(status, "FIRST_PATIENCE", PATIENCE)


@pytest.fixture(params=[REFUSING, SILENT])
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    """The port of a server that is away."""
    with refusing_port() if request.param == REFUSING else silent_port() as number:
        yield number


@pytest.fixture
def impatient_with_postgresql(monkeypatch: pytest.MonkeyPatch) -> None:
    be_patient(monkeypatch, postgresql=PATIENCE, redis=MUCH_PATIENCE)


@pytest.fixture
def impatient_with_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    be_patient(monkeypatch, postgresql=MUCH_PATIENCE, redis=PATIENCE)


@pytest.fixture
def values(take_in: Import, sync: Sync) -> dict[str, str]:
    """What each variable of a route is, so that it leads to something that is there."""
    sync(entry("klama", 11))
    body = (
        "--b\nContent-Type: text/html\n\n<p>tea</p>\n--b\nContent-Type: text/plain\n\ntea\n--b--\n"
    )
    more = "MIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=b\n"
    found = take_in("one@x", subject="tea", body=body, more=more)
    return {
        "message_hash": found, "name": LIST, "month": "2025-10", "word": "klama", "rest": "one@x/raw",
        "instance_number": "0", "part": "2", "day": f"{Definition.get().added_at.date()}", "job": "upkeep",
    }  # fmt: skip


@pytest.fixture
def chosen(service_settings: Settings) -> Settings:
    return replace(service_settings, operator_password=PASSWORD, embeddings=False, page_rate=10**6,
                   search_rate=10**6, download_rate=10**6)  # fmt: skip


def answers(
    settings: Settings, values: dict[str, str], accept: str = "text/html"
) -> Iterator[tuple[Asked, TestResponse]]:
    """Ask every route as an operator whose forms are ours; TimeoutError where one does not answer soon."""
    use_settings(settings)
    app = make_app(settings)
    headers = {"Authorization": LOGIN, "Accept": accept}
    with app.test_request_context(headers=headers):
        token = access.form_token()
    pool = ThreadPoolExecutor(1)

    def ask(one: Asked) -> TestResponse:
        query = "?q=klama&id=one@x" if one.method == "GET" else ""
        data = (
            {"token": token, "password": PASSWORD, **SUBSCRIBING} if one.method == "POST" else None
        )
        client = app.test_client()  # with no session of the one before
        with client.open(one.place + query, method=one.method, headers=headers, data=data) as got:
            got.get_data()
            return got

    for one in ways(app, values):
        yield one, pool.submit(ask, one).result(SOON)
    pool.shutdown()


def away_database(settings: Settings, port: int) -> Settings:
    return replace(settings, database_url=f"postgresql://nobody@127.0.0.1:{port}/mrilu")


def away_redis(settings: Settings, port: int) -> Settings:
    return replace(settings, redis_url=f"redis://127.0.0.1:{port}/0?socket_timeout={PATIENCE}")


@pytest.mark.parametrize(
    ("port", "accept"),
    [(REFUSING, "text/html"), (REFUSING, "application/json"), (SILENT, "text/html")],
    indirect=["port"],
)
@pytest.mark.usefixtures("impatient_with_postgresql")
def test_without_postgresql_every_route_that_needs_it_says_when_to_come_again(
    values: dict[str, str], chosen: Settings, port: int, accept: str
) -> None:
    wrong = []
    for one, answer in answers(away_database(chosen, port), values, accept):
        if one.endpoint.startswith(
            DASHBOARD
        ):  # others' code: it asks Redis alone, for what is not there
            fine = True
        elif one.endpoint in NEEDS_NO_DATABASE:
            fine = answer.status_code < 500
        elif one.endpoint == "health.readyz":
            fine = answer.status_code == 503 and not answer.json["postgresql"]  # type: ignore[index]
        else:
            fine = answer.status_code == 503 and tells(answer, one, accept)
        if not fine or broken(answer):
            wrong.append(f"{one}: {answer.status_code} {answer.text[:200]}")
    assert not wrong, "\n".join(wrong)


def tells(answer: TestResponse, one: Asked, accept: str) -> bool:
    """Tell whether an answer says in its form that the database is away, and when to come again."""
    if not int(answer.headers["Retry-After"]):
        return False
    wants_json = accept == "application/json" or one.endpoint.startswith("api.")
    if one.endpoint in ("status.status", "api.status"):
        return "PostgreSQL" in answer.text and answer.is_json == wants_json
    if wants_json:
        return bool(answer.json["status"] == 503 and AWAY in answer.json["error"])  # type: ignore[index]
    return f"<h1>{AWAY}" in answer.text and "come again in 10 seconds" in answer.text


def broken(answer: TestResponse) -> bool:
    text = answer.get_data()
    return any(word in text for word in (b"Traceback", b"psycopg", b"peewee", b"ConnectionError"))


@pytest.mark.usefixtures("impatient_with_redis")
def test_without_redis_every_page_is_what_it_was(
    values: dict[str, str], chosen: Settings, port: int
) -> None:
    usual = {one: answer.status_code for one, answer in answers(chosen, values)}
    wrong = []
    for one, answer in answers(away_redis(chosen, port), values):
        expected = {503} if one.endpoint in NEEDS_REDIS else {usual[one]}
        if one.endpoint.startswith(DASHBOARD):
            expected = {usual[one], 503}
        if answer.status_code not in expected or broken(answer):
            wrong.append(f"{one}: {answer.status_code}, not {expected}: {answer.text[:150]}")
        if answer.status_code == 503 and one.endpoint != "health.readyz":
            assert int(answer.headers["Retry-After"]), one
    assert not wrong, "\n".join(wrong)


@pytest.mark.usefixtures("impatient_with_redis")
def test_a_stranger_reads_on_without_redis(
    values: dict[str, str], service_settings: Settings, port: int
) -> None:
    settings = away_redis(replace(service_settings, embeddings=False), port)
    use_settings(settings)
    client = make_app(settings).test_client()
    for place in ("/", f"/l/{LIST}/", f"/m/{values['message_hash']}/", "/search?q=tea", "/w/klama"):
        assert client.get(place).status_code == 200, place
    # With no password of their own choice, operators have theirs in Redis.
    told = client.get("/status", headers={"Accept": "text/html", "Authorization": LOGIN})
    assert told.status_code == 503 and "Retry-After" in told.headers
