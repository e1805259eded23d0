"""Which mails a program sent in answer to others."""

from __future__ import annotations

import pytest

from mrilu.mail.parse import parse_message


@pytest.mark.parametrize("lean", [True, False])
@pytest.mark.parametrize(
    "field",
    [
        "Auto-Submitted: auto-replied",
        'Auto-Submitted: Auto-Replied (vacation); owner-email="a@x.org"',
        "Auto-Submitted: auto-notified",
        "Return-Path: < >\nFrom: Mail <MAILER-DAEMON@x.org>",
        "Content-Type: multipart/report; report-type=delivery-status; boundary=b",
        'Content-Type: Multipart/Report;\n report-type="disposition-notification"; boundary=b',
        "X-Failed-Recipients: b@x.org",
        "Precedence: auto_reply",
    ],
)
def test_an_automatic_answer_is_seen(field, lean):
    assert parse_message(
        f"{field}\nFrom: a@x.org\nSubject: s\n\ncoi\n".encode(), lean=lean
    ).automatic


@pytest.mark.parametrize("lean", [True, False])
@pytest.mark.parametrize(
    "field",
    [
        "Auto-Submitted: no",
        "Auto-Submitted: auto-generated; x=y",
        "Auto-Submitted: No (a person)",
        "Message-ID: <notification.1@x.org>",
        "List-Id: <announce.lists.example.org>",
        "Return-Path: <list-bounces@x.org>",
        "Return-Path: <>",
        "Content-Type: multipart/mixed; boundary=delivery-status",
        "Precedence: list",
    ],
)
def test_what_people_and_lists_send_is_not_automatic(field, lean):
    assert not parse_message(
        f"{field}\nFrom: a@x.org\nSubject: s\n\ncoi\n".encode(), lean=lean
    ).automatic
