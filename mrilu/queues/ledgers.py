"""The ledger with what waits in the queue counted in: of every Maildir, and what of one is still to enqueue."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from models import Maildir, Rejected
from mrilu.archive.ledger import Difference, difference, settled_balance
from mrilu.maildir.names import MaildirError
from mrilu.queues.queues import queued_paths, submit_backlog


def ledgers() -> list[dict[str, Any]]:
    """Return the ledger of each registered Maildir, by name; `error` says why one cannot be drawn up."""
    queued = queued_paths()
    rows = Maildir.select().order_by(Maildir.name)
    return [_ledger(row, queued.get(row.name, set())) for row in rows]


def _ledger(maildir: Maildir, queued: set[str]) -> dict[str, Any]:
    known = {"maildir": maildir.name, "root": maildir.root, "watched": maildir.watched}
    try:
        one = settled_balance(maildir, queued, lambda: queued_in(maildir.name))
        return known | one.as_dict()
    except MaildirError as error:
        return known | {"error": str(error), "level": False} | maildir.file_counts()._asdict()


def queued_in(maildir: str) -> set[str]:
    """Return the paths of one Maildir that wait in import jobs, run or will be tried again."""
    return queued_paths().get(maildir, set())


def unqueued(maildir: str, root: Path | str) -> tuple[list[str], Difference]:
    """Return the paths in which disk and database differ and that no job has, and the whole difference.

    Raises mrilu.maildir.names.MaildirError when the Maildir cannot be listed.
    """
    # The queue first: a job that ends in between has its rows in the database by then, at worst a path comes twice.
    queued = queued_in(maildir)
    row = Maildir.get_or_none(Maildir.name == maildir)
    if row is not None:
        Rejected.reconsider(row.id)
    found = difference(root, maildir)
    return [path for path in found.paths if path not in queued], found


def enqueue_difference(maildir: Maildir, batch_size: int) -> tuple[list[str], Difference]:
    """Enqueue, at the back, each path in which disk and database differ and that no job has; return as `unqueued`."""
    paths, found = unqueued(maildir.name, maildir.root)
    submit_backlog(maildir.name, paths, batch_size)
    return paths, found
