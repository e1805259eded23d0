"""What readers are told of the ledger: up to when all mail is here, and what waits or could not be read."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from peewee import SQL, PostgresqlDatabase

from models import LedgerCheck, Maildir
from mrilu.archive.ledger import quick_balance

SHORT = 1.0  # seconds that a look may take without a rest: the job comes once a minute
SHARE = 20  # rest so many times as long as a look took: a large Maildir on a slow disk is looked at more seldom
UNREADABLE, OUT_OF_REACH = "unreadable", "out-of-reach"


def is_due(maildir: Maildir, now: datetime) -> bool:
    """Tell whether the Maildir is to be looked at again."""
    last = LedgerCheck.get_or_none(LedgerCheck.maildir == maildir.id)
    if last is None or last.seconds < SHORT:
        return True
    return bool((now - last.checked_at).total_seconds() >= SHARE * last.seconds)


def note_ledger(
    db: PostgresqlDatabase, maildir: Maildir, began: datetime, queued: Callable[[], set[str]]
) -> dict[str, int]:
    """Draw up a Maildir's ledger and note it: where nothing waits, all that was delivered before `began` is here.

    `queued` returns the paths that wait in import jobs. Returns how many files wait and are rejected.
    Raises what `quick_balance` raises, after it was noted.
    """
    clock = time.monotonic()
    try:
        found = quick_balance(db, maildir, queued)
    except Exception:
        _note(maildir, checked_at=began, trouble=OUT_OF_REACH)
        raise
    seconds = time.monotonic() - clock
    waiting = found.waiting + len(found.lost) + len(found.changed)
    trouble = UNREADABLE if found.unreadable or found.held else ""
    counts = {"waiting": waiting, "rejected": found.rejected}
    complete = {} if waiting or trouble else {"complete_to": began}
    _note(maildir, checked_at=began, trouble=trouble, seconds=seconds, **counts, **complete)
    return counts


def _note(maildir: Maildir, **facts: object) -> None:
    """Write what is known now; what is not among the facts stays as it was."""
    usual = {"waiting": 0, "rejected": 0, "trouble": "", "seconds": 0.0}
    changed = {name: SQL(f"excluded.{name}") for name in facts}
    row = LedgerCheck.insert(maildir=maildir.id, **(usual | facts))
    row.on_conflict(conflict_target=[LedgerCheck.maildir], update=changed).execute()
