"""Links in emails: where an item can be read, and signed ones that work without a login (RFC 8058)."""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode
from enum import Enum
from typing import NamedTuple
from urllib.parse import quote

from peewee import PostgresqlDatabase

from models import Subscription, TokenKey
from mrilu.mail.permalinks import hash_of
from mrilu.notifications.subscriptions import drop_subscriptions

PURPOSES = ("unsubscribe", "confirm", "preferences")
_TOKEN = re.compile(r"([0-9]{1,19})\.([0-9]{1,19}|all)\.([0-9]{1,9})\.([A-Za-z0-9_-]{27})")

# Two random UUIDs have 244 random bits (PostgreSQL, 9.14: from a cryptographically strong source).
MAKE_KEY = """
INSERT INTO token_key (id, key) VALUES (1, gen_random_uuid()::text || gen_random_uuid()::text)
ON CONFLICT (id) DO NOTHING
"""
END_EPOCH = (
    "UPDATE subscriber SET unsubscribed = unsubscribed + 1 WHERE id = %s AND unsubscribed = %s"
)


class SubscriptionScope(NamedTuple):
    """What a token is about: one subscription, or (None) all that were made before the `epoch` ended."""

    subscriber: int
    subscription: int | None = None
    epoch: int = 0


class Outcome(Enum):
    """What became of a token: done, done before (not an error: mail clients try again), or not ours."""

    DONE = "done"
    ALREADY = "already"
    FORGED = "forged"


def message_url(site: str, message_id: str) -> str:
    """Return where the message with this Message-ID (without brackets) can be read."""
    return f"{site}/m/{hash_of(message_id)}/"


def word_url(site: str, word: str) -> str:
    """Return where a word of the dictionary can be read."""
    return f"{site}/w/{quote(word, safe='')}"


def unsubscribe_url(site: str, token: str) -> str:
    """Return what a mail client POSTs to (RFC 8058), or a person opens, to unsubscribe."""
    return f"{site}/unsubscribe/{token}"


def confirm_url(site: str, token: str) -> str:
    """Return what a person opens to confirm a subscription."""
    return f"{site}/confirm/{token}"


def preferences_url(site: str, token: str) -> str:
    """Return where a subscriber changes settings and subscriptions."""
    return f"{site}/preferences/{token}"


def sign(scope: SubscriptionScope, key: bytes, purpose: str = "unsubscribe") -> str:
    """Return the token of a scope: its numbers and 160 bits of HMAC-SHA-256 over them and the purpose."""
    which = "all" if scope.subscription is None else str(scope.subscription)
    text = f"{scope.subscriber}.{which}.{scope.epoch}"
    return f"{text}.{_signature(text, key, purpose)}"


def verify(token: str, key: bytes, purpose: str = "unsubscribe") -> SubscriptionScope | None:
    """Return the scope of a token; None if we did not sign it for this purpose."""
    match = _TOKEN.fullmatch(token)
    if match is None or not hmac.compare_digest(
        _signature(token.rpartition(".")[0], key, purpose), match[4]
    ):
        return None
    subscription = None if match[2] == "all" else int(match[2])
    return SubscriptionScope(int(match[1]), subscription, int(match[3]))


def _signature(text: str, key: bytes, purpose: str) -> str:
    digest = hmac.new(key, f"{purpose}:{text}".encode(), hashlib.sha256).digest()
    return urlsafe_b64encode(digest[:20]).decode().rstrip("=")


def token_key(db: PostgresqlDatabase, secret: str | None) -> bytes:
    """Return the key of tokens: TOKEN_SECRET, or the database's own, which is made at its first use."""
    if secret:
        return secret.encode()
    db.connection().execute(MAKE_KEY)
    return TokenKey.get_by_id(1).key.encode()


def unsubscribe(db: PostgresqlDatabase, token: str, key: bytes) -> Outcome:
    """Give up what the token names and cancel what waits for it. It concerns no other subscriber or subscription.

    A subscription that was made after the token, even to the same thing, is another one and stays.
    """
    scope = verify(token, key)
    if scope is None:
        return Outcome.FORGED
    with db.atomic():
        mine = [one.id for one in Subscription.of(scope.subscriber)]
        if scope.subscription is not None:
            dropped = drop_subscriptions(db, [one for one in mine if one == scope.subscription])
        elif db.connection().execute(END_EPOCH, (scope.subscriber, scope.epoch)).rowcount:
            dropped = drop_subscriptions(db, mine)
        else:
            dropped = 0
    return Outcome.DONE if dropped else Outcome.ALREADY
