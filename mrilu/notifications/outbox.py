"""The outbox's rows: claiming them, recording what became of each, and counting them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from peewee import PostgresqlDatabase
from psycopg import Connection

from models import Notification

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
# A digest is gathered once: what is in it, and so its Message-ID, stays the same however often it is tried. What is
# left of one whose first row ended without the others (its message was withheld, say) is gathered again: only the first
# is ever sent.
GATHER_LOCK = 0x6469676573
GATHER = """
UPDATE notification AS n SET mail = first.mail
  FROM (SELECT w.id, min(w.id) OVER (PARTITION BY w.subscriber) AS mail FROM notification AS w
         WHERE w.state = 'waiting' AND w.digest AND w.next_attempt_at <= %s
           AND (w.mail IS NULL
                OR NOT EXISTS (SELECT FROM notification AS f WHERE f.id = w.mail AND f.state = 'waiting'))) AS first
 WHERE n.id = first.id
"""
# Mails tried in the last minute, by domain (a digest is one mail: only its first row is ever tried). What was tried
# while the clock was ahead is not of the last minute until that comes.
TRIED = """
SELECT split_part(lower(r.address), '@', -1), count(*)
  FROM notification AS n JOIN subscriber AS r ON r.id = n.subscriber
 WHERE n.tried_at > %s AND n.tried_at <= %s GROUP BY 1
"""
# The last fuse against a mail bomb: a subscriber who was sent so many mails within an hour waits for its end.
SENT = """
SELECT subscriber, count(*) FROM notification WHERE tried_at > %s AND tried_at <= %s GROUP BY 1
"""
WAITING = """
SELECT DISTINCT subscriber FROM notification
 WHERE state = 'waiting' AND subscriber = ANY(%s) AND next_attempt_at <= %s
"""
# Those that were never tried come before those that failed at the same time. A claimed row is due again when its
# lease ends, or when the next sender takes over.
CLAIM = """
WITH due AS (
    SELECT n.id, n.subscriber, split_part(lower(r.address), '@', -1) AS domain
      FROM notification AS n LEFT JOIN subscriber AS r ON r.id = n.subscriber
     WHERE n.state = 'waiting' AND n.next_attempt_at <= %(now)s AND (n.mail = n.id OR NOT n.digest)
       AND (r.address IS NULL OR split_part(lower(r.address), '@', -1) <> ALL (%(full)s))
       AND n.subscriber <> ALL (%(capped)s)
       AND NOT EXISTS (SELECT FROM recipient_pause AS p WHERE p.until > %(now)s
                          AND p.recipient IN (lower(r.address), split_part(lower(r.address), '@', -1)))
     ORDER BY n.next_attempt_at, n.attempts, n.id LIMIT %(limit)s
       FOR UPDATE OF n SKIP LOCKED)
UPDATE notification AS n SET lease = %(lease)s, next_attempt_at = %(until)s
  FROM due WHERE n.id = due.id
RETURNING n.id, coalesce(due.domain, ''), n.attempts, n.subscriber
"""
RELEASE = """
UPDATE notification SET lease = NULL, next_attempt_at = %s WHERE id = ANY(%s) AND lease = %s AND state = 'waiting'
"""
TAKE_OVER = """
UPDATE notification SET lease = NULL, next_attempt_at = %s WHERE lease IS NOT NULL AND lease <> %s AND state = 'waiting'
"""
# The commits of BEGIN and of most marks do not wait for the disk (see `Outbox`).
UNHURRIED = "WITH quick AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true)) "
# A row of a digest that ended since the digest was read (its message was withheld, say) is not to be sent with it.
BEGIN = f"""{UNHURRIED}
UPDATE notification AS n SET attempts = attempts + 1, tried_at = %(now)s FROM quick
 WHERE n.id = %(id)s AND n.lease = %(lease)s AND n.state = 'waiting'
   AND (%(rows)s = 1 OR
        %(rows)s = (SELECT count(*) FROM notification AS m WHERE m.mail = %(id)s AND m.state = 'waiting'))
"""  # noqa: S608 - UNHURRIED is ours
FINISH = """
UPDATE notification AS n SET state = %(state)s, finished_at = %(now)s, reply = %(reply)s, lease = NULL {quick}
 WHERE (n.id = %(id)s AND n.lease = %(lease)s OR n.mail = %(id)s AND n.id <> %(id)s) AND n.state = 'waiting'
"""
FINISH_DURABLY = FINISH.format(quick="")
FINISH_SOON = UNHURRIED + FINISH.format(quick="FROM quick")
RETRY = """
UPDATE notification
   SET next_attempt_at = %(due)s, reply = %(reply)s, lease = NULL, attempts = attempts - %(uncounted)s
 WHERE id = %(id)s AND lease = %(lease)s AND state = 'waiting'
"""
SUPPRESS = """
WITH gone AS (UPDATE subscriber SET suppressed_at = %(now)s, suppressed_reply = %(reply)s WHERE id = %(subscriber)s)
UPDATE notification SET state = 'dead', finished_at = %(now)s, lease = NULL, reply = %(reply)s
 WHERE subscriber = %(subscriber)s AND state = 'waiting'
"""
EXPIRE = "DELETE FROM notification WHERE finished_at < %s"
# Of a gathered digest only the first row is tried, and put off.
OLDEST = """
SELECT min(next_attempt_at) FILTER (WHERE mail IS NULL OR mail = id), count(*) FILTER (WHERE lease IS NOT NULL)
  FROM notification WHERE state = 'waiting'
"""


class Rates(NamedTuple):
    """The most mails a minute, in all and to one domain, and the most an hour to one subscriber."""

    overall: int
    domain: int
    subscriber: int


class Claim(NamedTuple):
    """A claimed row: its id, its recipient's domain, how often it was tried before, its subscriber."""

    id: int
    domain: str
    attempts: int
    subscriber: int


class Outbox:
    """One sender's view of the outbox; `lease` is what its claims are known by.

    A mark of "sent" survives the death of the sender at once, since PostgreSQL has it. It survives a crash
    of PostgreSQL when its commit has reached the disk: `finish(durable=True)` waits for that, and brings all
    marks before it there as well.
    """

    def __init__(self, db: PostgresqlDatabase, lease: UUID, rates: Rates) -> None:
        self.db = db
        self.lease = lease
        self.rates = rates
        self.capped: set[int] = set()  # subscribers whose mail waits for MAX_HOURLY

    @property
    def connection(self) -> Connection:
        """The connection, in which each statement is a transaction of its own."""
        return self.db.connection()

    def take_over(self, now: datetime) -> int:
        """Make due what a sender that died had claimed; return how many rows. No other sender may be at work."""
        return self.connection.execute(TAKE_OVER, (now, self.lease)).rowcount

    def gather_digests(self, now: datetime) -> None:
        """Put the due rows of each subscriber's digest together into one mail."""
        with self.db.atomic():
            self.connection.execute("SELECT pg_advisory_xact_lock(%s)", (GATHER_LOCK,))
            self.connection.execute(GATHER, (now,))

    def claim(self, now: datetime, lease_seconds: float, limit: int) -> list[Claim]:
        """Claim due rows within the rates, longest due first; they are this sender's until the lease ends."""
        tried: dict[str, int] = dict(self.connection.execute(TRIED, (now - MINUTE, now)).fetchall())
        allowed = min(limit, self.rates.overall - sum(tried.values()))
        if allowed <= 0:
            return []
        full = [domain for domain, count in tried.items() if domain and count >= self.rates.domain]
        sent: dict[int, int] = dict(self.connection.execute(SENT, (now - HOUR, now)).fetchall())
        capped = [one for one, count in sent.items() if count >= self.rates.subscriber]
        facts = {
            "now": now,
            "until": now + timedelta(seconds=lease_seconds),
            "lease": self.lease,
            "limit": allowed,
            "full": full,
            "capped": capped,
        }
        rows = sorted(Claim(*row) for row in self.connection.execute(CLAIM, facts))
        rows, above = _within(rows, sent, self.rates.subscriber, lambda one: one.subscriber)
        kept, over = _within(rows, tried, self.rates.domain, lambda one: one.domain)
        # They wait for the minute to pass, so that the next claim does not meet them again.
        self.release([*above, *over], now + MINUTE)
        self.capped |= {one.subscriber for one in above} | self._waiting(capped, now)
        return sorted(kept, key=lambda one: (one.attempts, one.id))

    def _waiting(self, subscribers: list[int], now: datetime) -> set[int]:
        """Return those of the subscribers who have mail that is due."""
        rows = self.connection.execute(WAITING, (subscribers, now)) if subscribers else ()
        return {row[0] for row in rows}

    def release(self, claims: list[Claim], due: datetime) -> None:
        """Give claimed rows back untried."""
        if claims:
            self.connection.execute(RELEASE, (due, [one.id for one in claims], self.lease))

    def begin(self, number: int, now: datetime, rows: int = 1) -> bool:
        """Count a try before it is made, so that a mail that kills its sender is known.

        False: it is not ours, or it has no longer as many rows as were read; it is read again when its lease ends.
        """
        facts = {"id": number, "lease": self.lease, "now": now, "rows": rows}
        return self.connection.execute(BEGIN, facts).rowcount == 1

    def finish(
        self, number: int, state: str, reply: str, now: datetime, *, durable: bool = True
    ) -> int:
        """Mark a claimed mail (all rows of a digest) as sent, dead or cancelled; return the number of rows."""
        facts = {"id": number, "lease": self.lease, "state": state, "reply": reply, "now": now}
        return self.connection.execute(FINISH_DURABLY if durable else FINISH_SOON, facts).rowcount

    def retry(self, number: int, due: datetime, reply: str, *, counted: bool = True) -> None:
        """Give a claimed row back after a try that failed; one that was not its fault is not counted."""
        facts = {
            "id": number,
            "lease": self.lease,
            "due": due,
            "reply": reply,
            "uncounted": int(not counted),
        }
        self.connection.execute(RETRY, facts)

    def suppress(self, subscriber: int, reply: str, now: datetime) -> int:
        """Send nothing more to this address: what waits for it is dead; return how many rows."""
        facts: dict[str, Any] = {"subscriber": subscriber, "reply": reply, "now": now}
        return self.connection.execute(SUPPRESS, facts).rowcount

    def expire(self, before: datetime) -> int:
        """Remove rows that were finished before that time; return how many."""
        return self.connection.execute(EXPIRE, (before,)).rowcount


def _within(
    rows: list[Claim], tried: dict[Any, int], limit: int, key: Callable[[Claim], Any]
) -> tuple[list[Claim], list[Claim]]:
    """Split claims into those within a rate, counted by `key`, and those over it; key "" is not counted."""
    counts = dict(tried)
    kept: list[Claim] = []
    over: list[Claim] = []
    for row in rows:
        name = key(row)
        counts[name] = counts.get(name, 0) + 1
        (over if name != "" and counts[name] > limit else kept).append(row)
    return kept, over


def counts_by_state(db: PostgresqlDatabase) -> dict[str, Any]:
    """Return the outbox's rows by state, how many waiting ones are being sent now, and when the first is due."""
    row = db.connection().execute(OLDEST).fetchone()
    first_due, sending = row if row else (None, 0)
    return {**Notification.by_state(), "sending": sending, "first_due": first_due}
