"""Mails that a work-horse sent, and those that wait, through /metrics."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from rq import Worker
from rq.serializers import JSONSerializer

from models import Notification
from mrilu.notifications.outbox import counts_by_state
from mrilu.queues.queues import queue
from mrilu.runtime.database import database as process_database
from tests.notifications.conftest import arrive, configured, office, search_for  # noqa: F401 - fixtures
from tests.notifications.postoffice import PostOffice, by_recipient


def send_in_a_horse(redis_client) -> None:
    queue("default").enqueue("jobs.send_notifications.send_notifications")
    Worker([queue("default")], connection=redis_client, serializer=JSONSerializer).work(burst=True)


def test_what_was_sent_and_what_waits(scrape, redis_client, office, configured, arrive, search_for):  # noqa: F811
    search_for("coi", "a@x.org", "b@x.org")
    arrive(subject="coi do")
    assert scrape()['mrilu_notifications{state="waiting"}'] == 2
    configured(office)
    send_in_a_horse(redis_client)
    found = scrape()
    assert len(office.accepted) == 2
    assert found['mrilu_notifications_total{result="sent"}'] == 2
    assert (
        found['mrilu_notifications{state="waiting"}']
        == found["mrilu_notification_oldest_seconds"]
        == 0
    )
    assert found['mrilu_job_runs_total{job="send_notifications",outcome="done"}'] == 1
    assert not [name for name in found if "x.org" in name]


@pytest.mark.parametrize("digest", ["none", "hourly"])
def test_a_mail_that_will_be_tried_again(
    digest,
    scrape,
    redis_client,
    configured,  # noqa: F811
    arrive,  # noqa: F811
    search_for,  # noqa: F811
):
    search_for("coi", "a@x.org", digest=digest)
    arrive(subject="coi do")
    if digest == "hourly":
        arrive(subject="coi do")
        Notification.update(next_attempt_at=datetime.now(UTC) - timedelta(hours=1)).execute()
    with PostOffice(
        lambda stage, recipient: "451 4.3.0 later" if stage == "data" else None
    ) as busy:
        configured(busy)
        send_in_a_horse(redis_client)
    found = scrape()
    assert found['mrilu_notifications_total{result="retried"}'] == 1
    assert (
        found['mrilu_notifications{state="waiting"}'] == 1 + (digest == "hourly")
        and found["mrilu_notification_overdue_seconds"] == 0
    )
    assert counts_by_state(process_database())["first_due"] > datetime.now(UTC)


def test_what_is_dead_or_no_news_any_more(scrape, redis_client, configured, arrive, search_for):  # noqa: F811
    search_for("coi", "a@x.org", "b@x.org")
    arrive(subject="coi do")
    Notification.update(subject=10**9).where(
        Notification.subscriber == 2
    ).execute()  # of a message that is gone
    with PostOffice(by_recipient(rcpt={"a@x.org": "550 5.1.1 unknown"})) as strict:
        configured(strict)
        send_in_a_horse(redis_client)
    found = scrape()
    assert found['mrilu_notifications_total{result="dead"}'] == 1
    assert found['mrilu_notifications_total{result="cancelled"}'] == 1
    assert found['mrilu_notifications_total{result="sent"}'] == 0
