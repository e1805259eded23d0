"""What readers may know of the ledger; the job `note_ledgers` notes it."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from peewee import PostgresqlDatabase

from models import Reader, Rejected

# What is not watched is not expected to stay complete.
STANDING = """
SELECT count(*), count(*) FILTER (WHERE c.complete_to IS NOT NULL), min(c.complete_to), min(c.checked_at),
       coalesce(sum(c.waiting), 0), coalesce(sum(c.rejected), 0), coalesce(bool_or(c.trouble <> ''), false)
  FROM maildir AS m LEFT JOIN ledger_check AS c ON c.maildir = m.id WHERE m.watched
"""


class Standing(NamedTuple):
    """The ledgers of all watched Maildirs together: `complete_to` is None where it is not known.

    `waiting` and `rejected` are mails, as of `checked_at`; `trouble` tells whether some could not be looked for.
    """

    complete_to: datetime | None
    checked_at: datetime | None
    waiting: int
    rejected: int
    trouble: bool


def standing(db: PostgresqlDatabase) -> Standing:
    """Return how the ledger stands, by its last look."""
    row = db.connection().execute(STANDING).fetchone()
    maildirs, complete, complete_to, *rest = row
    return Standing(complete_to if 0 < maildirs == complete else None, *rest)


def rejected_for(message_id: str, reader: Reader) -> str:
    """Return the kind of reason for which the mail with this Message-ID was rejected, "" if none was.

    A mail to a list that the reader may not know of is none.
    """
    found = Rejected.with_message_id(message_id)
    return next((one.reason for one in found if reader.may_read(0, one.list_ids or ())), "")
