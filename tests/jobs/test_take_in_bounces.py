"""Bounces that come after the mail server's yes: in an archived Maildir, or in a folder of their own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import peewee
import pytest

from jobs.import_messages import import_messages
from jobs.take_in_bounces import take_in_bounces
from models import Bounce, BounceFile, DeliveryReport, Notification, Subscriber, Subscription
from mrilu.archive.read_bytes import read_bytes
from tests.factories import deliver, mail, make_maildir
from tests.notifications.conftest import *  # noqa: F403 - the fixtures of the package beside
from tests.notifications.conftest import run
from tests.notifications.test_reports import fields, report_mail


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_maildir(tmp_path / "Bounces")


@pytest.fixture
def sent(arrive, search_for, configured, office, folder):
    """A function that sends a notification to a@x.org and returns its Message-ID's line."""
    settings = configured(office, bounce_maildir=folder)
    search_for("coi", "a@x.org")

    def send() -> str:
        arrive(subject="coi")
        assert run(settings)["sent"] == 1
        return f"Message-ID: {office.accepted[-1].message_id}\n"

    return send


def bounce_of(line: str, status: str = "5.1.1", action: str = "failed") -> bytes:
    returned = f"Content-Type: message/rfc822\n\n{line}\nx\n"
    return report_mail(fields(status, f"550 {status} no", action), returned=returned)


def test_a_hard_bounce_ends_all_mail_to_the_address(sent, folder, arrive):
    line = sent()
    arrive(subject="coi again")
    deliver(folder, bounce_of(line))
    assert take_in_bounces() == {"hard": 1}
    assert Notification.by_state()["dead"] == 2
    row = Subscriber.get()
    assert row.suppressed_at and row.suppressed_reply == "bounced: 5.1.1 smtp; 550 5.1.1 no"
    assert take_in_bounces() == {} and BounceFile.select().count() == 1


def test_a_report_in_an_archived_maildir_is_taken_in_and_is_no_news(sent, search_for, database):
    line = sent()
    search_for("sorry OR undelivered", "b@x.org")
    root = Path(database.execute_sql("SELECT root FROM maildir").fetchone()[0])
    path = deliver(root, bounce_of(line))
    assert import_messages("test", [path]) == {"imported": 1}
    assert Notification.select().count() == 1 and DeliveryReport.select().count() == 1
    assert take_in_bounces() == {"hard": 1}
    assert DeliveryReport.select().count() == 0 and Subscriber.get_by_id(1).suppressed_at
    assert take_in_bounces() == {}


def test_a_report_whose_file_is_away_waits_and_is_given_up_in_the_end(sent, database):
    line = sent()
    root = Path(database.execute_sql("SELECT root FROM maildir").fetchone()[0])
    path = deliver(root, bounce_of(line))
    import_messages("test", [path])
    (root / path).rename(root / "away")
    assert take_in_bounces() == {"waiting": 1}
    DeliveryReport.update(noted_at=datetime.now(UTC) - timedelta(days=8)).execute()
    assert take_in_bounces() == {"missing": 1} and take_in_bounces() == {}


def test_reports_that_are_away_hold_up_no_others(sent, database, monkeypatch):
    monkeypatch.setattr("jobs.take_in_bounces.AT_ONCE", 1)
    root = Path(database.execute_sql("SELECT root FROM maildir").fetchone()[0])
    away, there = deliver(root, bounce_of(sent())), deliver(root, bounce_of(sent()))
    import_messages("test", [away])
    import_messages("test", [there])
    (root / away).rename(root / "away")
    assert take_in_bounces() == {"waiting": 1, "hard": 1}


def test_files_that_cannot_be_read_hold_up_no_others(sent, folder, monkeypatch):
    monkeypatch.setattr("jobs.take_in_bounces.AT_ONCE", 1)
    (folder / "new" / "1.closed").write_bytes(b"x")
    (folder / "new" / "2.there").write_bytes(bounce_of(sent(), "5.2.2"))

    def read(root: Path, path: str, most: int) -> bytes:
        if path.endswith("1.closed"):
            raise PermissionError(13, "Permission denied")
        return read_bytes(root, path, most)

    monkeypatch.setattr("jobs.take_in_bounces.read_bytes", read)
    assert take_in_bounces() == {"unreadable": 1, "soft": 1}


def test_a_database_that_goes_away_leaves_the_report_for_the_next_run(sent, folder, monkeypatch):
    deliver(folder, bounce_of(sent()))

    def fail(*_: object) -> None:
        raise peewee.InterfaceError("connection already closed")

    with monkeypatch.context() as patched:
        patched.setattr("jobs.take_in_bounces.take_in", fail)
        with pytest.raises(peewee.InterfaceError):
            take_in_bounces()
    assert take_in_bounces() == {"hard": 1}


def test_soft_bounces_count_and_the_fifth_in_a_month_ends_the_mail(sent, folder):
    for count in range(1, 5):
        deliver(folder, bounce_of(sent(), "5.2.2"))
        assert take_in_bounces() == {"soft": 1} and Bounce.select().count() == count
        assert Subscriber.get().suppressed_at is None
    Bounce.update(received_at=datetime.now(UTC) - timedelta(days=31)).execute()
    deliver(folder, bounce_of(sent(), "5.2.2"))
    assert take_in_bounces() == {"soft": 1}
    Bounce.update(received_at=datetime.now(UTC)).execute()
    deliver(folder, bounce_of(sent(), "4.4.7"))
    assert take_in_bounces() == {"suppressed": 1}
    assert Subscriber.get().suppressed_reply.startswith("6 bounces, the last bounced: 4.4.7")


def test_a_report_that_comes_twice_counts_once_and_a_delay_counts_for_nothing(sent, folder):
    line = sent()
    deliver(folder, bounce_of(line, "4.4.1", "delayed"))
    assert take_in_bounces() == {"other": 1} and Notification.by_state()["sent"] == 1
    deliver(folder, bounce_of(line, "5.2.2"))
    deliver(folder, bounce_of(line, "5.2.2"))
    assert take_in_bounces() == {"soft": 1, "repeated": 1}


def test_nothing_is_moved_and_what_moved_is_not_read_twice(sent, folder):
    path = deliver(folder, bounce_of(sent(), "5.2.2"))
    other = deliver(folder, mail(subject="a question to the operator"))
    assert take_in_bounces() == {"soft": 1, "other": 1}
    assert (folder / path).exists() and (folder / other).exists()
    (folder / path).rename(folder / "cur" / f"{Path(path).name}:2,S")
    assert take_in_bounces() == {}
    (folder / other).unlink()
    assert take_in_bounces() == {} and BounceFile.select().count() == 1


def test_a_forged_report_of_no_mail_of_ours_does_nothing(sent, folder):
    sent()
    deliver(folder, bounce_of(f"Message-ID: <notification.{'0' * 32}@archive.example>\n"))
    assert take_in_bounces() == {"other": 1} and Subscriber.get().suppressed_at is None


def test_the_envelope_names_the_email_where_there_is_an_address_for_bounces(
    arrive, search_for, configured, office, folder
):
    settings = configured(office, bounce_maildir=folder, bounce_address="bounces@archive.example")
    search_for("coi", "a@x.org")
    arrive(subject="coi")
    run(settings)
    [accepted] = office.accepted
    key = Notification.get().message_key.hex
    assert accepted.sender == f"bounces+{key}@archive.example"
    assert accepted.message["From"] == "mrilu <notify@archive.example>"
    deliver(folder, report_mail(fields("5.1.1"), to=accepted.sender, returned=""))
    assert take_in_bounces() == {"hard": 1}


def test_a_digest_that_bounces_is_dead_as_a_whole(arrive, search_for, configured, office, folder):
    settings = configured(office, bounce_maildir=folder)
    search_for("coi", "a@x.org", digest="hourly")
    arrive(subject="coi")
    arrive(subject="coi")
    later = datetime.now(UTC) + timedelta(hours=2)
    assert run(settings, now=lambda: later) == {"sent": 1}
    deliver(folder, bounce_of(f"Message-ID: {office.accepted[0].message_id}\n"))
    assert take_in_bounces() == {"hard": 1} and Notification.by_state()["dead"] == 2


def asked(subject: str, **facts: str) -> bytes:
    dated = {"date": format_datetime(datetime.now(UTC)), **facts}
    return mail(subject=subject, sender="Ann <ann@x.example>", **dated)


@pytest.mark.parametrize(
    ("subject", "kind"),
    [
        ("subscribe word klama", "word"),
        ("Subscribe query from:ann coi", "query"),
        ("SUBSCRIBE new words en, ja", "words"),
    ],
)
def test_a_subscription_asked_for_by_mail_waits_for_its_confirmation(
    subject, kind, configured, folder, database
):
    configured(None, bounce_maildir=folder)
    deliver(folder, asked(subject))
    assert take_in_bounces() == {"requested": 1}
    [row] = Subscription.select()
    assert row.kind == kind and row.confirmed_at is None
    assert Subscriber.get().address == "ann@x.example"
    assert [one.kind for one in Notification.select()] == ["confirm"]


@pytest.mark.parametrize(
    "raw",
    [
        asked("Re: subscribe word klama"),
        asked("subscribe"),
        asked("subscribe word klama", date="Mon, 06 Oct 2025 09:12:44 +0200"),
        asked("subscribe word klama", more="Auto-Submitted: auto-replied\n"),
        b"\x00",
    ],
)
def test_other_mail_asks_for_nothing(raw, configured, folder, database):
    configured(None, bounce_maildir=folder)
    deliver(folder, raw)
    assert take_in_bounces() == {"other": 1} and Subscriber.select().count() == 0


def test_what_cannot_be_subscribed_to_is_not_answered(configured, folder, database):
    configured(None, bounce_maildir=folder)
    deliver(folder, asked("subscribe query before:soon"))
    assert take_in_bounces() == {"requested": 1} and Notification.select().count() == 0


def test_a_folder_that_is_not_there_is_named(configured, tmp_path, database):
    configured(None, bounce_maildir=tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="none"):
        take_in_bounces()
