"""Addresses and domains that refuse our mail by policy (5.7.x): each is left alone for a while, the others are not."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from peewee import PostgresqlDatabase
from psycopg import Connection

FIRST = timedelta(minutes=5)  # doubled at each refusal without a mail accepted in between
LONGEST = timedelta(hours=12)
GIVE_UP = timedelta(days=4)  # RFC 5321, 4.5.4.1: 4 to 5 days
TO_A_DOMAIN = (
    3  # addresses of one domain that refuse, none accepting, before all of it is left alone
)

PAUSED = "SELECT recipient FROM recipient_pause WHERE until > %s"
COUNT = "SELECT count(*) FROM recipient_pause WHERE until > %s"
KNOWN = "SELECT recipient FROM recipient_pause"
TIMES = "SELECT times, since FROM recipient_pause WHERE recipient = %s"
PUT = """
INSERT INTO recipient_pause (recipient, reason, since, until, times)
VALUES (%(recipient)s, %(reason)s, %(now)s, %(until)s, 1)
ON CONFLICT (recipient) DO UPDATE
   SET reason = excluded.reason, until = excluded.until, times = recipient_pause.times + 1
"""
ACCEPTED = "DELETE FROM recipient_pause WHERE recipient = ANY(%s)"
REFUSING = """
SELECT count(*) FROM recipient_pause
 WHERE split_part(recipient, '@', -1) = %(domain)s AND recipient <> %(domain)s AND until > %(now)s
"""
FORGET = "DELETE FROM recipient_pause WHERE until < %s"
# What waited too long for those that still refuse; a gathered digest is one mail, as old as its first row.
GIVE_UP_ROWS = """
UPDATE notification AS n SET state = 'dead', finished_at = %(now)s, lease = NULL, reply = %(reason)s
  FROM subscriber AS r, notification AS first
 WHERE r.id = n.subscriber AND first.id = coalesce(n.mail, n.id) AND n.state = 'waiting'
   AND first.lease IS NULL AND first.created_at < %(before)s
   AND %(recipient)s IN (lower(r.address), split_part(lower(r.address), '@', -1))
"""


def domain_of(address: str) -> str:
    """Return the domain of an address, in lower case."""
    return address.rpartition("@")[2].lower()


class Recipients:
    """What one run of the sender knows of refusing recipients; the table keeps it for the runs after it."""

    def __init__(self, db: PostgresqlDatabase, rng: random.Random) -> None:
        self.db = db
        self.rng = rng
        self.known = {row[0] for row in self.connection.execute(KNOWN)}
        self.refusing: set[str] = (
            set()
        )  # domains that refused since the last mail that was accepted

    @property
    def connection(self) -> Connection:
        """The connection, in which each statement is a transaction of its own."""
        return self.db.connection()

    def is_paused(self, address: str, now: datetime) -> bool:
        """Tell whether nothing is to be sent to an address now, for its own sake or its domain's."""
        names = self._names(address)
        if not self.known.intersection(names):
            return False
        return bool({row[0] for row in self.connection.execute(PAUSED, (now,))}.intersection(names))

    def refused(self, address: str, reason: str, now: datetime) -> int:
        """Note a refusal: the address is left alone, or its whole domain after several of its addresses.

        Return how many notifications were given up, since they waited for GIVE_UP.
        """
        recipient, domain = self._names(address)
        self.refusing.add(domain)
        given_up = self._pause(recipient, reason, now)
        count = self.connection.execute(REFUSING, {"domain": domain, "now": now}).fetchone()
        if domain in self.known or (count and count[0] >= TO_A_DOMAIN):
            given_up += self._pause(domain, reason, now)
        return given_up

    def accepted(self, address: str) -> None:
        """Note that a mail was accepted: neither the address nor its domain refuses us."""
        self.refusing.clear()
        names = self._names(address)
        if self.known.intersection(names):
            self.connection.execute(ACCEPTED, (list(names),))
            self.known.difference_update(names)

    def _pause(self, recipient: str, reason: str, now: datetime) -> int:
        row = self.connection.execute(TIMES, (recipient,)).fetchone()
        times, since = row or (0, now)
        wait = min(FIRST * 2 ** min(times, 12), LONGEST) * self.rng.uniform(0.5, 1.0)
        facts = {"recipient": recipient, "reason": reason[:500], "now": now, "until": now + wait}
        self.connection.execute(PUT, facts)
        self.known.add(recipient)
        if now - since < GIVE_UP:
            return 0
        return self.connection.execute(GIVE_UP_ROWS, {**facts, "before": now - GIVE_UP}).rowcount

    @staticmethod
    def _names(address: str) -> tuple[str, str]:
        return address.lower(), domain_of(address)


def refusing_recipients(db: PostgresqlDatabase, now: datetime) -> int:
    """Return how many addresses and domains are left alone now."""
    row = db.connection().execute(COUNT, (now,)).fetchone()
    return row[0] if row else 0


def forget_recipients(db: PostgresqlDatabase, now: datetime) -> int:
    """Remove pauses that ended long ago and were not renewed; return how many."""
    return db.connection().execute(FORGET, (now - 2 * GIVE_UP,)).rowcount
