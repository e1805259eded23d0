"""Subscriptions that are asked for by mail to the sender of notifications: "Subject: subscribe word klama"."""

from __future__ import annotations

import logging
import re
from datetime import datetime, timedelta

from peewee import PostgresqlDatabase

from mrilu.mail.message import Limits, RejectedMail
from mrilu.mail.parse import parse_message
from mrilu.notifications.addresses import InvalidAddress, one_line
from mrilu.notifications.confirmation import TooManyRequests, request_subscription
from mrilu.notifications.own import OWN_ID_PATTERN
from mrilu.notifications.subscriptions import (
    NotSubscribable,
    Target,
    target_for_new_words,
    target_for_query,
    target_for_thread,
    target_for_word,
)

logger = logging.getLogger(__name__)

_SUBJECT = re.compile(r"subscribe\s+(?:(word|thread|query)\s+(\S.*)|new[ -]words\b\s*(.*))\Z", re.I)
OLDEST = timedelta(days=7)
_LIMITS = Limits(max_seconds=2.0)


def take_request(db: PostgresqlDatabase, raw: bytes, now: datetime) -> bool:
    """Answer a mail whose subject asks for a subscription with one that asks for a confirmation.

    Tell whether it was one. Automatic or old mail asks for nothing. What cannot be subscribed to is logged and
    not answered: the sender's address may be another's.
    """
    try:
        mail = parse_message(raw, limits=_LIMITS)
    except RejectedMail:
        return False
    match = _SUBJECT.match(one_line(mail.subject, 700))
    if (
        match is None
        or mail.automatic
        or mail.sent_at < now - OLDEST
        or re.match(OWN_ID_PATTERN, mail.message_id)
    ):
        return False
    try:
        target = _target(db, match)
        request_subscription(db, mail.from_address, target, now)
    except (NotSubscribable, InvalidAddress, TooManyRequests) as error:
        logger.warning("subscription by mail refused: %s", type(error).__name__)
    return True


def _target(db: PostgresqlDatabase, match: re.Match[str]) -> Target:
    kind = (match[1] or "").lower()
    if kind == "word":
        return target_for_word(match[2])
    if kind == "thread":
        return target_for_thread(db.connection(), match[2])
    if kind == "query":
        return target_for_query(db.connection(), match[2])
    return target_for_new_words(match[3].replace(",", " ").split())
