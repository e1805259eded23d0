"""Emails that bounced after they had been accepted: a hard bounce ends all mail to the address, soft ones count."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from peewee import PostgresqlDatabase
from psycopg import Connection

from mrilu.notifications.outbox import SUPPRESS
from mrilu.notifications.reports import Report

SOFT_BOUNCES = 5  # within SOFT_WINDOW that end all mail to the address
SOFT_WINDOW = timedelta(days=30)

NOTE = """
INSERT INTO delivery_report (message) SELECT id FROM message WHERE identity = ANY(%s::uuid[])
ON CONFLICT (message) DO NOTHING
"""
FIND = """
SELECT id, subscriber FROM notification WHERE message_key = %s AND state IN ('sent', 'dead') ORDER BY id LIMIT 1
"""
RECORD = """
INSERT INTO bounce (notification, subscriber, hard, status, diagnostic, received_at)
VALUES (%(notification)s, %(subscriber)s, %(hard)s, %(status)s, %(diagnostic)s, %(now)s)
ON CONFLICT (notification) DO NOTHING
"""
MARK_DEAD = """
UPDATE notification SET state = 'dead', reply = %(reply)s
 WHERE (id = %(notification)s OR mail = %(notification)s) AND state = 'sent'
"""
COUNT_SOFT = (
    "SELECT count(*) FROM bounce WHERE subscriber = %(subscriber)s AND received_at > %(since)s"
)
EXPIRE = "DELETE FROM bounce WHERE received_at < %s"


class Bounced(Enum):
    """What a report came to. OTHER: of nothing that we know, or no failure; REPEATED: it was known already."""

    HARD = "hard"
    SOFT = "soft"
    SUPPRESSED = "suppressed"  # the last of too many soft ones
    REPEATED = "repeated"
    OTHER = "other"


def note_reports(connection: Connection, identities: list[str]) -> None:
    """Note delivery reports that were just archived or read again, by identity; a job reads their files.

    Belongs into the caller's transaction.
    """
    if identities:
        connection.execute(NOTE, (identities,))


def take_in(db: PostgresqlDatabase, report: Report, now: datetime) -> Bounced:
    """Write down what a report says of one of our emails, and do what follows from it."""
    if report.action != "failed":
        return Bounced.OTHER
    with db.atomic():
        connection = db.connection()
        row = connection.execute(FIND, (report.key,)).fetchone()
        if row is None:
            return Bounced.OTHER
        return _record(connection, report, row[0], row[1], now)


def _record(
    connection: Connection, report: Report, notification: int, subscriber: int, now: datetime
) -> Bounced:
    reply = f"bounced: {report.status} {report.diagnostic}".strip()[:500]
    facts: dict[str, Any] = {
        "notification": notification,
        "subscriber": subscriber,
        "hard": report.hard,
        "status": report.status,
        "diagnostic": report.diagnostic,
        "reply": reply,
        "now": now,
        "since": now - SOFT_WINDOW,
    }
    if not connection.execute(RECORD, facts).rowcount:
        return Bounced.REPEATED
    connection.execute(MARK_DEAD, facts)
    if report.hard:
        connection.execute(SUPPRESS, facts)
        return Bounced.HARD
    count = connection.execute(COUNT_SOFT, facts).fetchone()
    if count and count[0] >= SOFT_BOUNCES:
        connection.execute(SUPPRESS, {**facts, "reply": f"{count[0]} bounces, the last {reply}"})
        return Bounced.SUPPRESSED
    return Bounced.SOFT


def expire_bounces(db: PostgresqlDatabase, before: datetime) -> int:
    """Remove bounces that were taken in before that time; return how many."""
    return db.connection().execute(EXPIRE, (before,)).rowcount
