"""Takes in delivery reports in archived Maildirs and in BOUNCE_MAILDIR, where nothing is moved or changed."""

from __future__ import annotations

import logging
import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

from peewee import PostgresqlDatabase
from rq.timeouts import JobTimeoutException

from models import BounceFile, DeliveryReport, Location, Maildir
from mrilu.archive.read_bytes import read_bytes
from mrilu.maildir.names import MAIL_SUBDIRS, split_name, to_text
from mrilu.notifications.bounces import expire_bounces, take_in
from mrilu.notifications.reports import MAX_BYTES, read_report
from mrilu.notifications.requests import take_request
from mrilu.queues.runs import recorded
from mrilu.runtime.database import database
from mrilu.runtime.retry import is_transient
from mrilu.settings.current import current_settings

logger = logging.getLogger(__name__)

AT_ONCE = 2000  # reports taken in by one run; those that cannot be read yet count for nothing
GIVE_UP = timedelta(days=7)  # on a report whose file cannot be found


@recorded
def take_in_bounces() -> dict[str, int]:
    """Read the delivery reports that came in; return how many were hard, soft, repeated, other ..."""
    settings, db, now = current_settings(), database(), datetime.now(UTC)
    counts = take_in_archived(db, now)
    if settings.bounce_maildir is not None:
        counts += take_in_folder(db, settings.bounce_maildir, now)
    expire_bounces(db, now - timedelta(days=settings.keep_notifications))
    return dict(counts)


def take_in_archived(db: PostgresqlDatabase, now: datetime) -> Counter[str]:
    """Take in the reports that imports have noted; one whose file is away waits for GIVE_UP, and holds up no other."""
    counts: Counter[str] = Counter()
    for row in list(DeliveryReport.select().order_by(DeliveryReport.message)):
        if _taken(counts) >= AT_ONCE:
            break
        raw = _bytes_of(row.message)
        if raw is None and row.noted_at > now - GIVE_UP:
            counts["waiting"] += 1
            continue
        if raw is None:
            logger.warning("delivery report is away message=%d", row.message)
            counts["missing"] += 1
        else:
            counts[_take_in(db, raw, now, f"message={row.message}")] += 1
        DeliveryReport.delete_by_id(row.message)
    return counts


def _taken(counts: Counter[str]) -> int:
    return counts.total() - counts["waiting"] - counts["unreadable"]


def _bytes_of(message: int) -> bytes | None:
    """Return the beginning of a message's file, None if none can be read."""
    for location in Location.of_message(message):
        maildir = Maildir.get_by_id(location.maildir)
        try:
            return read_bytes(Path(maildir.place), location.path(), MAX_BYTES)
        except OSError as error:
            logger.debug("file cannot be read location=%d error=%s", location.id, error)
    return None


def take_in_folder(db: PostgresqlDatabase, root: Path, now: datetime) -> Counter[str]:
    """Take in new mail of BOUNCE_MAILDIR: reports, and mails that ask for a subscription; others are left alone.

    Raises NotADirectoryError or FileNotFoundError for what is not a Maildir.
    """
    counts: Counter[str] = Counter()
    present = _mails_in(root)
    known = {row.name for row in BounceFile.select(BounceFile.name)}
    for name, path in sorted(present.items()):
        if name in known or _taken(counts) >= AT_ONCE:
            continue
        try:
            raw = read_bytes(root, path, MAX_BYTES)
        except FileNotFoundError:
            continue  # moved or gone since: the next run sees it where it is
        except OSError as error:
            logger.warning("cannot read path=%s: %s", path, error.strerror or error)
            counts["unreadable"] += 1
            continue
        counts[_take_in(db, raw, now, f"path={path}", asked=True)] += 1
        BounceFile.insert(name=name).on_conflict_ignore().execute()
    gone = list(known - set(present))
    if gone:
        BounceFile.delete().where(BounceFile.name.in_(gone[:AT_ONCE])).execute()
    return counts


def _mails_in(root: Path) -> dict[str, str]:
    """Return the paths below `root` of the mails in new/ and cur/, by unique name."""
    found: dict[str, str] = {}
    for subdir in MAIL_SUBDIRS:
        for entry in os.scandir(root / subdir):
            if not entry.name.startswith(".") and entry.is_file(follow_symlinks=False):
                name = to_text(entry.name)
                found[split_name(name)[0]] = f"{subdir}/{name}"
    return found


def _take_in(
    db: PostgresqlDatabase, raw: bytes, now: datetime, place: str, *, asked: bool = False
) -> str:
    """Return what one mail came to; one that fails by a fault of ours is logged and holds up no other."""
    try:
        report = read_report(raw)
        if report is None:
            return "requested" if asked and take_request(db, raw, now) else "other"
        outcome = take_in(db, report, now)
    except JobTimeoutException:
        raise
    except Exception as error:
        if is_transient(error):
            raise  # it is not the mail's fault: the next run takes it in
        logger.exception("mail cannot be taken in %s", place)
        return "failed"
    logger.info("delivery report %s outcome=%s status=%s", place, outcome.value, report.status)
    return outcome.value
