"""The ledger of every Maildir, with what waits in the queue counted in."""

from __future__ import annotations

from typing import Any

from models import Maildir
from mrilu.archive.ledger import Balance, balance
from mrilu.maildir.names import MaildirError
from mrilu.queues.queues import queued_paths


def ledgers() -> list[dict[str, Any]]:
    """Return the ledger of each registered Maildir, by name; `error` says why one cannot be drawn up."""
    queued = queued_paths()
    return [
        _ledger(row, queued.get(row.name, set())) for row in Maildir.select().order_by(Maildir.name)
    ]


def _ledger(maildir: Maildir, queued: set[str]) -> dict[str, Any]:
    known = {"maildir": maildir.name, "root": maildir.root, "watched": maildir.watched}
    try:
        return known | _settled_balance(maildir, queued).as_dict()
    except MaildirError as error:
        return known | {"error": str(error), "level": False} | maildir.file_counts()._asdict()


def _settled_balance(maildir: Maildir, queued: set[str]) -> Balance:
    """Ask twice if something seems lost: it may have been on its way between the two looks."""
    first = balance(maildir, queued)
    if not (first.lost or first.stale):
        return first
    return balance(maildir, queued_paths().get(maildir.name, set()) | queued)
