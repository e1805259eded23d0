"""Confirmed opt-in: a stranger who asks for a subscription gets one mail, and no other before its link is opened."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from peewee import PostgresqlDatabase
from psycopg import Connection

from models import Subscription
from mrilu.notifications.addresses import checked_address
from mrilu.notifications.links import Outcome, verify
from mrilu.notifications.subscriptions import (
    PENDING_SUBSCRIPTION,
    Target,
    drop_subscriptions,
    write_subscriber,
    write_subscription,
)

UNCONFIRMED_FOR = timedelta(days=7)
AGAIN_AFTER = timedelta(days=1)  # before a confirmation is sent a second time
MAX_DAILY = 5  # confirmations to one address per day: a stranger cannot have it flooded
MAX_HOURLY = 200  # confirmations to all addresses per hour

# Someone who is known already keeps their settings: the one who asks may be another.
KNOWN_SUBSCRIBER = """
INSERT INTO subscriber (address, locale, timezone, digest, digest_hour)
VALUES (%(address)s, coalesce(%(locale)s, 'en'), coalesce(%(timezone)s, 'UTC'), coalesce(%(digest)s, 'none'),
        coalesce(%(digest_hour)s, 0))
ON CONFLICT (lower(address)) DO UPDATE SET locale = subscriber.locale
RETURNING id
"""
RECENT = """
SELECT count(*) FILTER (WHERE subscriber = %(subscriber)s), count(*) FILTER (WHERE created_at > %(hour)s)
  FROM notification WHERE kind = 'confirm' AND created_at > %(day)s
"""
# No message's id is negative.
ASK = """
INSERT INTO notification AS n (subscriber, subscription, kind, subject, next_attempt_at, created_at)
VALUES (%(subscriber)s, %(subscription)s, 'confirm', -%(subscription)s, %(now)s, %(now)s)
ON CONFLICT (subscriber, subject, (kind = 'word')) DO UPDATE
   SET state = 'waiting', message_key = gen_random_uuid(), attempts = 0, next_attempt_at = %(now)s, tried_at = NULL,
       finished_at = NULL, reply = '', created_at = %(now)s
 WHERE n.state <> 'waiting' AND n.created_at < %(again)s
"""
CONFIRM = """
WITH confirmed AS (
    UPDATE subscription SET confirmed_at = now()
     WHERE id = %(subscription)s AND subscriber = %(subscriber)s AND confirmed_at IS NULL RETURNING subscriber)
UPDATE subscriber AS r SET suppressed_at = NULL, suppressed_reply = '' FROM confirmed AS c WHERE r.id = c.subscriber
"""
UNCONFIRMED = (
    "SELECT id, subscriber FROM subscription WHERE confirmed_at IS NULL AND created_at < %s"
)
FORGET_SUBSCRIBERS = """
DELETE FROM subscriber AS r WHERE id = ANY(%s)
   AND NOT EXISTS (SELECT FROM subscription AS s WHERE s.subscriber = r.id)
   AND NOT EXISTS (SELECT FROM notification AS n WHERE n.subscriber = r.id AND n.kind <> 'confirm')
"""


class TooManyRequests(Exception):
    """Too many subscriptions were asked for within the hour: please try again later."""

    def __str__(self) -> str:
        return str(self.__doc__)


def request_subscription(
    db: PostgresqlDatabase, address: str, target: Target, now: datetime, **facts: Any
) -> bool:
    """Write down a subscription that begins when it is confirmed, and the mail that asks; tell whether one is sent.

    None is sent when the subscription is confirmed already, or when the address was asked often enough.
    `facts`: locale, timezone, digest, digest_hour for an address that is new.
    Raises InvalidAddress, NotSubscribable or TooManyRequests.
    """
    with db.atomic():
        connection = db.connection()
        subscriber = write_subscriber(connection, KNOWN_SUBSCRIBER, checked_address(address), facts)
        subscription = write_subscription(connection, PENDING_SUBSCRIPTION, subscriber, target)
        if subscription is None:
            row = Subscription.get(
                Subscription.subscriber == subscriber,
                Subscription.kind == target.kind,
                Subscription.target == target.target,
            )
            if row.confirmed_at is not None:
                return False
            subscription = row.id
        return _ask(connection, subscriber, subscription, now)


def _ask(connection: Connection, subscriber: int, subscription: int, now: datetime) -> bool:
    facts = {
        "subscriber": subscriber,
        "subscription": subscription,
        "now": now,
        "again": now - AGAIN_AFTER,
        "day": now - timedelta(days=1),
        "hour": now - timedelta(hours=1),
    }
    to_address, to_all = connection.execute(RECENT, facts).fetchone() or (0, 0)
    if to_all >= MAX_HOURLY:
        raise TooManyRequests
    return to_address < MAX_DAILY and connection.execute(ASK, facts).rowcount == 1


def confirm(db: PostgresqlDatabase, token: str, key: bytes) -> Outcome:
    """Begin the subscription that the token confirms: DONE, ALREADY (also: it was given up), or FORGED."""
    scope = verify(token, key, "confirm")
    if scope is None or scope.subscription is None:
        return Outcome.FORGED
    facts = {"subscriber": scope.subscriber, "subscription": scope.subscription}
    done = db.connection().execute(CONFIRM, facts).rowcount
    return Outcome.DONE if done else Outcome.ALREADY


def expire_unconfirmed(db: PostgresqlDatabase, now: datetime) -> int:
    """Delete subscriptions that were not confirmed within a week, and addresses that have no other; return how many."""
    with db.atomic():
        connection = db.connection()
        rows = connection.execute(UNCONFIRMED, (now - UNCONFIRMED_FOR,)).fetchall()
        if not rows:
            return 0
        drop_subscriptions(db, [row[0] for row in rows])
        connection.execute(FORGET_SUBSCRIBERS, ([row[1] for row in rows],))
    return len(rows)
