"""Notifications: subscribers, what they subscribed to, the outbox, what holds it up and what came back."""

from __future__ import annotations

from typing import Any

from peewee import (
    JOIN,
    BigIntegerField,
    BooleanField,
    CompositeKey,
    DoubleField,
    IntegerField,
    SmallIntegerField,
    TextField,
    UUIDField,
    fn,
)
from playhouse.postgres_ext import ArrayField, DateTimeTZField, IdentityField

from mrilu.tables.base import BaseModel, db

LIFT = """
UPDATE subscriber SET suppressed_at = NULL, suppressed_reply = '' WHERE suppressed_at IS NOT NULL AND id IN
       (SELECT subscriber FROM notification WHERE state = 'dead' AND (%(number)s::bigint IS NULL OR id = %(number)s))
"""
REVIVE = """
UPDATE notification AS n SET state = 'waiting', attempts = 0, next_attempt_at = now(), finished_at = NULL, mail = NULL
  FROM subscriber AS r
 WHERE r.id = n.subscriber AND r.address IS NOT NULL AND n.state = 'dead'
   AND (%(number)s::bigint IS NULL OR n.id = %(number)s)
"""


class Subscriber(BaseModel):
    """A recipient of notifications; `suppressed_reply` is what a server said of a dead address."""

    id = IdentityField()
    address = TextField(null=True)
    locale = TextField()
    timezone = TextField()
    digest = TextField()
    digest_hour = SmallIntegerField()
    unsubscribed = IntegerField()
    suppressed_at = DateTimeTZField(null=True)
    suppressed_reply = TextField()
    created_at = DateTimeTZField()

    @classmethod
    def with_address(cls, address: str) -> Subscriber | None:
        """Return the subscriber of this address, letter case aside."""
        return cls.get_or_none(
            cls.address.is_null(False) & (fn.lower(cls.address) == address.lower())
        )


class Subscription(BaseModel):
    """One word (or all new ones), thread or saved search that a subscriber follows; `label` is what people read."""

    id = IdentityField()
    subscriber = BigIntegerField()
    kind = TextField()
    target = TextField()
    label = TextField()
    node = BigIntegerField(null=True)
    search = TextField(null=True)
    created_at = DateTimeTZField()
    languages = ArrayField(TextField, index=False)
    conditions = BooleanField()
    confirmed_at = DateTimeTZField(null=True)

    @classmethod
    def of(cls, subscriber: int) -> list[Subscription]:
        """Return a subscriber's subscriptions, oldest first."""
        return list(cls.select().where(cls.subscriber == subscriber).order_by(cls.id))

    @classmethod
    def confirmed_of(cls, subscriber: int) -> list[Subscription]:
        """Return a subscriber's subscriptions that do not wait for a confirmation, oldest first."""
        return [one for one in cls.of(subscriber) if one.confirmed_at is not None]


class SubscriptionLexeme(BaseModel):
    """A lexeme of which a message must have one at least to match a saved search."""

    lexeme = TextField()
    subscription = BigIntegerField()

    class Meta:
        primary_key = CompositeKey("lexeme", "subscription")


class Notification(BaseModel):
    """One row of the outbox; the states are waiting, sent, dead (see `reply`) and cancelled."""

    id = IdentityField()
    subscriber = BigIntegerField()
    subscription = BigIntegerField()
    kind = TextField()
    subject = BigIntegerField()
    digest = BooleanField()
    mail = BigIntegerField(null=True)
    message_key = UUIDField()
    state = TextField()
    attempts = IntegerField()
    next_attempt_at = DateTimeTZField()
    lease = UUIDField(null=True)
    tried_at = DateTimeTZField(null=True)
    finished_at = DateTimeTZField(null=True)
    reply = TextField()
    created_at = DateTimeTZField()

    @classmethod
    def by_state(cls) -> dict[str, int]:
        """Count the rows by state; every state is there."""
        rows = db.execute_sql("SELECT state, count(*) FROM notification GROUP BY state")
        return {"waiting": 0, "sent": 0, "dead": 0, "cancelled": 0} | dict(rows.fetchall())

    @classmethod
    def dead(cls, subscriber: int | None = None, limit: int | None = None) -> list[dict[str, Any]]:
        """Return what was given up, newest first, with address and label where they are still known."""
        rows = (
            cls.select(
                cls.id,
                cls.kind,
                cls.attempts,
                cls.finished_at,
                cls.reply,
                Subscriber.address,
                Subscription.label,
            )
            .join(Subscriber, JOIN.LEFT_OUTER, on=cls.subscriber == Subscriber.id)
            .switch(cls)
            .join(Subscription, JOIN.LEFT_OUTER, on=cls.subscription == Subscription.id)
            .where(cls.state == "dead")
            .order_by(cls.finished_at.desc(), cls.id.desc())
        )
        if subscriber is not None:
            rows = rows.where(cls.subscriber == subscriber)
        if limit is not None:
            rows = rows.limit(limit)
        return [dict(row) for row in rows.dicts().iterator()]

    @classmethod
    def revive(cls, number: int | None = None) -> int:
        """Let what was given up, all or one, be sent after all, to suppressed addresses too; return how many rows."""
        facts = {"number": number}
        with db.atomic():
            db.connection().execute(LIFT, facts)
            return int(db.connection().execute(REVIVE, facts).rowcount)


class News(BaseModel):
    """A message that was stored and whose subscribers are still to be found; `arrived` in seconds since 1970."""

    id = IdentityField()
    message = BigIntegerField()
    arrived = DoubleField()


class NotificationPause(BaseModel):
    """Why and until when nothing is sent; one row or none."""

    id = IntegerField(primary_key=True)
    reason = TextField()
    since = DateTimeTZField()
    until = DateTimeTZField()
    times = IntegerField()
    about = TextField()


class RecipientPause(BaseModel):
    """An address, or a domain, that refuses our mail by policy, and until when it is left alone."""

    recipient = TextField(primary_key=True)
    reason = TextField()
    since = DateTimeTZField()
    until = DateTimeTZField()
    times = IntegerField()


class Bounce(BaseModel):
    """A notification that was accepted and could not be delivered, by a delivery report (RFC 3464)."""

    notification = BigIntegerField(primary_key=True)
    subscriber = BigIntegerField(index=True)
    hard = BooleanField()
    status = TextField()
    diagnostic = TextField()
    received_at = DateTimeTZField()


class DeliveryReport(BaseModel):
    """A delivery report in an archived Maildir that waits to be read as one."""

    message = BigIntegerField(primary_key=True)
    noted_at = DateTimeTZField()


class BounceFile(BaseModel):
    """A file of BOUNCE_MAILDIR that was looked at, by its unique name."""

    name = TextField(primary_key=True)
    seen_at = DateTimeTZField()


class TokenKey(BaseModel):
    """The key of unsubscribe links when no setting gives one; one row or none."""

    id = IntegerField(primary_key=True)
    key = TextField()
