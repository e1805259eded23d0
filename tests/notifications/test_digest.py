"""Digests: one mail an hour or a day, by the subscriber's own clock."""

from __future__ import annotations

import time
from datetime import datetime

import pytest

from jobs.send_notifications import delivery_of
from models import Message, Notification, RecipientPause, Subscriber
from mrilu.archive.withholding import HIDDEN, withhold
from mrilu.notifications.events import NewsRules, notify_new_messages
from mrilu.notifications.smtp import Session
from mrilu.notifications.subscriptions import unsubscribe
from mrilu.runtime.database import database as process_database
from tests.notifications.conftest import run
from tests.notifications.postoffice import PostOffice


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def happened(moment: str) -> None:
    """Let the mail that came last have come at that moment."""
    message = Message.select().order_by(Message.id.desc()).get()
    Notification.delete().where(Notification.subject == message.id).execute()
    connection = process_database().connection()
    assert (
        notify_new_messages(connection, {message.id: time.time()}, NewsRules(7, "", ""), at(moment))
        == 1
    )


@pytest.mark.parametrize(
    ("digest", "zone", "moment", "due"),
    [
        ("daily 7", "Asia/Tokyo", "2026-11-24T21:59:59Z", "2026-11-24T22:00:00Z"),  # 6:59:59 there
        ("daily 7", "Asia/Tokyo", "2026-11-24T22:00:00Z", "2026-11-25T22:00:00Z"),
        ("daily 7", "Europe/Berlin", "2026-10-24T05:00:00Z", "2026-10-25T06:00:00Z"),  # 25 hours
        (
            "daily 2",
            "Europe/Berlin",
            "2026-03-28T23:30:00Z",
            "2026-03-29T01:00:00Z",
        ),  # there is no 2:00
        ("daily 23", "UTC", "2026-11-24T22:00:00Z", "2026-11-24T23:00:00Z"),
        ("none", "Asia/Tokyo", "2026-11-24T14:59:59Z", "2026-11-24T14:59:59Z"),
        ("daily", "Asia/Tokyo", "2026-11-24T14:59:59Z", "2026-11-24T15:00:00Z"),  # 23:59:59 there
        ("daily", "Asia/Tokyo", "2026-11-24T15:00:00Z", "2026-11-25T15:00:00Z"),  # midnight there
        ("daily", "UTC", "2026-11-24T23:59:59Z", "2026-11-25T00:00:00Z"),
        ("daily", "America/New_York", "2026-11-24T23:59:59Z", "2026-11-25T05:00:00Z"),
        (
            "daily",
            "Europe/Berlin",
            "2026-10-24T23:00:00Z",
            "2026-10-25T23:00:00Z",
        ),  # a day of 25 hours
        (
            "daily",
            "Europe/Berlin",
            "2026-03-28T23:30:00Z",
            "2026-03-29T22:00:00Z",
        ),  # a day of 23 hours
        ("hourly", "UTC", "2026-11-24T12:34:56Z", "2026-11-24T13:00:00Z"),
        (
            "hourly",
            "Asia/Kolkata",
            "2026-11-24T12:34:56Z",
            "2026-11-24T13:30:00Z",
        ),  # half an hour off
        (
            "hourly",
            "Europe/Berlin",
            "2026-10-25T00:30:00Z",
            "2026-10-25T01:00:00Z",
        ),  # the hour that comes twice
    ],
)
def test_news_is_due_at_the_end_of_the_subscribers_hour_or_day(
    digest, zone, moment, due, arrive, search_for
):
    kind, _, hour = digest.partition(" ")
    search_for("coi", "a@x.org", digest=kind, timezone=zone, digest_hour=int(hour or 0))
    arrive(subject="coi", date="Thu, 31 Dec 2026 00:00:00 +0000")
    happened(moment)
    [row] = Notification.select()
    assert row.next_attempt_at == at(due)


def test_midnight_in_the_subscribers_zone_parts_two_digests(office, configured, arrive, search_for):
    search_for("coi", "a@x.org", digest="daily", timezone="Asia/Tokyo", locale="ja")
    for number, moment in enumerate(("14:00", "14:59", "15:01")):
        arrive(subject=f"coi {number}", date="Thu, 31 Dec 2026 00:00:00 +0000")
        happened(f"2026-11-24T{moment}:00Z")
    settings = configured(office)
    assert run(settings, now=lambda: at("2026-11-24T14:59:59Z")) == {}
    assert run(settings, now=lambda: at("2026-11-24T15:02:00Z")) == {"sent": 1}
    [first] = office.accepted
    assert first.message["Subject"] == "お知らせ 2 件（2026-11-24）"
    text = first.message.get_body(("plain",)).get_content()
    assert "coi 0" in text and "coi 1" in text and "coi 2" not in text
    assert run(settings, now=lambda: at("2026-11-25T14:59:00Z")) == {}
    assert run(settings, now=lambda: at("2026-11-25T15:00:00Z")) == {"sent": 1}
    assert "coi 2" in office.accepted[1].message.get_body(("plain",)).get_content()
    assert Notification.by_state()["sent"] == 3


def test_a_digest_that_is_tried_again_is_the_same_mail(configured, arrive, search_for):
    search_for("coi", "a@x.org", digest="hourly")
    for number in range(2):
        arrive(subject=f"coi {number}", date="Thu, 31 Dec 2026 00:00:00 +0000")
        happened("2026-11-24T12:00:00Z")
    told = {"rcpt": "451 4.0.0 later"}
    with PostOffice(lambda at, recipient: told.get(at)) as office:
        settings = configured(office)
        assert run(settings, now=lambda: at("2026-11-24T13:00:00Z")) == {"retried": 1}
        arrive(subject="coi later", date="Thu, 31 Dec 2026 00:00:00 +0000")
        happened("2026-11-24T12:59:00Z")  # a transaction that was slow to commit
        told.clear()
        assert run(settings, now=lambda: at("2026-11-24T13:10:00Z")) == {"sent": 2}
        texts = sorted(one.message.get_body(("plain",)).get_content() for one in office.accepted)
        assert ["coi later" in text for text in texts].count(True) == 1
        assert len({one.message_id for one in office.accepted}) == 2


def test_a_digest_goes_on_without_the_news_that_was_unsubscribed(
    office, configured, arrive, search_for, database
):
    search_for("coi", "a@x.org", digest="hourly")
    search_for("rodo", "a@x.org")
    for subject in ("coi", "rodo"):
        arrive(subject=subject, body="mi\n", date="Thu, 31 Dec 2026 00:00:00 +0000")
        happened("2026-11-24T12:00:00Z")
    settings = configured(office, mail_rate=1)
    delivery_of(process_database(), settings).outbox.gather_digests(at("2026-11-24T13:00:00Z"))
    assert {row.mail for row in Notification.select()} == {
        Notification.select().order_by(Notification.id).get().id
    }
    unsubscribe(process_database(), Subscriber.get().id, "query", "coi")  # the digest's first row
    assert run(settings, now=lambda: at("2026-11-24T13:01:00Z")) == {"sent": 1}
    text = office.accepted[0].message.get_body(("plain",)).get_content()
    assert "rodo" in text and "coi" not in text


def gathered_digest(office, configured, arrive, search_for):
    """Gather a digest of three messages that a search found, an hour after them; return the settings to send it by."""
    search_for("coi", "a@x.org", digest="hourly")
    for number in range(3):
        arrive(subject=f"coi {number}", date="Thu, 31 Dec 2026 00:00:00 +0000")
        happened("2026-11-24T12:00:00Z")
    settings = configured(office)
    delivery_of(process_database(), settings).outbox.gather_digests(at("2026-11-24T13:00:00Z"))
    return settings


def test_nothing_of_a_digest_is_sent_whose_every_row_was_unsubscribed(
    office, configured, arrive, search_for, database
):
    settings = gathered_digest(office, configured, arrive, search_for)
    unsubscribe(process_database(), Subscriber.get().id)
    assert Notification.by_state()["cancelled"] == 3
    assert run(settings, now=lambda: at("2026-11-24T13:01:00Z")) == {}
    assert not office.accepted


def test_a_digest_goes_on_without_the_message_that_was_withheld(
    office, configured, arrive, search_for, database
):
    settings = gathered_digest(office, configured, arrive, search_for)
    first = Message.select().order_by(Message.id).get()
    withhold(process_database(), [first], HIDDEN, "an operator", "a test")
    assert run(settings, now=lambda: at("2026-11-24T13:01:00Z")) == {"sent": 1}
    text = office.accepted[0].message.get_body(("plain",)).get_content()
    assert [f"coi {number}" in text for number in range(3)] == [False, True, True]
    assert Notification.by_state()["sent"] == 2


def test_a_message_that_is_withheld_after_its_digest_was_read_is_not_sent(
    office, configured, arrive, search_for, database
):
    search_for("coi", "a@x.org", digest="hourly")
    for number in range(3):
        arrive(subject=f"coi {number}", date="Thu, 31 Dec 2026 00:00:00 +0000")
        happened("2026-11-24T12:00:00Z")
    settings = configured(office)
    connect = delivery_of(process_database(), settings).connect

    def withhold_and_connect() -> Session:
        last = Message.select().order_by(Message.id.desc()).get()
        withhold(process_database(), [last], HIDDEN, "an operator", "a test")
        return connect()

    now = at("2026-11-24T13:00:00Z")
    assert run(settings, now=lambda: now, connect=withhold_and_connect) == {}
    later = delivery_of(process_database(), settings)
    later.outbox.take_over(now)
    later.now = lambda: now
    assert later.run() == {"sent": 1}
    text = office.accepted[0].message.get_body(("plain",)).get_content()
    assert [f"coi {number}" in text for number in range(3)] == [True, True, False]


def test_a_digest_that_is_refused_for_days_is_given_up_as_a_whole(configured, arrive, search_for):
    search_for("coi", "a@x.org", digest="daily")
    for number, moment in enumerate(("00:10", "23:50")):
        arrive(subject=f"coi {number}", date="Thu, 31 Dec 2026 00:00:00 +0000")
        happened(f"2026-11-24T{moment}:00Z")
    long_ago = at("2026-11-20T00:00:00Z")  # it refused what came before, too
    RecipientPause.create(recipient="a@x.org", reason="no", since=long_ago, until=long_ago, times=1)
    with PostOffice(lambda at, recipient: "550 5.7.1 no" if at == "rcpt" else None) as office:
        settings = configured(office)
        for moment in ("2026-11-25T00:01:00Z", "2026-11-28T00:20:00Z"):
            run(settings, now=lambda moment=moment: at(moment))
    assert Notification.by_state()["dead"] == 2 and office.envelopes == 2
