"""The job itself: what it does without a mail server, while paused, and what it records."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from jobs.send_notifications import delivery_of, send_notifications
from models import JobRun, Notification, Subscriber
from mrilu.notifications import subscriptions
from mrilu.notifications.pause import outbox_status
from mrilu.queues.rules import mail_server_mark
from mrilu.runtime.database import database as process_database
from mrilu.runtime.processes import this_process
from mrilu.settings.current import current_settings
from mrilu.settings.fields import SettingError
from mrilu.settings.load import load
from tests.notifications.conftest import *  # noqa: F403 - the fixtures of the package beside


@pytest.fixture
def waiting(arrive, search_for) -> None:
    search_for("coi", "a@x.org", "b@x.org")
    arrive(subject="coi")


def test_without_a_mail_server_rows_wait_and_status_says_so(waiting, configured):
    settings = configured(None)
    assert send_notifications() == {"waiting": 2}
    status = outbox_status(process_database(), mail_server_mark(settings))
    assert (status["waiting"], status["sending"], status["sent"], status["dead"]) == (2, 0, 0, 0)
    assert status["held_up"].startswith("SMTP_URL is not set")
    assert status["first_due"] <= datetime.now(UTC)


def test_what_waited_goes_out_when_there_is_a_mail_server(waiting, configured, office):
    configured(None)
    send_notifications()
    configured(office)
    assert send_notifications() == {"sent": 2, "waiting": 0}
    assert office.recipients == {"a@x.org": 1, "b@x.org": 1}
    runs = list(JobRun.select().where(JobRun.job == "send_notifications").order_by(JobRun.id))
    assert [run.counts for run in runs] == [{"waiting": 2}, {"sent": 2, "waiting": 0}]
    assert {run.outcome for run in runs} == {"done"}


def test_while_the_outbox_is_paused_nothing_is_tried(waiting, configured):
    configured(None, smtp_url="smtp://127.0.0.1:1")
    assert send_notifications() == {"paused": 1, "waiting": 2}
    before = outbox_status(process_database(), mail_server_mark(current_settings()))["held_up"]
    assert send_notifications() == {"paused": 1, "waiting": 2}
    assert (
        outbox_status(process_database(), mail_server_mark(current_settings()))["held_up"]
        == before
        != ""
    )


def test_finished_rows_are_removed_after_a_while(waiting, configured, office):
    configured(office, keep_notifications=1)
    send_notifications()
    Notification.update(finished_at=datetime.now(UTC) - timedelta(days=2)).execute()
    assert send_notifications() == {"expired": 2, "waiting": 0}
    assert Notification.select().count() == 0 and Subscriber.select().count() == 2


def test_a_word_and_a_digest_are_sent_too(configured, office, arrive):
    db = process_database()
    search = subscriptions.target_for_query(db.connection(), "coi")
    subscriptions.subscribe(db, "a@x.org", search, digest="hourly")
    arrive(subject="coi")
    Notification.update(next_attempt_at=datetime.now(UTC)).execute()
    configured(office)
    assert send_notifications() == {"sent": 1, "waiting": 0}


@pytest.mark.parametrize(
    ("environ", "hint"),
    [
        ({"SMTP_URL": "smtp://h"}, "MAIL_FROM is needed with SMTP_URL"),
        ({"SMTP_URL": "http://u:hush@h"}, "SMTP_URL: its value"),
        ({"SMTP_URL": "smtp://"}, "SMTP_URL"),
        ({"SMTP_URL": "smtp://h?tls=no"}, "starttls=never"),
        ({"SMTP_URL": "smtp://h:99999"}, "SMTP_URL"),
        ({"MAIL_FROM": "nobody"}, "MAIL_FROM"),
        ({"MAIL_FROM": "a@b.org\r\nBcc: c@d.org"}, "MAIL_FROM"),
        ({"SITE_URL": "ftp://x"}, "SITE_URL"),
        ({"SITE_URL": "https://x/?a"}, "SITE_URL"),
        ({"MAIL_RATE": "0"}, "MAIL_RATE"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named_without_its_password(environ, hint):
    with pytest.raises(SettingError) as caught:
        load(environ)
    assert hint in str(caught.value) and "hush" not in str(caught.value)


def test_the_mail_settings_are_read(tmp_path):
    (tmp_path / "url").write_text("smtps://u:p@mail.example\n")
    settings = load(
        {
            "SMTP_URL_FILE": str(tmp_path / "url"),
            "MAIL_FROM": "a <a@x.org>",
            "SITE_URL": "https://x.org/",
        }
    )
    assert settings.smtp_url == "smtps://u:p@mail.example" and settings.site_url == "https://x.org"
    assert replace(settings, token_secret="x").token_secret == "x"


def test_what_a_killed_sender_had_claimed_goes_out_at_once(waiting, configured, office):
    settings = configured(office)
    killed = delivery_of(process_database(), settings).outbox
    claimed = killed.claim(datetime.now(UTC), 400, 10)
    assert killed.begin(claimed[0].id, datetime.now(UTC))
    assert send_notifications() == {"sent": 2, "waiting": 0}
    assert office.recipients == {"a@x.org": 1, "b@x.org": 1}
    assert not killed.begin(claimed[1].id, datetime.now(UTC))


def test_what_a_living_sender_has_claimed_is_left_to_it(waiting, configured, office):
    settings = configured(office)
    alive = delivery_of(process_database(), settings).outbox
    alive.claim(datetime.now(UTC), 400, 10)
    JobRun.claim("send_notifications", "", None, this_process(), datetime.now(UTC))
    assert send_notifications() == {"refused": 1}
    assert not office.recipients
    assert {row.lease for row in Notification.select()} == {alive.lease}
