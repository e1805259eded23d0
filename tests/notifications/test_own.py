"""Our own mail and automatic answers, when they reach an archived Maildir: kept, and told to nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.import_messages import import_messages
from models import Message, Notification
from mrilu.notifications import subscriptions
from tests.factories import deliver
from tests.notifications.conftest import run

OWN_ID = f"<notification.{'0f' * 16}@archive.example>"


def told() -> int:
    return int(Notification.select().count())


@pytest.mark.parametrize(
    ("message_id", "facts"),
    [
        (None, {"sender": "Other name <Notify@ARCHIVE.example>"}),
        (OWN_ID, {}),
        (OWN_ID.replace("archive", "elsewhere"), {"list_id": "<tea.lists.example>"}),
        (None, {"list_id": "<notifications.archive.example>"}),
        (None, {"more": "Auto-Submitted: auto-replied (vacation)\n"}),
        (
            None,
            {"more": "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n"},
        ),
        (None, {"sender": "MAILER-DAEMON@h.example", "more": "Return-Path: <>\n"}),
    ],
)
def test_mail_of_our_own_and_automatic_answers_are_archived_but_no_news(
    message_id, facts, arrive, search_for, configured, database
):
    configured(None)
    arrive("<root@x>", subject="fi'i")
    target = subscriptions.target_for_thread(database.connection(), "root@x")
    assert subscriptions.subscribe(database, "a@x.org", target)
    search_for("coi", "b@x.org")
    arrive(message_id, subject="coi", in_reply_to="<root@x>", **facts)
    assert Message.select().count() == 2
    assert told() == 0


@pytest.mark.parametrize(
    "facts",
    [
        {"more": "Auto-Submitted: auto-generated\n"},
        {"more": "Auto-Submitted: no\n"},
        {"list_id": "<notifications.elsewhere.example>"},
        {"in_reply_to": OWN_ID},
        {"more": "Return-Path: <>\n"},
    ],
)
def test_what_others_write_or_generate_is_news(facts, arrive, search_for, configured):
    configured(None)
    search_for("coi", "b@x.org")
    arrive(subject="coi", **facts)
    assert told() == 1


def test_a_notification_that_comes_back_makes_no_other_one(
    arrive, search_for, configured, office, database
):
    settings = configured(office)
    search_for("coi", "a@x.org")
    arrive(subject="coi")
    assert run(settings)["sent"] == 1
    [sent] = office.accepted
    root = Path(database.execute_sql("SELECT root FROM maildir").fetchone()[0])
    assert import_messages("test", [deliver(root, sent.raw)]) == {"imported": 1}
    assert told() == 1


def test_without_a_sender_every_author_is_another(arrive, search_for, configured):
    configured(None, mail_from="")
    search_for("coi", "a@x.org")
    arrive(subject="coi", sender="")
    assert told() == 1
