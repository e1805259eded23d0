"""Sends the notifications that are due (SMTP_URL).

Each row of the outbox is accepted by the mail server exactly once, except that it may be accepted a second time

- when the sender dies, or the connection breaks, between the server's 250 and our commit: one mail, the one being
  sent; a killed sender never repeats another;
- when PostgreSQL or the machine crashes: those accepted in the 0.02 seconds (FLUSH_SECONDS) before it, whose commits
  had not reached the disk.

The second one has the Message-ID of the first, by which mail systems know it. No row is lost: it ends as sent, as
dead with the server's last reply, or as cancelled because its subscriber unsubscribed or its item was deleted; until
then it waits.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from peewee import PostgresqlDatabase

from mrilu.notifications.confirmation import expire_unconfirmed
from mrilu.notifications.delivery import Delivery
from mrilu.notifications.emails import Site
from mrilu.notifications.links import token_key
from mrilu.notifications.news import match_news
from mrilu.notifications.outbox import Outbox, Rates, counts_by_state
from mrilu.notifications.pause import current_pause
from mrilu.notifications.recipients import forget_recipients
from mrilu.notifications.smtp import Session, server_of
from mrilu.queues.rules import mail_server_mark, news_rules_of
from mrilu.queues.runs import recorded
from mrilu.runtime.database import database
from mrilu.settings.current import current_settings
from mrilu.settings.table import Settings

RUN_SECONDS = 45.0  # the next run comes after a minute
ANSWERS = (
    12  # of the server, that one mail may wait for: connecting and logging in again are among them
)


@recorded
def send_notifications() -> dict[str, int]:
    """Send what is due; return how many mails were sent, will be tried again, are dead or cancelled, or wait."""
    settings, db = current_settings(), database()
    now = datetime.now(UTC)
    match_news(db, news_rules_of(settings))  # what an import that was killed left
    counts = _expire(db, settings, now)
    if settings.smtp_url is None:
        return {**counts, "waiting": counts_by_state(db)["waiting"]}
    if current_pause(mail_server_mark(settings) or "", now) is not None:
        return {**counts, "paused": 1, "waiting": counts_by_state(db)["waiting"]}
    delivery = delivery_of(db, settings)
    # A run begins when no other is under way (`recorded`): whoever has a lease is dead.
    delivery.outbox.take_over(now)
    counts.update(delivery.run())
    return {**counts, "waiting": counts_by_state(db)["waiting"]}


def _expire(db: PostgresqlDatabase, settings: Settings, now: datetime) -> dict[str, int]:
    """Remove what is past its time: finished rows, subscriptions without a confirmation, pauses of recipients."""
    outbox = Outbox(db, uuid4(), rates_of(settings))
    expired = outbox.expire(now - timedelta(days=settings.keep_notifications))
    unconfirmed = expire_unconfirmed(db, now)
    forget_recipients(db, now)
    counts = {"expired": expired, "unconfirmed": unconfirmed}
    return {name: count for name, count in counts.items() if count}


def rates_of(settings: Settings) -> Rates:
    """Return the limits MAIL_RATE, DOMAIN_RATE and MAX_HOURLY."""
    return Rates(settings.mail_rate, settings.domain_rate, settings.max_hourly)


def delivery_of(db: PostgresqlDatabase, settings: Settings) -> Delivery:
    """Return a run of the sender with the settings' mail server; nothing is opened yet."""
    server = server_of(settings.smtp_url or "", settings.smtp_ca_file, settings.smtp_timeout)
    key = token_key(db, settings.token_secret)
    site = Site(settings.mail_from, settings.site_url, key, settings.bounce_address)
    return Delivery(
        outbox=Outbox(db, uuid4(), rates_of(settings)),
        site=site,
        connect=lambda: Session(server, site.address.rpartition("@")[2]),
        about=mail_server_mark(settings) or "",
        seconds=RUN_SECONDS,
        lease_seconds=RUN_SECONDS + ANSWERS * settings.smtp_timeout,
    )
