"""Every route under hostile addresses, and over an empty database: a right status, no crash."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count
from urllib.parse import urlencode

import pytest
from flask import Flask
from flask.testing import FlaskClient
from peewee import PostgresqlDatabase
from redis import Redis
from werkzeug.routing import Rule

from models import Subscriber
from mrilu.notifications.links import SubscriptionScope, sign, token_key
from mrilu.notifications.subscriptions import subscribe, target_for_new_words
from mrilu.runtime.operators import operator_token
from mrilu.web.guesses import Guesses
from tests.web.conftest import LIST, Ask, Import, Sync, entry
from tests.web.test_operators import DASHBOARD, log_in, token_in

HASH = "XGNGFF5SHIWIL7EI34TFL556UL66LRRC"
ODD = (
    "%00", "a%00b", "%0d%0aSet-Cookie:x=1", "%E2%80%AEgnp.exe", "..%2f..%2fetc%2fpasswd", "%ff%fe", "%ED%A0%80",
    "%27%22%3E%3Cscript%3E", "9" * 40, "-1", "A" * 3000, "%F0%9F%AB%96", "0", "%25s%25d", "%5c", "%3F%23",
    "9" * 5000,
)  # fmt: skip
ARGUMENTS = (
    "q",
    "before",
    "after",
    "page",
    "id",
    "thread",
    "type",
    "lang",
    "in",
    "by",
    "view",
    "next",
    "x",
)
CURSORS = (
    "9" * 12 + ".000000-1", "-" + "9" * 12 + ".000000-1", "0.000000-" + "9" * 18, "nan-1", "2:%00", "1:" + "a" * 300,
)  # fmt: skip
RANGES = (
    "bytes=" + ",".join("0-0" for _ in range(5000)), "bytes=-0", "bytes=9-1", "bytes=" + "9" * 4000 + "-",
    "bytes=-" + "9" * 30,
)  # fmt: skip
# What forms hold, and what the fields of those that act are named.
FORM_ODD = ("a%00b", "%ED%A0%80", "9" * 40, "-1", "A" * 3000, "%D9%A3", "9" * 5000)
FIELDS = (
    "address", "kind", "target", "languages", "digest", "digest_hour", "locale", "timezone", "remove",
    "password", "next", "id", "reason", "quotes", "q", "x",
)  # fmt: skip


@pytest.fixture
def site(open_pages: Ask) -> Flask:
    """The pages without limits."""
    most = 10**9
    client = open_pages(embeddings=False, page_rate=most, search_rate=most, download_rate=most)
    return client.application


def readable_rules(site: Flask) -> Iterator[Rule]:
    for rule in site.url_map.iter_rules():
        if "GET" in rule.methods and not rule.endpoint.startswith(DASHBOARD):  # type: ignore[operator]
            yield rule


def filled(rule: Rule, value: str = "", **known: str) -> str:
    """Return an address of the route: its arguments by name, or all of them the same."""

    def fill(match: re.Match[str]) -> str:
        if match[1] == "int:":
            return value if value.isdigit() else "1"
        return value or known.get(match[2], "1")

    return re.sub(r"<((?:\w+:)?)(\w+)>", fill, str(rule))


def usual(rule: Rule, **known: str) -> str:
    sample = {"message_hash": HASH, "name": LIST, "month": "2025-10", "word": "klama"}
    return filled(rule, **(sample | known))


def faults(client: FlaskClient, rule: Rule, place: str, **more: object) -> list[str]:
    """Return what is wrong with an answer: a crash, or a header that the address made."""
    with client.get(place, **more) as answer:  # type: ignore[arg-type]
        found = []
        if answer.status_code >= 500 and rule.endpoint != "health.readyz":
            found.append(f"{place[:120]}: {answer.status_code}")
        if any("\r" in value or "\n" in value for _, value in answer.headers):
            found.append(f"{place[:120]}: a header of two lines")
        if "x=1" in str(answer.headers.getlist("Set-Cookie")):
            found.append(f"{place[:120]}: a cookie")
        if answer.mimetype == "text/html" and b"<script>" in answer.get_data():
            found.append(f"{place[:120]}: a script")
    return found


def test_no_address_makes_a_page_fail(site: Flask, take_in: Import, sync: Sync) -> None:
    one = take_in("one@x", body="klama\n")
    sync(entry("klama", 1))
    client, found = site.test_client(), []
    for rule in readable_rules(site):
        if rule.arguments:
            for odd in ODD:
                found += faults(client, rule, filled(rule, odd))
        place = usual(rule, message_hash=one)
        for odd in (*ODD[:8], *CURSORS):
            query = "&".join(f"{argument}={odd}" for argument in ARGUMENTS)
            found += faults(client, rule, f"{place}?{query}")
        for value in RANGES:
            found += faults(client, rule, place, headers={"Range": value})
    assert not found, "\n".join(found[:60])


def acting_rules(site: Flask) -> Iterator[Rule]:
    for rule in site.url_map.iter_rules():
        if "POST" in rule.methods and not rule.endpoint.startswith(DASHBOARD):  # type: ignore[operator]
            yield rule


def answers_to_forms(
    client: FlaskClient, rule: Rule, place: str, known: dict[str, str]
) -> Iterator[str]:
    """Yield each form that makes the route fail: one field is odd, the others are as they should be."""
    for field in FIELDS:
        for odd in FORM_ODD:
            whole = urlencode({name: one for name, one in known.items() if name != field})
            kind = "application/x-www-form-urlencoded"
            with client.post(place, data=f"{whole}&{field}={odd}", content_type=kind) as answer:
                if answer.status_code >= 500:
                    yield f"{rule} {field}={odd[:20]}: {answer.status_code}"


def test_no_form_makes_a_page_fail(
    site: Flask, take_in: Import, redis_client: Redis, database: PostgresqlDatabase
) -> None:
    one = take_in("one@x")
    subscribe(database, "ann@people.example", target_for_new_words(["en"]))
    number, key, found = Subscriber.get().id, token_key(database, None), []
    known = {"address": "bob@people.example", "kind": "words", "target": "klama", "languages": "en",
             "digest": "none", "digest_hour": "1", "locale": "en", "timezone": "UTC", "q": "tea", "x": "m"}  # fmt: skip
    site.extensions["guesses"] = Guesses(clock=count(0, 3600).__next__)  # none is one too many
    for rule in acting_rules(site):
        client = log_in(site.test_client(), operator_token(redis_client))
        signed = sign(SubscriptionScope(number), key, str(rule).split("/")[1])
        place = usual(rule, message_hash=one, token=signed, job="upkeep")
        found += answers_to_forms(client, rule, place, {**known, "token": token_in(client)})
    assert not found, "\n".join(found[:60])


@pytest.mark.parametrize("told", ["Basic \xff", "Basic AAAA", "Bearer \xfe", "Basic", "\xff"])
def test_no_password_makes_a_page_fail(site: Flask, take_in: Import, told: str) -> None:
    one, client = take_in("one@x"), site.test_client()
    for place in ("/", f"/m/{one}/", "/exports/", "/subscribe", "/nowhere"):
        assert client.get(place, headers={"Authorization": told}).status_code < 500
    outside = {"REMOTE_ADDR": "192.0.2.1"}
    for place in ("/status", "/metrics", "/rq/"):
        answer = client.get(place, headers={"Authorization": told}, environ_base=outside)
        assert answer.status_code in (303, 401, 403)


def test_the_longest_query_is_refused_or_answered(site: Flask, take_in: Import) -> None:
    take_in("one@x")
    client, found, query = (
        site.test_client(),
        [],
        "%41" * 70_000,
    )  # the server takes no header that is longer
    for rule in readable_rules(site):
        if not rule.arguments:
            found += faults(client, rule, f"{rule}?q={query}")
    assert not found, "\n".join(found)


def test_an_empty_database_fails_no_page(site: Flask, redis_client: Redis) -> None:
    client, operator = site.test_client(), site.test_client()
    log_in(operator, operator_token(redis_client))
    found = [
        line
        for rule in readable_rules(site)
        for one in (client, operator)
        for line in faults(one, rule, usual(rule))
    ]
    assert not found, "\n".join(found)
