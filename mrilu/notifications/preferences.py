"""What a subscriber chooses: when mails come, in which language and time zone, and which subscriptions there are."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from peewee import PostgresqlDatabase
from psycopg.errors import InvalidParameterValue

from models import Subscriber, Subscription
from mrilu.notifications.events import DUE
from mrilu.notifications.subscriptions import NotSubscribable, check_zone, drop_subscriptions
from mrilu.notifications.wording import LOCALES

DIGESTS = ("none", "hourly", "daily")

SAVE = """
UPDATE subscriber SET locale = %(locale)s, timezone = %(timezone)s, digest = %(digest)s,
       digest_hour = %(digest_hour)s WHERE id = %(subscriber)s
"""
# What waits follows the new choice; a digest that was gathered already stays what it is.
FOLLOW = f"""
UPDATE notification AS n SET digest = r.digest <> 'none', next_attempt_at = {DUE}
  FROM subscriber AS r
 WHERE r.id = %(subscriber)s AND n.subscriber = r.id AND n.state = 'waiting' AND n.kind <> 'confirm'
   AND n.lease IS NULL AND n.mail IS NULL AND n.attempts = 0
"""  # noqa: S608 - DUE is ours


class Preferences(NamedTuple):
    """One of LOCALES, a zone of the IANA database, one of DIGESTS, and the hour (0 to 23) of a daily digest."""

    locale: str
    timezone: str
    digest: str
    digest_hour: int


def read_preferences(subscriber: int) -> tuple[Preferences, list[Subscription]] | None:
    """Return a subscriber's choices and confirmed subscriptions; None for one who was deleted."""
    row = Subscriber.get_or_none(Subscriber.id == subscriber)
    if row is None:
        return None
    chosen = Preferences(row.locale, row.timezone, row.digest, row.digest_hour)
    return chosen, Subscription.confirmed_of(subscriber)


def save_preferences(
    db: PostgresqlDatabase, subscriber: int, chosen: Preferences, now: datetime
) -> None:
    """Write down a subscriber's choices. Raises NotSubscribable, which names what cannot be chosen."""
    if chosen.locale not in LOCALES:
        raise NotSubscribable(f"locale: use one of {', '.join(LOCALES)}")
    if chosen.digest not in DIGESTS:
        raise NotSubscribable(f"digest: use one of {', '.join(DIGESTS)}")
    if not 0 <= chosen.digest_hour <= 23:
        raise NotSubscribable("digest_hour: use an hour from 0 to 23")
    check_zone(chosen.timezone)
    facts = {**chosen._asdict(), "subscriber": subscriber, "now": now}
    try:
        with db.atomic():
            before = Subscriber.get_by_id(subscriber)
            db.connection().execute(SAVE, facts)
            if (before.timezone, before.digest, before.digest_hour) != chosen[1:]:
                db.connection().execute(FOLLOW, facts)
    except InvalidParameterValue as error:
        raise NotSubscribable(f"timezone: {chosen.timezone!r} is not known") from error


def give_up(db: PostgresqlDatabase, subscriber: int, subscriptions: list[int]) -> int:
    """Delete those of the subscriptions that are this subscriber's; return how many."""
    mine = [one.id for one in Subscription.of(subscriber) if one.id in subscriptions]
    return drop_subscriptions(db, mine) if mine else 0
