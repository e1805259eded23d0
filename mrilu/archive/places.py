"""Whether this host has a Maildir: the mark at its root says so, or its known mails where none can be written."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import cast

from peewee import PostgresqlDatabase

from models import Maildir, MaildirPlace
from mrilu.archive.folders import sample_of
from mrilu.maildir.mark import MARK, read_mark, write_mark
from mrilu.maildir.names import Kind
from mrilu.maildir.presence import is_there, root_trouble

logger = logging.getLogger(__name__)

FORGOTTEN_DAYS = 7
OTHER_MARK = f"another Maildir lies there: its {MARK} holds another id"
NO_MARK = f"another folder lies there: it has neither {MARK} nor any known mail"
NOTE_PLACE = """
INSERT INTO maildir_place (maildir, service, root, watched) VALUES (%s, %s, %s, %s)
    ON CONFLICT (maildir, service) DO UPDATE
   SET root = excluded.root, watched = maildir_place.watched OR excluded.watched, since = now()
"""
FORGET_SERVICES = """
DELETE FROM maildir_place WHERE service <> ALL(%s) AND since < now() - make_interval(days => %s) AND watched
"""


def note_place(maildir: Maildir, root: Path, *, watched: bool) -> None:
    """Keep that this service has the Maildir at `root`; mark it, if it is watched and can be written to."""
    # A flat folder is kept as it is: its files are all of them mail. Its known mails tell it from another.
    if watched and maildir.kind == "maildir":
        mark = write_mark(root, maildir.mark)
        if mark is None:
            logger.warning(
                "no mark can be written: hosts know it by its mails maildir=%s root=%s file=%s",
                maildir.name,
                root,
                MARK,
            )
        elif mark != maildir.mark:
            Maildir.update(mark=mark).where(Maildir.id == maildir.id).execute()
            maildir.mark = mark
    Maildir._meta.database.execute_sql(
        NOTE_PLACE, (maildir.id, Maildir.here.service, str(root), watched)
    )


def forget_services(living: Iterable[str]) -> int:
    """Forget where services had Maildirs that neither live nor registered one lately; return how many places."""
    cursor = Maildir._meta.database.execute_sql(FORGET_SERVICES, (list(living), FORGOTTEN_DAYS))
    return int(cursor.rowcount)


def is_own(maildir: Maildir) -> bool:
    """Tell whether this service registered the Maildir; one from before there were places is anyone's."""
    places = MaildirPlace.select().where(MaildirPlace.maildir == maildir.id)
    services = {one.service for one in places}
    return not services or Maildir.here.service in services


def absence(db: PostgresqlDatabase, maildir: Maildir, paths: Iterable[str]) -> str:
    """Return why this host has not the Maildir, "" if it has; `paths` are files that may lie there.

    The service that registered it has it: what it does not see is for mrilu.archive.folders to doubt.
    """
    root = maildir.place
    found = read_mark(root) if maildir.mark is not None else None
    if found is not None:
        return "" if found == maildir.mark else OTHER_MARK
    if is_own(maildir):
        return ""
    if trouble := root_trouble(root, cast(Kind, maildir.kind)):
        return trouble
    likely = (*paths, *sample_of(db, maildir))
    return "" if any(is_there(Path(root), path) for path in likely) else NO_MARK
