"""One-click unsubscribing (RFC 8058): the key, and what a token does. The web endpoint calls `unsubscribe`."""

from __future__ import annotations

from enum import Enum

from peewee import PostgresqlDatabase

from models import Subscription, TokenKey
from mrilu.notifications.links import Stop, sign, verify
from mrilu.notifications.subscriptions import drop_subscriptions

__all__ = ["Outcome", "Stop", "sign", "token_key", "unsubscribe", "verify"]

# Two random UUIDs have 244 random bits (PostgreSQL, 9.14: from a cryptographically strong source).
MAKE_KEY = """
INSERT INTO token_key (id, key) VALUES (1, gen_random_uuid()::text || gen_random_uuid()::text)
ON CONFLICT (id) DO NOTHING
"""
END_EPOCH = (
    "UPDATE subscriber SET unsubscribed = unsubscribed + 1 WHERE id = %s AND unsubscribed = %s"
)


class Outcome(Enum):
    """What became of a token: done, done before (that is no error: mail clients try again), or not ours."""

    DONE = "done"
    ALREADY = "already"
    FORGED = "forged"


def token_key(db: PostgresqlDatabase, secret: str | None) -> bytes:
    """Return the key of tokens: TOKEN_SECRET, or the database's own, which is made when it is first asked for."""
    if secret:
        return secret.encode()
    db.connection().execute(MAKE_KEY)
    return TokenKey.get_by_id(1).key.encode()


def unsubscribe(db: PostgresqlDatabase, token: str, key: bytes) -> Outcome:
    """Give up what the token names and cancel what waits for it. It concerns no other subscriber or subscription.

    A subscription that was made after the token, even to the same thing, is another one and stays.
    """
    stop = verify(token, key)
    if stop is None:
        return Outcome.FORGED
    with db.atomic():
        mine = [one.id for one in Subscription.of(stop.subscriber)]
        if stop.subscription is not None:
            dropped = drop_subscriptions(db, [one for one in mine if one == stop.subscription])
        elif db.connection().execute(END_EPOCH, (stop.subscriber, stop.epoch)).rowcount:
            dropped = drop_subscriptions(db, mine)
        else:
            dropped = 0
    return Outcome.DONE if dropped else Outcome.ALREADY
