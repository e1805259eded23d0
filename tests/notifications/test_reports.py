"""Delivery reports as mail servers write them."""

from __future__ import annotations

from uuid import UUID

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrilu.notifications.reports import MAX_BYTES, Report, read_report

KEY = UUID(int=0xF00D)
RETURNED = f"Message-ID: <notification.{KEY.hex}@archive.example>\nSubject: coi\n"


def report_mail(
    *recipients: str, to: str = "notify@archive.example", about: str = "",
    returned: str = f"Content-Type: message/rfc822\n\n{RETURNED}\nbody\n",
) -> bytes:  # fmt: skip
    """Return a delivery report (RFC 3464) with these per-recipient fields."""
    status = "\n\n".join(["Reporting-MTA: dns; mx.example\n" + about, *recipients])
    return (
        f"From: MAILER-DAEMON@mx.example\nTo: {to}\nSubject: Undelivered\nMIME-Version: 1.0\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\n\n'
        f"--b\n\nSorry.\n--b\nContent-Type: message/delivery-status\n\n{status}\n"
        f"--b\n{returned}\n--b--\n"
    ).encode()


def fields(status: str, diagnostic: str = "", action: str = "failed") -> str:
    told = f"Diagnostic-Code: smtp; {diagnostic}\n" if diagnostic else ""
    return f"Final-Recipient: rfc822; a@x.org\nAction: {action}\nStatus: {status}\n{told}"


@pytest.mark.parametrize(
    ("status", "diagnostic", "known", "hard"),
    [
        ("5.1.1", "550 5.1.1 <a@x.org>: no such user", "5.1.1", True),
        ("5.1.10", "556 5.1.10 takes no mail", "5.1.10", True),
        ("5.2.1", "", "5.2.1", True),
        ("5.0.0", "550 5.1.1 unknown", "5.1.1", True),
        ("5.0.0", "550 no such user", "5.0.0", True),
        ("5.0.0", "", "5.0.0", False),
        ("5.0.0 (permanent failure)", "553 bad mailbox", "5.0.0", True),
        ("5.2.2", "552 5.2.2 mailbox full", "5.2.2", False),
        ("5.0.0", "host mx[5.1.10.7] said: 554 no", "5.0.0", False),
        ("5.0.0", "185.5.1.1 said: 554 no", "5.0.0", False),
        ("5.0.0", "from 5.1.1.9: 550-5.2.2, it is full", "5.2.2", False),
        ("5.7.1", "550 5.7.1 refused by policy", "5.7.1", False),
        ("4.4.7", "delivery time expired", "4.4.7", False),
        ("5.4.4", "Host or domain name not found", "5.4.4", False),
        ("", "", "", False),
    ],
)
def test_a_mailbox_that_does_not_exist_is_a_hard_bounce(status, diagnostic, known, hard):
    report = read_report(report_mail(fields(status, diagnostic)))
    assert report is not None and (report.key, report.action) == (KEY, "failed")
    assert (report.status, report.hard) == (known, hard)
    assert report.diagnostic == (f"smtp; {diagnostic}" if diagnostic else "")


@pytest.mark.parametrize("action", ["delayed", "delivered", "relayed", "expanded", "Delayed"])
def test_a_report_of_no_failure_is_not_hard(action):
    report = read_report(report_mail(fields("5.1.1", action=action)))
    assert report is not None and report.action == action.lower() and not report.hard


def test_of_several_recipients_the_one_that_failed_counts():
    report = read_report(report_mail(fields("2.0.0", action="relayed"), fields("5.1.1")))
    assert report is not None and report.hard


@pytest.mark.parametrize(
    "facts",
    [
        {"returned": f"Content-Type: text/rfc822-headers\n\nSubject: x\nMessage-Id:\n <notification.{KEY.hex}@a>\n"},
        {"returned": "Content-Type: text/rfc822-headers\nContent-Transfer-Encoding: base64\n\n"
                     "TWVzc2FnZS1JRDogPG5vdGlmaWNhdGlvbi4wMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwZjAwZEBhPg==\n"},
        {"returned": "", "to": f"bounces+{KEY.hex}@archive.example"},
        {"returned": "", "to": f"<Bounces+{KEY.hex.upper()}@archive.example>"},
        {"returned": "", "about": f"Original-Envelope-Id: {KEY.hex}\n"},
    ],
)  # fmt: skip
def test_our_mail_is_known_by_its_message_id_its_envelope_or_the_address(facts):
    report = read_report(report_mail(fields("5.1.1"), **facts))
    assert report is not None and report.key == KEY


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"From: a@x.org\nSubject: hello\n\n" + RETURNED.encode(),
        report_mail(
            fields("5.1.1"), returned="Content-Type: message/rfc822\n\nMessage-ID: <x@y>\n"
        ),
        report_mail(fields("5.1.1"), returned=""),
        report_mail(),
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n",
        b"Content-Type: message/delivery-status\n\n",
        b"Content-Type: multipart/mixed; boundary=b\n\n--b\n" * 3000,
    ],
)
def test_what_reports_nothing_of_ours_is_no_report(raw):
    assert read_report(raw) is None


def test_a_report_of_a_large_mail_is_read_from_its_beginning():
    raw = report_mail(
        fields("5.1.1"), returned=f"Content-Type: message/rfc822\n\n{RETURNED}\n" + "x" * 10**6
    )
    report = read_report(raw[: MAX_BYTES + 1])
    assert report is not None and report.hard


@hypothesis.settings(deadline=None)
@given(st.binary(max_size=400), st.integers(0, 900))
def test_whatever_the_bytes_are_nothing_is_raised(noise, place):
    raw = report_mail(fields("5.1.1", "550 5.1.1 x"))
    found = read_report(raw[:place] + noise + raw[place:])
    assert found is None or isinstance(found, Report)
    read_report(noise)
