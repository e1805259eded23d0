"""Notifications: subscribers, what they subscribed to, the outbox and what holds it up."""

from __future__ import annotations

from peewee import (
    BigIntegerField,
    BooleanField,
    CompositeKey,
    IntegerField,
    TextField,
    UUIDField,
    fn,
)
from playhouse.postgres_ext import DateTimeTZField, IdentityField

from mrilu.tables.base import BaseModel, db


class Subscriber(BaseModel):
    """Somebody who is told of events by mail; `suppressed_reply` is what a server said of a dead address."""

    id = IdentityField()
    address = TextField(null=True)
    locale = TextField()
    timezone = TextField()
    digest = TextField()
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
    """One word, thread or saved search that a subscriber wants to hear of; `label` is what people read."""

    id = IdentityField()
    subscriber = BigIntegerField()
    kind = TextField()
    target = TextField()
    label = TextField()
    node = BigIntegerField(null=True)
    search = TextField(null=True)
    created_at = DateTimeTZField()

    @classmethod
    def of(cls, subscriber: int) -> list[Subscription]:
        """Return a subscriber's subscriptions, oldest first."""
        return list(cls.select().where(cls.subscriber == subscriber).order_by(cls.id))


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


class NotificationPause(BaseModel):
    """Why and until when nothing is sent; one row or none."""

    id = IntegerField(primary_key=True)
    reason = TextField()
    since = DateTimeTZField()
    until = DateTimeTZField()
    times = IntegerField()
    about = TextField()


class TokenKey(BaseModel):
    """The key of unsubscribe links when no setting gives one; one row or none."""

    id = IntegerField(primary_key=True)
    key = TextField()
