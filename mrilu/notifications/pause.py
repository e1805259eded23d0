"""The pause of the outbox: kept in the database with its reason, ended by time, success or other settings."""

from __future__ import annotations

import hashlib
import random
from datetime import datetime, timedelta

from models import NotificationPause

LONGEST = timedelta(hours=1)
AWAY = timedelta(minutes=1)  # first pause when the server does not answer
REFUSED = timedelta(minutes=5)  # first pause when it refuses us: login, certificate, policy


def current_pause(about: str, now: datetime) -> NotificationPause | None:
    """Return the pause that holds now; one that is about other settings holds no more."""
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
    """Forget the pause: a mail was accepted. True when there was one."""
    return NotificationPause.delete().execute() > 0


def settings_mark(*values: object) -> str:
    """Return what tells the mail server's settings from others; a password cannot be read back from it."""
    text = repr(values).encode()
    return hashlib.scrypt(text, salt=b"notification pause", n=2**12, r=8, p=1, dklen=8).hex()
