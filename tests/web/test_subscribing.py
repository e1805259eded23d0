"""Subscribe, confirm, change, unsubscribe: in the reader's language, without a login, nothing done by a GET."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from flask.testing import FlaskClient

from models import Notification, Subscriber, Subscription
from mrilu.notifications import subscriptions
from mrilu.notifications.confirmation import request_subscription
from mrilu.notifications.links import SubscriptionScope, sign, token_key
from mrilu.notifications.wording import LOCALES, words

FORM = {"address": "a@x.org", "kind": "word", "target": "klama"}


@pytest.fixture
def link(database):
    """A function that returns the path of a signed link of the subscriber a@x.org, for one of its subscriptions."""

    def path(purpose: str, word: str | None = None) -> str:
        who = subscriptions.find_subscriber("a@x.org")
        row = Subscription.get(Subscription.target == word) if word else None
        scope = SubscriptionScope(who.id, row.id if row else None, who.unsubscribed)
        return f"/{purpose}/{sign(scope, token_key(database, None), purpose)}"

    return path


@pytest.fixture
def follow(database):
    def subscribe(*targets: str, **facts: object) -> None:
        for word in targets:
            target = subscriptions.target_for_word(word, ["en"] if word == "bajra" else [])
            subscriptions.subscribe(database, "a@x.org", target, **facts)

    return subscribe


def test_a_page_asks_by_mail_before_anything_begins(pages: FlaskClient, database, link) -> None:
    assert '<form class="fields" method="post">' in pages.get("/subscribe?word=klama").text
    answer = pages.post("/subscribe", data={**FORM, "languages": "en, ja", "digest": "daily"})
    assert answer.status_code == 200 and "a@x.org" in answer.text
    [row] = Subscription.select()
    assert row.confirmed_at is None and row.languages == ["en", "ja"]
    assert [one.kind for one in Notification.select()] == ["confirm"]
    where = link("confirm", "klama")
    assert '<form method="post">' in pages.get(where).text and not Subscription.get().confirmed_at
    for _ in range(2):
        assert "klama" in pages.post(where).text and Subscription.get().confirmed_at
    assert pages.post(where.replace("confirm", "unsubscribe")).status_code == 404


def test_the_answer_does_not_tell_who_is_known(pages: FlaskClient, follow) -> None:
    follow("klama")
    known, unknown = (
        pages.post("/subscribe", data={**FORM, "address": address}).text.replace(address, "")
        for address in ("a@x.org", "b@x.org")
    )
    assert known == unknown


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({"address": "nobody"}, "not a mail address"),
        ({"kind": "all"}, "choose one"),
        ({"target": " "}, "not a word"),
        ({"kind": "thread", "target": "77"}, "no thread"),
        ({"kind": "query", "target": "before:soon"}, "needs a date"),
        ({"languages": "e&n"}, "language tag"),
        ({"digest": "weekly"}, "choose one"),
        ({"target": "<script>" + "x" * 100}, "&lt;script&gt;"),
    ],
)
def test_what_cannot_be_subscribed_to_is_said(change, hint, pages: FlaskClient) -> None:
    answer = pages.post("/subscribe", data={**FORM, **change})
    assert answer.status_code == 400 and hint in answer.text and "<script>" not in answer.text
    assert Subscriber.select().count() == 0


def test_the_form_speaks_the_readers_language(pages: FlaskClient) -> None:
    for locale in LOCALES:
        headers = {"Accept-Language": f"{locale}, en;q=0.5"}
        page = pages.get("/subscribe", headers=headers).text
        assert f'<html lang="{locale}">' in page
        assert words(locale)["page"]["address"] in page.replace("&#39;", "'")
    assert '<html lang="en">' in pages.get("/subscribe", headers={"Accept-Language": "fi"}).text
    pages.post("/subscribe", data={**FORM, "locale": "ja"})
    assert Subscriber.get().locale == "ja"


@pytest.mark.parametrize("locale", LOCALES)
def test_unsubscribing_says_from_what_in_the_subscribers_language(
    locale, pages: FlaskClient, follow, link
) -> None:
    follow("klama", "bajra", locale=locale)
    p = words(locale)["page"]
    where = link("unsubscribe", "bajra")
    for page in (pages.get(where).text, pages.post(where).text):
        assert f'<html lang="{locale}">' in page
        assert "bajra" in page and p["languages"].format(languages="en") in page.replace(
            "&#39;", "'"
        )
    assert p["gone"].replace("'", "&#39;") in pages.get(where).text
    everything = link("unsubscribe")
    assert words(locale)["what"]["all"] in pages.get(everything).text
    assert pages.post(everything).status_code == 200 and not Subscription.select().count()


def test_preferences_are_shown_and_changed(pages: FlaskClient, follow, link) -> None:
    follow("klama", "bajra")
    where = link("preferences")
    page = pages.get(where).text
    assert "klama" in page and "bajra" in page and "a@x.org" not in page
    chosen = {"locale": "ja", "timezone": "Asia/Tokyo", "digest": "daily", "digest_hour": "7"}
    answer = pages.post(where, data=chosen)
    assert answer.status_code == 200 and words("ja")["page"]["saved"] in answer.text
    row = Subscriber.get()
    assert (row.locale, row.timezone, row.digest, row.digest_hour) == (
        "ja",
        "Asia/Tokyo",
        "daily",
        7,
    )
    one = Subscription.get(Subscription.target == "klama").id
    assert pages.post(where, data={"remove": str(one)}).status_code == 200
    assert [row.target for row in Subscription.select()] == ["bajra"]
    assert words("ja")["page"]["nothing"] in pages.post(where, data={"remove": "all"}).text


@pytest.mark.parametrize(
    "change",
    [{"timezone": "Mars"}, {"digest_hour": "99"}, {"digest_hour": "x"}, {"locale": "xx"}, {"digest": ""}],
)  # fmt: skip
def test_a_choice_that_cannot_be_is_refused(change, pages: FlaskClient, follow, link) -> None:
    follow("klama")
    chosen = {"locale": "en", "timezone": "UTC", "digest": "none", "digest_hour": "1", **change}
    answer = pages.post(link("preferences"), data=chosen)
    assert answer.status_code == 400 and next(iter(change)) in answer.text
    assert Subscriber.get().digest_hour == 0


def test_a_link_for_another_purpose_opens_nothing(pages: FlaskClient, follow, link) -> None:
    follow("klama")
    for path in (link("unsubscribe"), link("confirm", "klama"), "/x/1.all.0." + "a" * 27):
        token = path.rpartition("/")[2]
        assert pages.get(f"/preferences/{token}").status_code == 404
        assert pages.post(f"/preferences/{token}", data={"remove": "all"}).status_code == 404
    assert Subscription.select().count() == 1


def test_another_subscribers_subscription_cannot_be_removed(
    pages: FlaskClient, database, follow, link
) -> None:
    follow("klama")
    target = subscriptions.target_for_word("zarci")
    subscriptions.subscribe(database, "b@x.org", target)
    other = Subscription.get(Subscription.target == "zarci").id
    pages.post(link("preferences"), data={"remove": str(other)})
    assert Subscription.select().count() == 2


def test_a_request_that_was_given_up_cannot_be_confirmed(
    pages: FlaskClient, database, link
) -> None:
    target = subscriptions.target_for_word("klama")
    assert request_subscription(database, "a@x.org", target, datetime.now(UTC))
    where = link("confirm", "klama")
    assert pages.post(link("unsubscribe", "klama")).status_code == 200
    assert words("en")["page"]["expired"] in pages.post(where).text
    assert not Subscription.select().count()
