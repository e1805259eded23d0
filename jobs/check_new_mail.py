"""The ledger's healer: finds what the disk holds and the database does not, or the other way round, and enqueues it."""

from __future__ import annotations

import logging
from collections import Counter

from models import Maildir
from mrilu.archive.ledger import Difference
from mrilu.archive.places import absence
from mrilu.maildir.errors import MaildirError
from mrilu.queues.ledgers import enqueue_difference
from mrilu.queues.runs import recorded
from mrilu.runtime.database import database
from mrilu.runtime.rescans import ask_watchers, is_compared
from mrilu.settings.current import current_settings

logger = logging.getLogger(__name__)

NAMED = 100  # paths of a gap that the log names; the rest is counted


class MaildirsOutOfReach(Exception):
    """Some Maildirs could not be checked; nothing was marked as gone there."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__(f"{self.__doc__} {'; '.join(errors)}")


@recorded
def check_new_mail() -> dict[str, int]:
    """Compare every watched Maildir with the database and enqueue the difference; return the counts.

    One that this host has not is left to the watcher of another, which compares it within seconds; and one that its
    watcher compares at the moment, as after each start, to it. A Maildir that is out of reach does not keep the others
    from being checked; it makes the run fail at the end with MaildirsOutOfReach.
    """
    database()
    counts: Counter[str] = Counter()
    errors = []
    for maildir in Maildir.select().where(Maildir.watched).order_by(Maildir.name):
        if reason := _left_to_watcher(maildir):
            logger.info("left to its watcher maildir=%s reason=%s", maildir.name, reason)
            counts["left"] += 1
            continue
        try:
            counts.update(check_maildir(maildir, current_settings().batch_size))
        except MaildirError as error:
            logger.exception("maildir=%s cannot be checked root=%s", maildir.name, maildir.place)
            errors.append(f"{maildir.name}: {error}")
    if errors:
        raise MaildirsOutOfReach(errors)
    return dict(counts)


def _left_to_watcher(maildir: Maildir) -> str:
    """Return why a watcher looks at the Maildir, and not this job; "" if this job is to."""
    if reason := absence(database(), maildir, ()):
        return reason if ask_watchers(maildir.name) else ""
    return "it compares it now" if is_compared(maildir.name) else ""


def check_maildir(maildir: Maildir, batch_size: int) -> dict[str, int]:
    """Enqueue what differs and is not queued yet, in batches; return files on disk, new, gone, queued ...

    Raises mrilu.maildir.errors.MaildirError when the Maildir cannot be listed.
    """
    paths, found = enqueue_difference(maildir, batch_size)
    _log_gap(maildir.name, paths, found)
    return {
        "maildirs": 1,
        "on_disk": found.on_disk,
        "missing": len(found.unknown),
        "gone": len(found.vanished),
        "changed": len(found.changed),
        "held_back": len(found.held),
        "enqueued": len(paths),
        "unreadable": len(found.unreadable),
    }


def _log_gap(name: str, paths: list[str], found: Difference) -> None:
    kinds = dict.fromkeys(found.vanished, "gone") | dict.fromkeys(found.changed, "changed")
    for path in paths[:NAMED]:
        kind = kinds.get(path, "missing")
        logger.warning("ledger gap maildir=%s gap=%s path=%s", name, kind, path)
    if len(paths) > NAMED:
        logger.warning("ledger gap maildir=%s gap=more paths=%d", name, len(paths) - NAMED)
    for folder in found.unreadable:
        logger.error("ledger gap maildir=%s gap=unreadable folder=%s", name, folder)
