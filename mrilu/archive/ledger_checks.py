"""What the last look at the ledger found, for readers and for operators of an archive too large to look at now."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, cast

from peewee import SQL, PostgresqlDatabase

from models import LedgerCheck, Maildir
from mrilu.archive.ledger import Balance, quick_balance
from mrilu.maildir.names import Kind
from mrilu.maildir.passed_over import passed_over
from mrilu.runtime.resting import SHARE, rest_after

SHORT = 1.0  # seconds that a look may take without a rest: the job comes once a minute
MANY = 50_000  # files of a Maildir, from which on an operator is told of the last look unless he asks for a new one
LATE = (
    3600.0  # seconds after which a look is no longer worth telling, if one is not as rare as that
)
MOST_NAMES = 1000  # of each kind of gap that are kept
UNREADABLE, OUT_OF_REACH = "unreadable", "out-of-reach"


def is_due(maildir: Maildir, now: datetime) -> bool:
    """Tell whether the Maildir is to be looked at again."""
    last = LedgerCheck.get_or_none(LedgerCheck.maildir == maildir.id)
    if last is None or last.seconds < SHORT:
        return True
    return bool((now - last.checked_at).total_seconds() >= rest_after(last.seconds))


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
    facts = _facts(found) | {"passed_over": passed_over_in(maildir)}
    seconds = time.monotonic() - clock
    waiting = found.waiting + len(found.lost) + len(found.changed)
    trouble = UNREADABLE if found.unreadable or found.held else ""
    counts = {"waiting": waiting, "rejected": found.rejected}
    complete = {} if waiting or trouble else {"complete_to": began}
    _note(
        maildir,
        checked_at=began,
        trouble=trouble,
        seconds=seconds,
        facts=facts,
        **counts,
        **complete,
    )
    return counts


def passed_over_in(maildir: Maildir) -> list[dict[str, Any]]:
    """Return what is not looked at in a Maildir, ready for JSON."""
    return [part._asdict() for part in passed_over(maildir.place, cast(Kind, maildir.kind))]


def _facts(found: Balance) -> dict[str, Any]:
    """Return a ledger for JSON with the first names of each kind of gap; `more` says how many others there are."""
    facts = found.as_dict()
    gaps = {kind: names for kind, names in facts.items() if isinstance(names, list)}
    more = {
        kind: len(names) - MOST_NAMES for kind, names in gaps.items() if len(names) > MOST_NAMES
    }
    return facts | {kind: names[:MOST_NAMES] for kind, names in gaps.items()} | {"more": more}


def last_look(maildir: Maildir, now: datetime) -> dict[str, Any] | None:
    """Return the ledger that the last look drew up, and its time; None if one is to be drawn up anew.

    That is for a Maildir that is looked at in an instant or was out of reach, and if the look is too old: the service
    may not run.
    """
    row = LedgerCheck.get_or_none(LedgerCheck.maildir == maildir.id)
    if row is None or row.facts is None or row.trouble == OUT_OF_REACH:
        return None
    late = max(LATE, 2 * SHARE * row.seconds)
    if row.facts["on_disk"] < MANY or (now - row.checked_at).total_seconds() > late:
        return None
    return row.facts | {"checked_at": row.checked_at.isoformat()}


def _note(maildir: Maildir, **facts: object) -> None:
    """Write what is known now; what is not among the facts stays as it was."""
    usual = {"waiting": 0, "rejected": 0, "trouble": "", "seconds": 0.0}
    changed = {name: SQL(f"excluded.{name}") for name in facts}
    row = LedgerCheck.insert(maildir=maildir.id, **(usual | facts))
    row.on_conflict(conflict_target=[LedgerCheck.maildir], update=changed).execute()
