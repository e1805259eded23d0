"""What `./run.sh status` and the metrics say of the outbox."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from peewee import PostgresqlDatabase

from mrilu.notifications.outbox import counts_by_state
from mrilu.notifications.pause import current_pause, settings_mark
from mrilu.settings.table import Settings


def pause_mark(settings: Settings) -> str:
    """Return what tells these settings of the mail server from others: a pause is about the ones it began with."""
    return settings_mark(settings.smtp_url, str(settings.smtp_ca_file), settings.mail_from)


def outbox_status(db: PostgresqlDatabase, settings: Settings) -> dict[str, Any]:
    """Return the rows by state (waiting, sending, sent, dead, cancelled), first_due, and why nothing is sent.

    `held_up` is "" when mail goes out; else a sentence: SMTP_URL is not set, or the pause's reason and end.
    """
    return {**counts_by_state(db), "held_up": _held_up(settings)}


def _held_up(settings: Settings) -> str:
    if not settings.smtp_url:
        return "SMTP_URL is not set: notifications wait until it is"
    pause = current_pause(pause_mark(settings), datetime.now(UTC))
    return f"{pause.reason}; next try at {pause.until:%Y-%m-%d %H:%M:%S} UTC" if pause else ""
