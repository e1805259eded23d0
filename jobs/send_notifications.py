"""Sends the notifications that are due (SMTP_URL).

What is promised of each row of the outbox: the mail server accepts it exactly once, save that it may accept it
a second time

- when the sender dies, or the connection breaks, between the server's yes and our mark of it: one mail, the one
  that was under way; a killed sender never repeats another;
- when PostgreSQL or the machine crashes: those accepted in the 0.02 seconds (FLUSH_SECONDS) before it, whose marks
  had not reached the disk.

The second one has the Message-ID of the first, by which mail systems know it. No row is lost: it ends as sent, as
dead with the server's last reply, or as cancelled because its subscriber gave the subscription up or what it was
about is no more; until then it waits.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from email.utils import parseaddr
from uuid import uuid4

from peewee import PostgresqlDatabase

from mrilu.notifications.delivery import Delivery
from mrilu.notifications.letter import Site
from mrilu.notifications.outbox import Outbox, Rates, counts_by_state
from mrilu.notifications.pause import current_pause
from mrilu.notifications.smtp import Session, server_of
from mrilu.notifications.status import pause_mark
from mrilu.notifications.tokens import token_key
from mrilu.queues.runs import recorded
from mrilu.runtime.database import database
from mrilu.settings.current import current_settings
from mrilu.settings.table import Settings

logger = logging.getLogger(__name__)

RUN_SECONDS = 45.0  # the next run comes after a minute
ANSWERS = (
    12  # of the server, that one mail may wait for: connecting and logging in again are among them
)


@recorded
def send_notifications() -> dict[str, int]:
    """Send what is due; return how many mails were sent, will be tried again, are dead or cancelled, or wait."""
    settings, db = current_settings(), database()
    moment = datetime.now(UTC)
    expired = Outbox(db, uuid4(), rates_of(settings)).expire(
        moment - timedelta(days=settings.keep_notifications)
    )
    counts = {"expired": expired} if expired else {}
    if settings.smtp_url is None:
        return {**counts, "waiting": counts_by_state(db)["waiting"]}
    if current_pause(pause_mark(settings), moment) is not None:
        return {**counts, "paused": 1, "waiting": counts_by_state(db)["waiting"]}
    counts.update(delivery_of(db, settings).run())
    return {**counts, "waiting": counts_by_state(db)["waiting"]}


def rates_of(settings: Settings) -> Rates:
    """Return the limits MAIL_RATE, DOMAIN_RATE and MAX_HOURLY."""
    return Rates(settings.mail_rate, settings.domain_rate, settings.max_hourly)


def delivery_of(db: PostgresqlDatabase, settings: Settings) -> Delivery:
    """Return a run of the sender with the settings' mail server; nothing is opened yet."""
    server = server_of(settings.smtp_url or "", settings.smtp_ca_file, settings.smtp_timeout)
    own_name = parseaddr(settings.mail_from)[1].rpartition("@")[2]
    return Delivery(
        outbox=Outbox(db, uuid4(), rates_of(settings)),
        site=Site(settings.mail_from, settings.site_url, token_key(db, settings.token_secret)),
        connect=lambda: Session(server, own_name),
        about=pause_mark(settings),
        seconds=RUN_SECONDS,
        lease_seconds=RUN_SECONDS + ANSWERS * settings.smtp_timeout,
    )
