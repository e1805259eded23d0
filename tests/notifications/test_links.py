from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import Notification, Subscriber, Subscription
from mrilu.notifications import subscriptions
from mrilu.notifications.links import (
    Outcome,
    SubscriptionScope,
    sign,
    token_key,
    unsubscribe,
    verify,
)
from mrilu.runtime.database import database as process_database
from tests.notifications.conftest import run

KEY = b"key"


@given(st.integers(0, 2**62), st.none() | st.integers(0, 2**62), st.integers(0, 10**8))
def test_a_token_says_what_was_signed(subscriber, subscription, epoch):
    stop = SubscriptionScope(subscriber, subscription, epoch)
    token = sign(stop, KEY)
    assert verify(token, KEY) == stop and verify(token, b"another key") is None
    assert token.replace(".", "").replace("-", "").replace("_", "").isalnum() and len(token) < 80


@given(st.text())
def test_what_we_did_not_sign_is_forged(token):
    assert verify(token, KEY) is None


@pytest.mark.parametrize(
    "change", ["2.4.0", "1.5.0", "1.all.0", "1.4.1", "01.4.0", "1.4.0 ", "１.4.0"]
)
def test_a_changed_token_is_forged(change):
    signature = sign(SubscriptionScope(1, 4, 0), KEY).rpartition(".")[2]
    assert verify(f"{change}.{signature}", KEY) is None
    assert (
        verify(f"1.4.0.{signature}\n", KEY) is None
        and verify(f"1.4.0.{signature[:-1]}", KEY) is None
    )


def subscription_of(address: str, word: str = "klama") -> SubscriptionScope:
    db = process_database()
    subscriptions.subscribe(db, address, subscriptions.target_for_word(word))
    subscriber = Subscriber.get(Subscriber.address == address)
    row = Subscription.get(Subscription.subscriber == subscriber.id, Subscription.label == word)
    return SubscriptionScope(subscriber.id, row.id, subscriber.unsubscribed)


def test_one_click_gives_up_one_subscription_and_again_changes_nothing(database):
    mine, other = subscription_of("a@x.org"), subscription_of("b@x.org")
    subscription_of("a@x.org", "bajra")
    token = sign(mine, KEY)
    assert unsubscribe(database, token, KEY) is Outcome.DONE
    assert unsubscribe(database, token, KEY) is Outcome.ALREADY
    assert {row.label for row in Subscription.of(mine.subscriber)} == {"bajra"}
    assert len(Subscription.of(other.subscriber)) == 1


def test_a_token_does_not_reach_another_subscribers_subscription(database):
    mine, other = subscription_of("a@x.org"), subscription_of("b@x.org")
    mixed = sign(SubscriptionScope(mine.subscriber, other.subscription, 0), KEY)
    assert unsubscribe(database, mixed, KEY) is Outcome.ALREADY
    assert unsubscribe(database, sign(other, b"guessed"), KEY) is Outcome.FORGED
    assert Subscription.select().count() == 2


def test_an_old_token_does_not_reach_what_was_subscribed_since(database):
    first = subscription_of("a@x.org")
    everything = sign(first._replace(subscription=None), KEY)
    assert unsubscribe(database, everything, KEY) is Outcome.DONE
    second = subscription_of("a@x.org")
    assert unsubscribe(database, everything, KEY) is Outcome.ALREADY
    assert unsubscribe(database, sign(first, KEY), KEY) is Outcome.ALREADY
    assert [row.id for row in Subscription.of(second.subscriber)] == [second.subscription]


def test_the_key_is_made_once_and_a_secret_wins(database):
    key = token_key(database, None)
    assert len(key) == 72 and token_key(database, None) == key
    assert token_key(database, "secret") == b"secret"


def test_the_link_in_a_mail_works_and_stops_what_waits(office, configured, arrive, search_for):
    search_for("coi", "a@x.org", "b@x.org")
    arrive(subject="coi")
    settings = configured(office, token_secret="hush")
    run(settings)
    [link] = [
        one.message["List-Unsubscribe"] for one in office.accepted if one.recipient == "a@x.org"
    ]
    arrive(subject="coi again")
    db = process_database()
    token = link.strip("<>").rpartition("/")[2]
    assert unsubscribe(db, token, token_key(db, settings.token_secret)) is Outcome.DONE
    run(settings)
    assert office.recipients == {"a@x.org": 1, "b@x.org": 2}
    assert Notification.by_state()["cancelled"] == 1
