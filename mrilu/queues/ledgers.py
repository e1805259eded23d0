"""The ledger of every Maildir, with what waits in the queue counted in; and what of a gap is to be offered."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from peewee import PostgresqlDatabase
from rq.registry import ScheduledJobRegistry

from models import Maildir, Rejected, Vanishing
from mrilu.archive.folders import accept_root, doubt_root, note_folders
from mrilu.archive.ledger import Difference, difference, found_files, settled_balance
from mrilu.archive.ledger_checks import last_look, passed_over_in
from mrilu.maildir.errors import MaildirError
from mrilu.maildir.names import kind_of
from mrilu.queues.queues import (
    MAIL,
    fetch_imports,
    queue,
    queued_paths,
    raw_job_ids,
    submit_backlog,
    submit_import,
)
from mrilu.runtime.database import database
from mrilu.settings.current import current_settings

logger = logging.getLogger(__name__)

# Old enough for `enqueue_overdue` (mrilu/queues/recovery.py) to enqueue a retry at its next look.
OVERDUE = 60.0


def queued_in(maildir: str) -> set[str]:
    """Return the paths of one Maildir that wait in import jobs, run or will be tried again."""
    return queued_paths().get(maildir, set())


def to_offer(name: str, root: Path | str) -> Iterable[str]:
    """Return the paths to offer that no job has, as `unqueued` does; raises MaildirError, also while they are taken.

    Of a Maildir of which nothing is known yet they come as they are found, a folder at a time: a first import of a
    million mails begins before the last folder has been listed.
    """
    maildir = Maildir.get_or_none(Maildir.name == name)
    if maildir is None or maildir.is_known() or queued_in(name):
        return unqueued(name, root)[0]
    _settle(database(), maildir, Difference([], [], 0, []))
    return found_files(maildir, root)


def unqueued(name: str, root: Path | str) -> tuple[list[str], Difference]:
    """Compare the Maildir `name` with the database; return the paths to offer that no job has, and the difference.

    Retries of its imports are due at once: what they wait for may have come back. Raises MaildirError.
    """
    # The queue first: a job that ends in between has its rows in the database by then, at worst a path comes twice.
    queued = queued_in(name)
    maildir = Maildir.get_or_none(Maildir.name == name)
    if maildir:
        Rejected.reconsider(maildir.id)
    db = database()
    found = difference(db, root, name)
    if maildir:
        _settle(db, maildir, found)
    hasten_retries(name)
    return [path for path in found.paths if path not in queued], found


def enqueue_missing(maildir: Maildir, batch_size: int) -> list[str]:
    """Enqueue, at the back and as they are found, the paths that `to_offer` returns; return them."""
    offered: list[str] = []
    rest = iter(to_offer(maildir.name, maildir.place))
    while batch := list(islice(rest, batch_size)):
        submit_import(maildir.name, batch, live=False)
        offered += batch
    return offered


def enqueue_difference(maildir: Maildir, batch_size: int) -> tuple[list[str], Difference]:
    """Enqueue, at the back, the paths that `unqueued` returns; return as it does."""
    paths, found = unqueued(maildir.name, maildir.place)
    submit_backlog(maildir.name, paths, batch_size)
    return paths, found


def _settle(db: PostgresqlDatabase, maildir: Maildir, found: Difference) -> None:
    """Keep which directories the folders are; a root that may be the wrong one is believed after VANISHED_HOURS."""
    if not found.held:
        note_folders(db, maildir, {"", *found.folders})
        return
    facts = (maildir.name, maildir.place, len(found.held))
    logger.error("another folder lies at the root maildir=%s root=%s missing=%d", *facts)
    if doubt_root(db, maildir) > current_settings().vanished_hours * 3600:
        accept_root(db, maildir)


def hasten_retries(name: str) -> int:
    """Let the import jobs of a Maildir that wait for another try run now; return how many there were."""
    mail = queue(MAIL)
    registry = ScheduledJobRegistry(queue=mail)
    waiting = [job for job in fetch_imports(mail, raw_job_ids(registry)) if job.args[0] == name]
    for job in waiting:  # XX: one that was enqueued meanwhile is not put back
        mail.connection.zadd(registry.key, {job.id: time.time() - OVERDUE}, xx=True)
    return len(waiting)


def ledgers() -> list[dict[str, Any]]:
    """Return the ledger of each registered Maildir, by name; `error` says why one cannot be drawn up."""
    queued = queued_paths()
    rows = Maildir.select().order_by(Maildir.name)
    return [_ledger(row, queued.get(row.name, set())) for row in rows]


def ledgers_at_hand(exact: bool) -> list[dict[str, Any]]:
    """Return the same with `passed_over`, by the last look where a Maildir is large: `checked_at` is its time or None.

    A look by names does not see files that were written since they were read; the daily check does. A Maildir that
    is out of reach by now is told as such. With `exact` all are drawn up anew.
    """
    now = datetime.now(UTC)
    rows = list(Maildir.select().order_by(Maildir.name))
    looks = {row.name: last_look(row, now) for row in rows if not exact and is_in_reach(row)}
    queued = {} if all(looks.get(row.name) for row in rows) else queued_paths()
    return [
        _known(row) | look
        if (look := looks.get(row.name))
        else {"checked_at": None, "passed_over": passed_over_in(row)}
        | _ledger(row, queued.get(row.name, set()))
        for row in rows
    ]


def is_in_reach(maildir: Maildir) -> bool:
    """Tell whether the Maildir's root is there and is one."""
    try:
        kind_of(maildir.place)
    except MaildirError:
        return False
    return True


def _ledger(maildir: Maildir, queued: set[str]) -> dict[str, Any]:
    known = _known(maildir)
    try:
        one = settled_balance(database(), maildir, queued, lambda: queued_in(maildir.name))
        return known | one.as_dict()
    except MaildirError as error:
        return known | {"error": str(error), "level": False} | maildir.file_counts()._asdict()


def _known(maildir: Maildir) -> dict[str, Any]:
    vanished = [_vanishing(one) for one in Vanishing.open_of(maildir.id)]
    return {
        "maildir": maildir.name,
        "root": maildir.place,
        "watched": maildir.watched,
        "vanished": vanished,
    }


def _vanishing(one: Vanishing) -> dict[str, Any]:
    return {"folder": one.folder, "files": one.files, "since": one.since.isoformat()}
