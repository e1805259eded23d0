"""The state of the outbox: its pause (kept in the database with its reason; ended by time, success or other
settings), and what `./run.sh status` and the metrics say of it."""

from __future__ import annotations

import hashlib
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from peewee import PostgresqlDatabase

from models import NotificationPause
from mrilu.notifications.outbox import counts_by_state
from mrilu.notifications.recipients import refusing_recipients

LONGEST = timedelta(hours=1)
AWAY = timedelta(minutes=1)  # first pause when the server does not answer
REFUSED = timedelta(minutes=5)  # first pause when it refuses us: login, certificate, policy


def current_pause(about: str, now: datetime) -> NotificationPause | None:
    """Return the pause that holds now; one that is about other settings no longer holds."""
    row = NotificationPause.get_or_none(NotificationPause.id == 1)
    return row if row is not None and row.about == about and row.until > now else None


def begin_pause(
    reason: str, first: timedelta, about: str, now: datetime, rng: random.Random
) -> datetime:
    """Pause the outbox and return until when: `first`, doubled at each pause without a success in between."""
    row = NotificationPause.get_or_none(NotificationPause.id == 1)
    before = row if row is not None and row.about == about else None
    times = before.times + 1 if before else 1
    full = min(first * 2 ** min(times - 1, 16), LONGEST)
    until = now + full * rng.uniform(0.5, 1.0)
    since = before.since if before else now
    facts = {"reason": reason[:500], "since": since, "until": until, "times": times, "about": about}
    NotificationPause.insert(id=1, **facts).on_conflict(
        conflict_target=[NotificationPause.id], update=facts
    ).execute()
    return until


def end_pause() -> bool:
    """Forget the pause, since a mail was accepted; tell whether there was one."""
    return NotificationPause.delete().execute() > 0


def settings_mark(*values: object) -> str:
    """Return a hash of settings that no password can be read back from."""
    text = repr(values).encode()
    return hashlib.scrypt(text, salt=b"notification pause", n=2**12, r=8, p=1, dklen=8).hex()


def pause_mark(smtp_url: str | None, ca_file: Path | None, mail_from: str) -> str:
    """Return a hash of the mail server's settings: a pause is about the ones it began with."""
    return settings_mark(smtp_url, str(ca_file), mail_from)


def outbox_status(db: PostgresqlDatabase, mark: str | None) -> dict[str, Any]:
    """Return the rows by state (waiting, sending, sent, dead, cancelled), first_due, and why nothing is sent.

    `mark` is `pause_mark` of the mail server, None without SMTP_URL.

    `refusing` counts the addresses and domains that are left alone, since they refuse our mail by policy.
    `held_up` is "" when mail goes out; else a sentence: SMTP_URL is not set, or the pause's reason and end.
    """
    refusing = refusing_recipients(db, datetime.now(UTC))
    return {**counts_by_state(db), "refusing": refusing, "held_up": _held_up(mark)}


def _held_up(mark: str | None) -> str:
    if mark is None:
        return "SMTP_URL is not set: notifications wait until it is"
    pause = current_pause(mark, datetime.now(UTC))
    return f"{pause.reason}; next try at {pause.until:%Y-%m-%d %H:%M:%S} UTC" if pause else ""
