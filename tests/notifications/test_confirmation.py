"""Confirmed opt-in: no one gets more than one question they did not ask for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from models import Notification, Subscriber, Subscription
from mrilu.notifications import confirmation, subscriptions
from mrilu.notifications.confirmation import confirm, expire_unconfirmed, request_subscription
from mrilu.notifications.links import Outcome, SubscriptionScope, sign, token_key
from mrilu.runtime.database import database as process_database
from tests.notifications.conftest import run

NOW = datetime.now(UTC)


@pytest.fixture
def ask(database):
    """Ask for the word klama (or another) for an address, at a moment; tell whether a mail is sent."""

    def request(address: str = "a@x.org", word: str = "coi", after=timedelta(), **facts) -> bool:
        target = subscriptions.target_for_query(database.connection(), word)
        return request_subscription(database, address, target, NOW + after, **facts)

    return request


def token_in(mail) -> str:
    return mail.message.get_body(("plain",)).get_content().split("/confirm/")[1].split()[0]


def test_nothing_is_sent_but_the_question_before_the_link_is_opened(
    ask, arrive, office, configured, database
):
    assert ask(locale="ja", digest="daily")
    settings = configured(office)
    arrive(subject="coi")
    assert run(settings) == {"sent": 1}
    [question] = office.accepted
    assert "確認" in question.message["Subject"] and question.message["Auto-Submitted"]
    key = token_key(database, settings.token_secret)
    assert confirm(database, token_in(question), key) is Outcome.DONE
    assert confirm(database, token_in(question), key) is Outcome.ALREADY
    assert confirm(database, token_in(question) + "x", key) is Outcome.FORGED
    arrive(subject="coi again")
    assert [row.kind for row in Notification.select().order_by(Notification.id)] == [
        "confirm",
        "query",
    ]


def test_a_token_for_another_purpose_confirms_nothing(ask, database):
    ask()
    [row] = Subscription.select()
    scope = SubscriptionScope(row.subscriber, row.id, 0)
    for purpose in ("unsubscribe", "preferences"):
        assert confirm(database, sign(scope, b"key", purpose), b"key") is Outcome.FORGED
    other = sign(SubscriptionScope(row.subscriber + 1, row.id, 0), b"key", "confirm")
    assert confirm(database, other, b"key") is Outcome.ALREADY
    assert Subscription.get().confirmed_at is None


def test_a_stranger_changes_nothing_of_a_known_subscriber(ask, search_for):
    search_for("mi", "a@x.org", locale="zh", digest="hourly")
    Subscriber.update(suppressed_at=NOW, suppressed_reply="gone").execute()
    assert ask(locale="ja", digest="daily") and not ask("A@X.ORG", "mi")
    [row] = Subscriber.select()
    assert (row.locale, row.digest, row.suppressed_reply) == ("zh", "hourly", "gone")
    assert len(Subscription.confirmed_of(row.id)) == 1


def test_a_suppressed_address_that_confirms_is_written_to_again(
    ask, search_for, office, configured, database
):
    search_for("mi", "a@x.org")
    Subscriber.update(suppressed_at=NOW, suppressed_reply="gone").execute()
    ask()
    settings = configured(office)
    assert run(settings) == {"sent": 1}
    key = token_key(database, settings.token_secret)
    assert confirm(database, token_in(office.accepted[0]), key) is Outcome.DONE
    assert Subscriber.get().suppressed_at is None


def test_no_address_is_asked_more_than_a_few_times_a_day(ask):
    assert [ask(word=f"word{number}") for number in range(7)] == [True] * 5 + [False] * 2
    assert Notification.select().count() == 5
    assert ask("b@x.org")


def test_a_question_is_repeated_after_a_day_under_another_message_id(ask):
    assert ask() and not ask() and not ask(after=timedelta(days=2))  # it still waits
    Notification.update(state="sent", finished_at=NOW).execute()
    first = Notification.get().message_key
    assert not ask(after=timedelta(hours=23)) and ask(after=timedelta(hours=25))
    assert Notification.get().message_key != first and Notification.get().state == "waiting"


def test_a_flood_of_addresses_is_refused(ask, monkeypatch):
    monkeypatch.setattr(confirmation, "MAX_HOURLY", 3)
    for number in range(3):
        assert ask(f"{number}@x.org")
    with pytest.raises(confirmation.TooManyRequests):
        ask("3@x.org")
    assert Subscriber.select().count() == 3


def test_an_operator_confirms_by_subscribing(ask, search_for, arrive):
    ask()
    search_for("coi", "a@x.org")
    arrive(subject="coi")
    assert Notification.select().where(Notification.kind == "query").count() == 1


def test_what_nobody_confirms_is_forgotten_after_a_week(
    ask, search_for, office, configured, database
):
    ask("never@x.org")
    search_for("mi", "known@x.org")
    ask("known@x.org")
    assert expire_unconfirmed(database, NOW + timedelta(days=6)) == 0
    assert expire_unconfirmed(database, NOW + timedelta(days=8)) == 2
    assert [row.address for row in Subscriber.select()] == ["known@x.org"]
    assert run(configured(office)) == {} and not office.accepted
    assert Subscription.select().count() == 1


def test_the_link_of_a_question_gives_the_request_up(ask, office, configured, database):
    from mrilu.notifications.links import unsubscribe

    ask()
    settings = configured(office)
    run(settings)
    [mail] = office.accepted
    token = mail.message["List-Unsubscribe"].strip("<>").rpartition("/")[2]
    assert unsubscribe(process_database(), token, token_key(database, None)) is Outcome.DONE
    assert Subscription.select().count() == 0
