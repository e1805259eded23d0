"""Operators log in, act, and see what is closed to strangers; nobody else does."""

from __future__ import annotations

import logging
import re

import pytest
from flask.testing import FlaskClient
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from werkzeug.routing import Rule

from models import Message, Restriction, Withholding
from mrilu.mail.permalinks import hash_of
from mrilu.runtime.operators import operator_token
from mrilu.web import sessions
from mrilu.web.guesses import AT_ONCE
from tests.web.conftest import Ask, Import

PASSWORD = "hush-hush"
# What acts without a token of ours, with the reason.
TOKENLESS = {
    "operators.take_password": "nobody has a session before it; other sites are refused",
    "public_inbox.inbox": "changes nothing: lei posts a search",
    "subscribing.ask_to_confirm": "everyone's; it sends a mail that asks",
    "subscribing.give_up_subscription": "one click of a mail program (RFC 8058); the address is signed",
    "subscribing.begin_subscription": "the address is signed",
    "subscribing.change_preferences": "the address is signed",
}
DASHBOARD = "rq_dashboard."  # its scripts send no token: SameSite and the origin guard it


def log_in(client: FlaskClient, password: str = PASSWORD, **more: str) -> FlaskClient:
    answer = client.post("/login", data={"password": password, **more})
    assert answer.status_code == 303, answer.text
    return client


def token_in(client: FlaskClient, page: str = "/status") -> str:
    return re.search(r'name="token" value="(\w+)"', client.get(page).text)[1]  # type: ignore[index]


def test_the_form_begins_a_session_that_opens_the_operators_pages(open_pages: Ask) -> None:
    client = open_pages(operator_password=PASSWORD)
    led = client.get("/status", headers={"Accept": "text/html"})
    assert (led.status_code, led.location) == (303, "/login?next=/status")
    assert client.get("/status").status_code == 401  # a script is asked for the password
    assert 'name="password"' in client.get(led.location).text
    assert client.post("/login", data={"password": "guess"}).status_code == 403
    answer = client.post("/login", data={"password": PASSWORD, "next": "/rq/"})
    assert (answer.status_code, answer.location) == (303, "/rq/")
    cookie = next(one for one in answer.headers.getlist("Set-Cookie") if sessions.COOKIE in one)
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Secure" not in cookie
    for path in ("/status", "/rq/", "/metrics"):
        assert client.get(path).status_code == 200, path


@pytest.mark.parametrize(
    "place",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "javascript:alert(1)",
        "/\t/e.example",
    ],
)
def test_a_login_leads_to_no_other_site(open_pages: Ask, place: str) -> None:
    client = open_pages(operator_password=PASSWORD)
    answer = client.post("/login", data={"password": PASSWORD, "next": place})
    assert answer.location == "/status"


def test_under_https_the_cookie_is_for_https_alone(open_pages: Ask) -> None:
    client = open_pages(operator_password=PASSWORD, site_url="https://archive.example.org")
    base = "http://archive.example.org"  # what a proxy that speaks https passes on
    answer = client.post("/login", data={"password": PASSWORD}, base_url=base)
    assert all("Secure" in one for one in answer.headers.getlist("Set-Cookie"))


def test_wrong_passwords_in_the_form_are_slowed(open_pages: Ask) -> None:
    client = open_pages(operator_password=PASSWORD)
    answers = [
        client.post("/login", data={"password": "no"}).status_code for _ in range(AT_ONCE + 2)
    ]
    assert answers == [403] * AT_ONCE + [429] * 2
    refused = client.post("/login", data={"password": PASSWORD})
    assert refused.status_code == 429 and int(refused.headers["Retry-After"]) > 0


def test_a_session_ends_with_its_time_with_the_password_and_with_a_logout(open_pages: Ask) -> None:
    client = log_in(open_pages(operator_password=PASSWORD))
    cookie = client.get_cookie(sessions.COOKIE)
    assert cookie is not None
    value, now = cookie.value, int(cookie.value.split(".")[0]) - sessions.SECONDS
    assert sessions.session_in(value, PASSWORD, now + sessions.SECONDS - 1)
    assert sessions.session_in(value, PASSWORD, now + sessions.SECONDS) == ""
    assert sessions.session_in(value, "another", now) == ""
    longer = f"9{value}"
    assert sessions.session_in(longer, PASSWORD, now) == ""
    assert client.post("/logout", data={"token": token_in(client)}).status_code == 303
    client.set_cookie(sessions.COOKIE, value)  # a copy that someone kept
    assert client.get("/status").status_code == 401


@pytest.mark.parametrize("cookie", ["", ".", "..", "1.a.b", "x" * 4000, "é.é.é", "9999999999.a."])
def test_a_cookie_that_is_not_ours_opens_nothing(open_pages: Ask, cookie: str) -> None:
    assert sessions.session_in(cookie, PASSWORD, 0.0) == ""


def test_the_token_of_status_opens_the_form_where_no_password_is_set(
    pages: FlaskClient, redis_client: Redis
) -> None:
    log_in(pages, operator_token(redis_client))
    assert pages.get("/status").status_code == 200


def test_while_redis_is_away_an_operator_still_sees_the_status(
    pages: FlaskClient, redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in(pages, operator_token(redis_client))

    def gone(*_: object, **__: object) -> None:
        raise RedisConnectionError("away")

    monkeypatch.setattr(Redis, "execute_command", gone)
    monkeypatch.setattr("redis.client.Pipeline.execute", gone)
    answer = pages.get("/status")
    assert answer.status_code == 503
    assert "<strong>Redis does not answer.</strong>" in answer.text
    assert "Rejected mail" in answer.text and answer.headers["Retry-After"]


def acting_rules(client: FlaskClient) -> list[tuple[Rule, str]]:
    found = []
    for rule in client.application.url_map.iter_rules():
        found += [(rule, one) for one in sorted(rule.methods - {"GET", "HEAD", "OPTIONS"})]  # type: ignore[operator]
    return found


def filled(rule: Rule) -> str:
    """Return an address that the rule takes."""
    return re.sub(r"<(?:int:)?(?:[a-z]+:)?\w+>", "1", str(rule))


def test_every_route_that_acts_wants_a_token_or_says_why_not(
    open_pages: Ask, redis_client: Redis
) -> None:
    client = log_in(open_pages(operator_password=PASSWORD))
    told = {rule.endpoint for rule, _ in acting_rules(client)}
    assert set(TOKENLESS) <= told
    ours = 0
    for rule, method in acting_rules(client):
        if rule.endpoint in TOKENLESS:
            continue
        if rule.endpoint.startswith(DASHBOARD):
            foreign = {"Origin": "https://evil.example"}
            assert client.open(filled(rule), method=method, headers=foreign).status_code == 403
            continue
        ours += 1
        for data in (
            {},
            {"token": ""},
            {"token": "0" * 64},
            {"token": sessions.token_for("", PASSWORD)},
        ):
            answer = client.open(filled(rule), method=method, data=data)
            assert answer.status_code == 403, (rule, data)
        stranger = client.application.test_client()
        assert stranger.open(filled(rule), method=method).status_code == 401, rule
    assert ours >= 6


def test_a_token_is_of_one_session(open_pages: Ask) -> None:
    first = log_in(open_pages(operator_password=PASSWORD))
    second = log_in(first.application.test_client())
    answer = second.post("/status/run/upkeep", data={"token": token_in(first)})
    assert answer.status_code == 403
    answer = second.post("/status/run/upkeep", data={"token": token_in(second)})
    assert answer.status_code == 303


def test_a_form_from_another_site_is_refused_with_the_right_token(open_pages: Ask) -> None:
    client = log_in(open_pages(operator_password=PASSWORD))
    data = {"token": token_in(client)}
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
        assert client.post("/status/run/upkeep", data=data, headers=headers).status_code == 403
    assert (
        client.post("/login", data={"password": PASSWORD}, headers={"Origin": "null"}).status_code
        == 403
    )
    assert client.get("/status").headers["Referrer-Policy"] == "same-origin"  # else Origin is null


def test_pages_with_a_token_are_kept_and_compressed_nowhere(
    take_in: Import, pages: FlaskClient, redis_client: Redis
) -> None:
    found = take_in("one@x")
    log_in(pages, operator_token(redis_client))
    for path in ("/status", f"/m/{found}/withhold"):
        answer = pages.get(path)
        assert 'name="token"' in answer.text
        assert answer.headers["Cache-Control"] == "no-store, no-transform", path
    assert 'name="token"' not in pages.get(f"/m/{found}/").text
    assert pages.get(f"/m/{found}/").headers["Cache-Control"].startswith("private")


def test_withholding_from_the_page_hides_the_message_and_chosen_replies(
    take_in: Import, pages: FlaskClient, redis_client: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    words = "the secret of the blue teapot is that it has always been a red one\n"
    one = take_in("one@x", subject="teapot", body=words)
    reply = f"On Monday Mirli wrote:\n> {words}\nI see.\n"
    two = take_in("two@x", subject="Re: teapot", in_reply_to="<one@x>", body=reply)
    three = take_in("three@x", subject="Re: teapot", in_reply_to="<one@x>", body=f"{reply}me too\n")
    log_in(pages, operator_token(redis_client))
    asked = pages.get(f"/m/{one}/withhold").text
    numbers = {int(found) for found in re.findall(r'name="quotes" value="(\d+)"', asked)}
    ids = {name: Message.at_permalink(name)[0].id for name in (one, two, three)}
    assert numbers == {ids[two], ids[three]} and "1 line" in asked
    form = {
        "token": token_in(pages, f"/m/{one}/withhold"),
        "reason": "asked for",
        "quotes": str(ids[two]),
    }
    with caplog.at_level(logging.WARNING):
        assert pages.post(f"/m/{one}/withhold", data=form).status_code == 303
    assert "operator: messages are hidden" in caplog.text and "teapot" not in caplog.text
    stranger = pages.application.test_client()
    assert [stranger.get(f"/m/{name}/").status_code for name in (one, two, three)] == [
        410,
        410,
        200,
    ]
    shown = pages.get(f"/m/{one}/")
    assert (
        shown.status_code == 200
        and ">withheld</span>" in shown.text
        and "blue teapot" in shown.text
    )
    assert ">restore</a>" in shown.text
    assert "asked for" in pages.get(f"/m/{one}/history").text
    again = pages.post(f"/m/{one}/restore", data={"token": form["token"]})
    assert again.status_code == 303
    assert stranger.get(f"/m/{one}/").status_code == 200
    assert pages.post(f"/m/{one}/restore", data={"token": form["token"]}).status_code == 409


def test_erasing_takes_the_text_out_for_good(
    take_in: Import, pages: FlaskClient, redis_client: Redis
) -> None:
    one = take_in("one@x", body="gone for good\n")
    log_in(pages, operator_token(redis_client))
    form = {"token": token_in(pages, f"/m/{one}/withhold"), "erase": "1"}
    assert pages.post(f"/m/{one}/withhold", data=form).status_code == 303
    row = Message.at_permalink(one)[0]
    assert row.body == "" and row.restrictions & Restriction.WITHHELD
    assert Withholding.get().kind == "erased"
    assert pages.post(f"/m/{one}/restore", data=form).status_code == 409


def test_only_replies_that_quote_it_can_be_withheld_along(
    take_in: Import, pages: FlaskClient, redis_client: Redis
) -> None:
    one, other = take_in("one@x"), take_in("other@x", subject="something else")
    log_in(pages, operator_token(redis_client))
    form = {
        "token": token_in(pages, f"/m/{one}/withhold"),
        "quotes": str(Message.at_permalink(other)[0].id),
    }
    assert pages.post(f"/m/{one}/withhold", data=form).status_code == 303
    assert pages.application.test_client().get(f"/m/{other}/").status_code == 200


def test_the_history_of_a_message_names_its_files_and_the_run(
    take_in: Import, pages: FlaskClient, redis_client: Redis
) -> None:
    found = take_in("one@x")
    assert pages.get(f"/m/{found}/history").status_code == 401
    assert "history" not in pages.get(f"/m/{found}/").text
    log_in(pages, operator_token(redis_client))
    assert f'href="/m/{found}/history"' in pages.get(f"/m/{found}/").text
    text = pages.get(f"/m/{found}/history").text
    assert "test" in text and "the message" in text and "by the run" in text
    assert pages.get(f"/m/{hash_of('none@x')}/history").status_code == 404


# What a stranger must not meet of a mail of a private list.
SECRET = {
    "subject": "zanzibar plan",
    "sender": "Quixote <quixote@inside.example>",
    "more": 'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="b"\n',
    "body": """--b

wombats at dawn
--b
Content-Type: text/html

<p>wombats at dawn</p>
--b
Content-Type: text/csv; name="zanzibar.csv"
Content-Disposition: attachment; filename="zanzibar.csv"

wombats,dawn
--b--
""",
}
TRACES = (
    "zanzibar",
    "quixote",
    "wombats",
    "hidden-id@x",
    hash_of("hidden-id@x").lower(),
    "closed.example",
)


def addresses_of(rule: Rule, message_hash: str, message: Message) -> list[str]:
    """Return the addresses of a route that could tell of the message."""
    values = {
        "message_hash": [message_hash],
        "name": ["closed.example.org", message_hash, "hidden-id@x", "closed", "zanzibar.csv"],
        "month": ["2025-10"],
        "day": ["06"],
        "number": ["1", "2", "3", "4", str(message.id)],
        "rest": [f"hidden-id@x/{one}" for one in ("", "raw", "t.mbox.gz", "t.atom", "t/", "T/")],
        "word": ["zanzibar"],
    }
    made = [str(rule)]
    for argument in sorted(rule.arguments):
        filler = values.get(argument, ["1"])
        made = [re.sub(rf"<(?:\w+:)?{argument}>", one, place) for place in made for one in filler]
    queries = (
        "",
        "?q=zanzibar",
        "?q=wombats",
        "?q=from:quixote",
        "?id=hidden-id@x",
        "?thread=hidden-id@x",
        "?view=tree",
    )
    return [place + query for place in made for query in queries]


def check_tells_nothing(client: FlaskClient, place: str) -> None:
    """Check that a stranger's answer says nothing of the mail but what the address said itself."""
    with client.get(place) as answer:
        told = answer.get_data().lower() + str(answer.headers).lower().encode()
        assert answer.status_code < 500 or place.startswith("/readyz"), place
    for trace in TRACES:
        assert trace in place.lower() or trace.encode() not in told, (place, trace)
    assert b"wombats at" not in told and b"wombats,dawn" not in told
    with client.get(place, headers={"Accept": "application/json"}) as answer:
        assert b"wombats at" not in answer.get_data()


def tells(client: FlaskClient, place: str) -> bool:
    with client.get(place) as answer:
        shown = answer.get_data().lower()
    return any(one.encode() in shown and one not in place for one in ("zanzibar", "wombats"))


def test_a_stranger_meets_no_trace_of_a_private_list_and_an_operator_does(
    open_pages: Ask, take_in: Import, redis_client: Redis
) -> None:
    hashes = [take_in("open@x", subject="tea")]
    closed = "<closed.example.org>"
    hashes.append(take_in("hidden-id@x", list_id=closed, in_reply_to="<open@x>", **SECRET))
    message = Message.at_permalink(hashes[1])[0]
    stranger = open_pages(
        operator_password=PASSWORD,
        private_lists=("closed.example.org",),
        embeddings=False,
        page_rate=100_000,
        search_rate=100_000,
        download_rate=100_000,
    )
    operator = log_in(stranger.application.test_client())
    rules = [one for one in stranger.application.url_map.iter_rules() if "GET" in one.methods]  # type: ignore[operator]
    seen = set()
    for rule in (one for one in rules if not one.endpoint.startswith(DASHBOARD)):
        for place in (place for one in hashes for place in addresses_of(rule, one, message)):
            check_tells_nothing(stranger, place)
            if tells(operator, place):
                seen.add(rule.endpoint)
    assert {"messages.message", "threads.thread", "lists.mailing_list"} <= seen
    assert {"lists.month_of_list", "feeds.of_list", "start.start", "search.find"} <= seen
    assert {"downloads.mail", "files.raw", "files.letter", "files.attachment"} <= seen
    assert {"api.message", "api.thread", "public_inbox.message"} <= seen


def test_a_closed_lists_search_for_mail_programs_is_closed_too(
    open_pages: Ask, take_in: Import, redis_client: Redis
) -> None:
    take_in("hidden-id@x", list_id="<closed.example.org>", **SECRET)
    stranger = open_pages(operator_password=PASSWORD, private_lists=("closed.example.org",))
    operator = log_in(stranger.application.test_client())
    form = {"q": "zanzibar", "x": "m"}
    for client, status in ((stranger, 404), (operator, 200)):
        with client.post("/closed.example.org/", data=form) as answer:
            assert answer.status_code == status


def test_nobody_learns_of_a_closed_thread_by_asking_to_follow_it(
    open_pages: Ask, take_in: Import
) -> None:
    take_in("hidden-id@x", list_id="<closed.example.org>", subject="zanzibar plan")
    client = open_pages(private_lists=("closed.example.org",))
    form = {"kind": "thread", "address": "me@there.example"}
    thread = Message.at_permalink(hash_of("hidden-id@x"))[0].thread_id()
    for name in ("hidden-id@x", str(thread)):
        closed = client.post("/subscribe", data=form | {"target": name})
        unknown = client.post(
            "/subscribe", data=form | {"target": "0" if name.isdecimal() else "no@x"}
        )
        assert (closed.status_code, unknown.status_code) == (400, 400)
        assert "zanzibar" not in closed.text
