"""What a subscriber chooses holds for what waits, too."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from models import Notification, Subscriber, Subscription
from mrilu.notifications.preferences import (
    Preferences,
    give_up,
    read_preferences,
    save_preferences,
)
from mrilu.notifications.subscriptions import NotSubscribable
from tests.notifications.conftest import run

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
CHOSEN = Preferences("zh", "Asia/Tokyo", "daily", 7)


def test_choices_are_kept_and_what_waits_follows_them(
    arrive, search_for, office, configured, database
):
    search_for("coi", "a@x.org", "b@x.org")
    arrive(subject="coi")
    [mine, _] = Subscriber.select().order_by(Subscriber.id)
    save_preferences(database, mine.id, CHOSEN, NOW)
    assert read_preferences(mine.id)[0] == CHOSEN
    row = Notification.get(Notification.subscriber == mine.id)
    assert row.digest and row.next_attempt_at == datetime(2026, 11, 24, 22, 0, tzinfo=UTC)
    assert run(configured(office)) == {"sent": 2}
    save_preferences(database, mine.id, CHOSEN._replace(digest="none"), datetime.now(UTC))
    assert run(configured(office)) == {}
    assert office.recipients == {"a@x.org": 1, "b@x.org": 1}


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({"locale": "xx"}, "locale"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"timezone": "europe/berlin"}, "timezone"),  # PostgreSQL knows these three
        ({"timezone": "CEST"}, "timezone"),
        ({"timezone": "UTC+3"}, "timezone"),
        ({"timezone": ""}, "timezone"),
        ({"digest": "weekly"}, "digest"),
        ({"digest_hour": 24}, "digest_hour"),
    ],
)
def test_what_cannot_be_chosen_is_named(change, hint, search_for, database):
    search_for("coi", "a@x.org")
    with pytest.raises(NotSubscribable, match=hint):
        save_preferences(database, Subscriber.get().id, CHOSEN._replace(**change), NOW)
    assert Subscriber.get().locale == "en"


def test_only_ones_own_subscriptions_can_be_given_up(search_for, database):
    search_for("coi", "a@x.org", "b@x.org")
    [mine, other] = Subscription.select().order_by(Subscription.id)
    assert give_up(database, mine.subscriber, [mine.id, other.id]) == 1
    assert [row.id for row in Subscription.select()] == [other.id]
    assert read_preferences(10**9) is None
