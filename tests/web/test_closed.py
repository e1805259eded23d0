"""What is closed to strangers: no route tells them of it, whichever way it is closed and wherever it stands."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule

from models import Message
from mrilu.mail.permalinks import hash_of
from mrilu.openapi.table import BESIDE
from tests.web.conftest import LIST, Ask, Import, Sync, entry, hide
from tests.web.test_operators import DASHBOARD, PASSWORD, log_in

CLOSED = "closed.example.org"
PRIVATE, WITHHELD, ASKED_FOR = "a private list", "withheld", "X-No-Archive"
SECRET = {
    "subject": "zanzibar plan",
    "sender": "Quixote <quixote@inside.example>",
    "body": "On Monday, Mirli wrote:\n> the open teapot is as blue as the sky above the sea\n\nwombats at dawn\n",
}
NAME = "hidden-id@x"
# Of the message; what may be known of a withheld one is that it was here.
TRACES = ("zanzibar", "quixote", "at dawn", NAME, "inside.example")
QUERIES = (
    "", "?q=zanzibar", "?q=wombats", "?q=from:quixote", f"?id={NAME}", f"?thread={NAME}&q=teapot",
    f"?q=teapot+thread:{NAME}", f"?q=teapot+id:{NAME}", "?view=tree", "?view=date",
    "?q=zanzibar&x=A", "?by=thread&q=teapot",
    "?q=teapot&in=message",
)  # fmt: skip


@pytest.fixture(params=[PRIVATE, WITHHELD, ASKED_FOR])
def kind(request: pytest.FixtureRequest) -> str:
    """How the message is closed."""
    return str(request.param)


@pytest.fixture(params=["at the end", "at the beginning"])
def hashes(
    kind: str, request: pytest.FixtureRequest, take_in: Import, sync: Sync
) -> dict[str, str]:
    """A thread of an open and a closed message that quotes it, and a word that both use."""
    sync(entry("wombats", 1), entry("teapot", 2))
    facts = SECRET | {"list_id": f"<{CLOSED if kind == PRIVATE else LIST}>"}
    if kind == ASKED_FOR:
        facts["more"] = "X-No-Archive: yes\n"
    text = "the open teapot is as blue as the sky above the sea\n"
    last = request.param == "at the end"

    def open_one() -> str:
        more = {} if last else {"in_reply_to": f"<{NAME}>"}
        return take_in("open@x", subject="teapot", body=text, **more)

    shared = open_one() if last else ""
    found = take_in(NAME, **facts, **({"in_reply_to": "<open@x>"} if last else {}))
    if kind == WITHHELD:
        hide(found)
    return {"closed": found, "open": shared or open_one()}


@pytest.fixture
def site(open_pages: Ask) -> Flask:
    """The pages with a private list, for whom X-No-Archive counts."""
    client = open_pages(
        operator_password=PASSWORD,
        private_lists=(CLOSED,),
        no_archive="hide",
        embeddings=False,
        page_rate=10**9,
        search_rate=10**9,
        download_rate=10**9,
    )
    return client.application


def places(rule: Rule, hashes: dict[str, str], number: int) -> Iterator[str]:
    """Yield the addresses of a route that could tell of the closed message."""
    values = {
        "message_hash": [*hashes.values()],
        "name": [CLOSED, LIST, "all", "closed", hashes["closed"], NAME],
        "rest": [NAME, f"{NAME}/raw", f"{NAME}/t.mbox.gz", f"{NAME}/T", f"{NAME}/t.atom", "open@x/"],
        "month": ["2025-10"],
        "number": [str(number), "1"],
        "word": ["wombats", "zanzibar", "teapot"],
    }  # fmt: skip
    made = [str(rule)]
    for argument in sorted(rule.arguments):
        fill = values.get(argument, ["1"])
        made = [re.sub(rf"<(?:\w+:)?{argument}>", one, place) for place in made for one in fill]
    searches = not rule.arguments or rule.endpoint in ("public_inbox.inbox", "threads.thread")
    return (place + query for place in made for query in (QUERIES if searches else QUERIES[:2]))


def test_a_stranger_meets_no_trace_of_what_is_closed(
    kind: str, hashes: dict[str, str], site: Flask
) -> None:
    stranger, number = site.test_client(), Message.at_permalink(hashes["closed"])[0].id
    # An open answer names what it answers, and what is withheld may be known to have been here.
    named = kind == WITHHELD or Message.at_permalink(hashes["open"])[0].in_reply_to
    hidden = [one for one in TRACES if one != NAME or not named]
    if kind == PRIVATE:
        hidden += ["closed.example"]
    told = [
        f"{accept} {place}: {trace}"
        for rule in site.url_map.iter_rules()
        if not rule.endpoint.startswith(DASHBOARD)
        for place in places(rule, hashes, number)
        for accept in ("text/html", *(("application/json",) if rule.endpoint in BESIDE else ()))
        for trace in traces_at(stranger, rule, place, accept, hidden)
    ]
    assert not told, "\n".join(told[:40])


def traces_at(
    client: FlaskClient, rule: Rule, place: str, accept: str, hidden: list[str]
) -> list[str]:
    """Return which traces an answer holds that the question did not."""
    found = []
    for method in sorted(rule.methods & {"GET", "POST"}):  # type: ignore[operator]
        with client.open(place, method=method, headers={"Accept": accept}) as answer:
            assert answer.status_code < 500 or rule.endpoint == "health.readyz", place
            text = answer.get_data()
            if "gzip" in answer.headers.get("Content-Type", "") and answer.status_code == 200:
                text = gzip.decompress(text)
            said = text.lower() + str(answer.headers).lower().encode()
            found += [one for one in hidden if one not in place.lower() and one.encode() in said]
            if answer.status_code == 200 and (b"wombats at" in said or b"zanzibar plan" in said):
                found.append("its text")
    return found


def test_what_is_closed_answers_as_what_is_unknown(
    kind: str, hashes: dict[str, str], site: Flask
) -> None:
    if kind == WITHHELD:
        pytest.skip("that it was here may be known")
    stranger, never = site.test_client(), hash_of("never@x")
    differs = []
    for rule in site.url_map.iter_rules():
        if rule.endpoint.startswith((DASHBOARD, "elsewhere.")) or "GET" not in rule.methods:  # type: ignore[operator]
            continue
        named = {"message_hash", "name", "rest"} & rule.arguments
        for place in places(rule, {"closed": hashes["closed"]}, 1):
            if not (named or NAME in place):
                continue
            other = place.replace(hashes["closed"], never).replace(NAME, "never@x")
            with stranger.get(place) as closed, stranger.get(other) as unknown:
                if closed.status_code != unknown.status_code:
                    differs.append(f"{place}: {closed.status} and not {unknown.status}")
    assert not differs, "\n".join(differs)


def test_a_thread_that_begins_with_a_closed_message_can_be_read(
    hashes: dict[str, str], site: Flask
) -> None:
    stranger = site.test_client()
    for place in ("", "?view=tree", "?view=date", "t.mbox.gz", "atom.xml", "similar/"):
        with stranger.get(f"/t/{hashes['open']}/{place}", follow_redirects=True) as answer:
            assert answer.status_code == 200, place
            assert place.endswith("gz") or "teapot" in answer.text or place == "similar/"
    facts = stranger.get(f"/t/{hashes['open']}.json").json
    assert facts and facts["messages"] == len(facts["items"]), facts


def test_an_operator_meets_what_is_closed(kind: str, hashes: dict[str, str], site: Flask) -> None:
    client, seen = log_in(site.test_client()), set()
    for rule in site.url_map.iter_rules():
        if rule.endpoint.startswith(DASHBOARD) or "GET" not in rule.methods:  # type: ignore[operator]
            continue
        for place in places(rule, hashes, 1):
            with client.get(place, follow_redirects=rule.endpoint == "threads.thread") as answer:
                text = answer.get_data().lower()
            if any(one.encode() in text and one not in place for one in ("zanzibar", "wombats at")):
                seen.add(rule.endpoint)
    wanted = {
        "messages.message",
        "threads.thread",
        "feeds.of_list",
        "search.find",
        "downloads.mail",
    }
    if kind == PRIVATE:  # elsewhere the subject of the thread is the open message's
        wanted |= {"lists.mailing_list", "lists.month_of_list", "start.start"}
    assert wanted <= seen


def test_the_front_page_shows_the_newest_message_that_may_be_read(
    hashes: dict[str, str], site: Flask, take_in: Import
) -> None:
    later = take_in(
        "later@x", subject="hippo", list_id=f"<{LIST}>", date="Wed, 08 Oct 2025 09:00:00 +0000"
    )
    newest = site.test_client().get("/").text
    assert "hippo" in newest and "2025-10-08" in newest
    hide(later)
    newest = site.test_client().get("/").text
    assert "teapot" in newest and "hippo" not in newest and "2025-10-08" not in newest
