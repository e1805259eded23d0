"""Health, unsubscribing, the dashboard, and who may see what."""

from __future__ import annotations

import base64
import json
import re

import pytest
from flask.testing import FlaskClient
from peewee import PostgresqlDatabase
from redis import Redis
from rich.console import Console
from rq import SimpleWorker
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.suspension import resume, suspend

from models import Subscriber, Subscription
from mrilu.cli.status import gather, show
from mrilu.notifications.links import SubscriptionScope, sign, token_key
from mrilu.queues.queues import put_import, queue
from mrilu.runtime.heartbeat import beat
from mrilu.runtime.operators import TOKEN_KEY, operator_token
from mrilu.runtime.redis import redis_connection
from mrilu.web.guesses import AT_ONCE, SECONDS, Guesses
from tests.web.conftest import Ask

PASSWORD = "hush-hush"


def basic(password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'me:{password}'.encode()).decode()}"}


GOOD, BAD = basic(PASSWORD), basic("guess")
FAR = {"REMOTE_ADDR": "203.0.113.9"}


def test_it_lives_and_says_what_is_missing_until_it_is_ready(pages: FlaskClient) -> None:
    assert pages.get("/livez").text == "ok\n"
    answer = pages.get("/readyz")
    expected = {
        "ready": False,
        "postgresql": True,
        "redis": True,
        "watcher": False,
        "scheduler": False,
        "queues": True,
    }
    assert (answer.status_code, answer.json) == (503, expected)
    beat("watcher", {})
    beat("scheduler", {})
    answer = pages.get("/readyz")
    assert answer.status_code == 200 and all(answer.json.values())
    suspend(redis_connection())
    answer = pages.get("/readyz")
    assert answer.status_code == 503 and answer.json["queues"] is False
    resume(redis_connection())


@pytest.mark.parametrize("service", ["database", "redis_connection"])
def test_a_service_that_is_away_makes_it_unready_without_a_word_more(
    pages, monkeypatch, service
) -> None:
    def away() -> None:
        raise ConnectionError("hush: the password is x")

    monkeypatch.setattr(f"mrilu.web.health.{service}", away)
    answer = pages.get("/readyz")
    assert answer.status_code == 503 and "hush" not in answer.text


@pytest.mark.parametrize("headers", [{}, BAD, {"Authorization": "Bearer guess"}])
def test_the_metrics_are_closed_to_this_machine_too(pages, headers) -> None:
    answer = pages.get("/metrics", headers=headers)
    assert answer.status_code == 401 and "OPERATOR_PASSWORD" in answer.text


def test_a_token_of_its_own_opens_the_metrics_and_nothing_else(open_pages: Ask) -> None:
    client = open_pages(operator_password=PASSWORD, metrics_token="scrape")  # noqa: S106
    bearer = {"Authorization": "Bearer scrape"}
    assert client.get("/metrics", headers=bearer, environ_overrides=FAR).status_code == 200
    assert client.get("/metrics", headers=GOOD).status_code == 200
    assert client.get("/rq/", headers=bearer).status_code == 401
    assert client.get("/rq/", headers={"Authorization": f"Bearer {PASSWORD}"}).status_code == 200


@pytest.mark.parametrize(
    "path", ["/rq", "/rq/", "/rq/0/data/queues.json", "/rq/static/css/main.css"]
)
def test_the_dashboard_is_closed_to_this_machine_too(pages, path) -> None:
    for headers in ({}, BAD):
        answer = pages.get(path, headers=headers)
        assert answer.status_code == 401 and "./run.sh status" in answer.text


def test_without_a_password_the_token_of_status_opens_it(pages, redis_client, capsys) -> None:
    show(gather(), Console(width=200))
    token = re.search(r"/rq any user name, password: (\w{32})\n", capsys.readouterr().out)
    assert token and pages.get("/rq/", headers=basic(token[1])).status_code == 200
    assert pages.get("/metrics", headers=basic(token[1]), environ_overrides=FAR).status_code == 200
    redis_client.delete(TOKEN_KEY)
    assert pages.get("/rq/", headers=basic(token[1])).status_code == 401


def test_status_for_scripts_holds_no_token(pages, redis_client) -> None:
    assert operator_token(redis_client) not in json.dumps(gather(), default=str)


def test_with_a_password_the_dashboard_needs_it_even_here(open_pages: Ask) -> None:
    client = open_pages(operator_password=PASSWORD, site_url="https://archive.example.org")
    for path in ("/rq", "/rq/", "/rq/0/data/queues.json", "/rq/static/css/main.css"):
        assert client.get(path).status_code == 401
        assert client.get(path, headers=BAD).status_code == 401
    assert client.get("/rq/", headers=GOOD, environ_overrides=FAR).status_code == 200
    assert client.get("/metrics", headers=GOOD, environ_overrides=FAR).status_code == 200
    assert client.get("/metrics", headers=BAD, environ_overrides=FAR).status_code == 401


def test_wrong_guesses_are_slowed_and_logged_and_an_operator_who_was_here_is_not(
    open_pages: Ask, caplog
) -> None:
    client, other = (open_pages(operator_password=PASSWORD).application.test_client() for _ in "ab")
    other.application = client.application
    assert client.get("/rq/", headers=GOOD).status_code == 200  # leaves a cookie
    answers = [other.get("/rq/", headers=BAD).status_code for _ in range(AT_ONCE + 5)]
    assert answers == [401] * AT_ONCE + [429] * 5
    assert caplog.text.count("wrong operator password address=127.0.0.1") == AT_ONCE
    refused = other.get("/rq/", headers=GOOD)
    assert refused.status_code == 429 and 0 < int(refused.headers["Retry-After"]) <= SECONDS
    assert client.get("/rq/", headers=GOOD).status_code == 200
    assert client.get("/rq/", headers=BAD).status_code == 401
    assert other.get("/rq/", headers=GOOD, environ_overrides=FAR).status_code == 200
    assert client.get("/rq/").status_code == 401  # the cookie opens nothing


def test_a_guess_is_taken_again_after_a_while() -> None:
    now = [0.0]
    guesses = Guesses(lambda: now[0])
    for _ in range(AT_ONCE):
        assert not guesses.seconds_to_wait("a")
        guesses.note_wrong("a")
    assert guesses.seconds_to_wait("a") == SECONDS and not guesses.seconds_to_wait("b")
    now[0] += SECONDS
    assert not guesses.seconds_to_wait("a")


def test_another_site_cannot_make_an_operators_browser_change_anything(
    operator: FlaskClient, redis_client: Redis
) -> None:
    pages = operator
    put_import(queue("mail"), "test", ["new/1.x"], at_front=False)
    for headers in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ):
        assert pages.post("/rq/queue/mail/queued/empty", headers=headers).status_code == 403
    assert pages.get("/rq/requeue/mail").status_code == 405
    assert queue("mail").count == 1
    same = {"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"}
    assert pages.post("/rq/queue/mail/queued/empty", headers=same).status_code == 200
    assert queue("mail").count == 0


@pytest.mark.parametrize("page", ["job/1", "jobs", "jobs/mail/failed/8/asc/1", "workers", "queues"])
def test_the_dashboard_puts_no_foreign_text_into_a_page_as_it_is(
    operator: FlaskClient, redis_client: Redis, page
) -> None:
    Job.create(print, id="1", connection=redis_client, serializer=JSONSerializer).save()
    text = operator.get(f"/rq/0/view/{page}", follow_redirects=True).text
    assert "<%-" in text and "<%=" not in text and ".html() %>" not in text


def test_the_dashboard_shows_json_jobs_and_no_secret(
    operator: FlaskClient, redis_client: Redis
) -> None:
    pages = operator
    job = put_import(queue("mail"), "nobody", ["new/1.x"], at_front=False)
    assert pages.get("/rq/0/data/queues.json").json["queues"][0]["count"] == 1
    [row] = pages.get("/rq/0/data/jobs/mail/queued/8/asc/1.json").json["jobs"]
    assert row["id"] == job.id and row["description"] == "import_messages(nobody, 1 files)"
    SimpleWorker([queue("mail")], connection=redis_client, serializer=JSONSerializer).work(
        burst=True
    )
    facts = pages.get(f"/rq/0/data/job/{job.id}.json").json
    assert facts["status"] == "failed" and "UnknownMaildir" in facts["exc_info"]
    for view in (f"/rq/0/view/job/{job.id}", "/rq/0/view/workers", "/rq/0/view/jobs", "/rq/"):
        answer = pages.get(view)
        assert answer.status_code == 200 and "unix:" not in answer.text
    assert pages.get("/rq/0/data/workers.json").status_code == 200


def test_where_rq_would_unpickle_there_is_no_dashboard(open_pages: Ask, monkeypatch) -> None:
    from rq.serializers import DefaultSerializer

    monkeypatch.setattr(
        "mrilu.web.dashboard.resolve_serializer", lambda _: DefaultSerializer.__class__
    )
    assert open_pages().get("/rq/").status_code == 503


@pytest.fixture
def token(database: PostgresqlDatabase) -> str:
    for number in (1, 2):
        who = Subscriber.insert(
            address=f"{number}@x.example", locale="en", timezone="UTC", digest="none"
        )
        owner = who.execute()
        database.execute_sql(
            "INSERT INTO subscription (subscriber, kind, target, label) VALUES (%s, 'word', 'coi', 'coi')",
            (owner,),
        )
    return sign(SubscriptionScope(1, 1, 0), token_key(database, None))


def owners() -> list[int]:
    return [row.subscriber for row in Subscription.select().order_by(Subscription.id)]


def test_one_click_unsubscribes_and_again_is_no_error(pages: FlaskClient, token: str) -> None:
    where = f"/unsubscribe/{token}"
    for _ in range(2):  # RFC 8058, 3.1, from anywhere, without cookies
        answer = pages.post(where, data={"List-Unsubscribe": "One-Click"}, environ_overrides=FAR)
        assert answer.status_code == 200 and owners() == [2]


def test_a_scanner_that_follows_the_link_unsubscribes_nobody(
    pages: FlaskClient, token: str
) -> None:
    answer = pages.get(f"/unsubscribe/{token}")
    assert (
        answer.status_code == 200 and '<form method="post">' in answer.text and owners() == [1, 2]
    )
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert token not in answer.text and "x.example" not in answer.text


@pytest.mark.parametrize("change", [lambda t: t[:-1] + "!", lambda t: "2" + t[1:], lambda t: t.replace(".1.", ".2.", 1),
                                    lambda t: "x"])  # fmt: skip
def test_a_forged_link_is_refused(pages: FlaskClient, token: str, change) -> None:
    for method in (pages.get, pages.post):
        assert method(f"/unsubscribe/{change(token)}").status_code == 404
    assert owners() == [1, 2]


def test_an_error_is_a_page_without_a_trace_and_one_line_in_the_log(
    pages, monkeypatch, capsys, token
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("inside")

    monkeypatch.setattr("mrilu.web.routes.subscribing.database", broken)
    answer = pages.get(f"/unsubscribe/{token}")
    assert (
        answer.status_code == 500 and "inside" not in answer.text and "Traceback" not in answer.text
    )
    assert pages.get("/no/such/page").status_code == 404


def test_every_page_says_what_browsers_may_do_with_it(operator: FlaskClient) -> None:
    pages = operator
    for path in ("/", "/livez", "/rq/", "/nothing", "/static/frame.css"):
        with pages.get(path) as answer:
            headers = answer.headers
        assert "default-src 'self'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
    assert "unsafe" not in pages.get("/").headers["Content-Security-Policy"]
