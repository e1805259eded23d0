"""Mass vanishings: files that went together may lie on a disk that is away, so their messages are held back.

The rows of the files are marked as gone at once, since that is what the disk says and a return revives them. Held back
is what cannot be undone: GONE_FILES=remove removes no message while a vanishing is open.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from peewee import PostgresqlDatabase
from psycopg import Connection

from models import Maildir
from mrilu.archive.folders import accept_root, replaced

logger = logging.getLogger(__name__)

LEAST_FILES = 10  # fewer files than this are no mass, whatever their share
WINDOW = "interval '1 hour'"  # files that went within it went together

# A file that was moved elsewhere has not vanished.
_ELSEWHERE = "EXISTS (SELECT FROM location AS o WHERE o.message = l.message AND o.gone_at IS NULL)"
LATELY_GONE = f"""
SELECT l.maildir, l.folder, count(*), min(l.gone_at) FROM location AS l JOIN maildir AS m ON m.id = l.maildir
 WHERE l.gone_at > now() - {WINDOW} AND l.vanishing IS NULL AND NOT {_ELSEWHERE}
   AND (m.gone_confirmed_at IS NULL OR m.gone_confirmed_at < now() - {WINDOW})
 GROUP BY 1, 2
"""  # noqa: S608 - no value is in the text
HAS_LIVE = (
    "SELECT EXISTS (SELECT FROM location WHERE maildir = %s AND folder = %s AND gone_at IS NULL)"
)
# No more rows are looked at than the answer needs.
LIVE_UP_TO = "SELECT count(*) FROM (SELECT FROM location WHERE maildir = %s AND gone_at IS NULL LIMIT %s) AS few"
OPEN = "SELECT id, maildir, folder FROM vanishing WHERE ended_at IS NULL"
START = """
INSERT INTO vanishing (maildir, folder, since, files) VALUES (%s, %s, %s, %s) RETURNING id
"""
ATTACH = f"""
UPDATE location SET vanishing = %s
 WHERE maildir = %s AND (%s::text IS NULL OR folder = %s) AND gone_at > now() - {WINDOW} AND vanishing IS NULL
"""  # noqa: S608 - no value is in the text
COUNT = f"""
UPDATE vanishing AS v SET files = found.files
  FROM (SELECT v.id, (SELECT count(*) FROM location AS l
                       WHERE l.maildir = v.maildir AND l.vanishing = v.id AND l.gone_at >= v.since
                         AND NOT {_ELSEWHERE}) AS files
          FROM vanishing AS v WHERE v.ended_at IS NULL) AS found
 WHERE v.id = found.id AND v.files <> found.files
"""  # noqa: S608 - no value is in the text
END = """
UPDATE vanishing SET ended_at = now(), outcome = CASE WHEN files = 0 THEN 'returned' ELSE 'expired' END
 WHERE ended_at IS NULL AND (files = 0 OR since < now() - %s * interval '1 hour')
RETURNING maildir, folder, files, outcome
"""
CONFIRM = """
UPDATE vanishing SET ended_at = now(), outcome = 'confirmed' WHERE maildir = %s AND ended_at IS NULL
RETURNING files
"""


@dataclass(frozen=True)
class Bounds:
    """What counts as a mass vanishing, in percent of a Maildir's files, and for how many hours it is held back."""

    percent: int
    hours: float


@dataclass(frozen=True)
class _Gone:
    """Files of one folder that went lately and are nowhere else."""

    folder: str
    files: int
    since: datetime


def note_vanishings(db: PostgresqlDatabase, bounds: Bounds) -> int:
    """Hold back what vanished together since the last call, end what returned or waited long; return how many began.

    Call it before `remove_gone_messages`, more often than its grace.
    """
    connection = db.connection()
    gone: dict[int, list[_Gone]] = defaultdict(list)
    for maildir, folder, files, since in connection.execute(LATELY_GONE):
        gone[maildir].append(_Gone(folder, files, since))
    if not gone and not connection.execute(f"{OPEN} LIMIT 1").fetchone():
        return 0
    began = 0
    with db.atomic():
        connection.execute("LOCK TABLE vanishing IN SHARE ROW EXCLUSIVE MODE")
        held = {(row[1], row[2]): row[0] for row in connection.execute(OPEN)}
        for maildir, folders in gone.items():
            began += _hold(db, Maildir.get_by_id(maildir), folders, bounds.percent, held)
        connection.execute(COUNT)
        ended = connection.execute(END, (bounds.hours,)).fetchall()
    for maildir, folder, files, outcome in ended:
        facts = (Maildir.get_by_id(maildir).name, folder or "", files, outcome)
        logger.warning("vanishing ended maildir=%s folder=%s missing=%d outcome=%s", *facts)
    return began


def _hold(
    db: PostgresqlDatabase,
    maildir: Maildir,
    folders: list[_Gone],
    percent: int,
    held: dict[tuple[int, str | None], int],
) -> int:
    """Hold back the whole Maildir, or those folders that vanished whole; return how many vanishings began."""
    connection = db.connection()
    total, since = sum(one.files for one in folders), min(one.since for one in folders)
    if (maildir.id, None) in held or _is_mass(connection, maildir.id, total, percent):
        return _start(connection, maildir, _Gone("", total, since), None, held)
    others = replaced(db, maildir, [one.folder for one in folders])
    return sum(
        _start(connection, maildir, one, one.folder, held)
        for one in folders
        if (maildir.id, one.folder) in held
        or one.folder in others
        or (one.files >= LEAST_FILES and _vanished_whole(connection, maildir.id, one.folder))
    )


def _is_mass(connection: Connection, maildir: int, files: int, percent: int) -> bool:
    if files < LEAST_FILES:
        return False
    most = files * (100 - percent) // percent if percent else files * 1_000_000
    row = connection.execute(LIVE_UP_TO, (maildir, most + 1)).fetchone()
    return row is not None and row[0] <= most


def _vanished_whole(connection: Connection, maildir: int, folder: str) -> bool:
    row = connection.execute(HAS_LIVE, (maildir, folder)).fetchone()
    return row is not None and not row[0]


def _start(
    connection: Connection,
    maildir: Maildir,
    gone: _Gone,
    folder: str | None,
    held: dict[tuple[int, str | None], int],
) -> int:
    """Add the files to the open vanishing of this scope, or begin one; return how many began."""
    key = (maildir.id, folder)
    fresh = key not in held
    if fresh:
        row = connection.execute(START, (maildir.id, folder, gone.since, gone.files)).fetchone()
        held[key] = row[0] if row else 0
        facts = (maildir.name, folder or "", gone.files)
        logger.error("files vanished together, held back maildir=%s folder=%s files=%d", *facts)
    connection.execute(ATTACH, (held[key], maildir.id, folder, folder))
    return int(fresh)


def confirm_gone(db: PostgresqlDatabase, maildir: Maildir) -> int:
    """Let the files of a Maildir that are missing be gone, also those that are found missing within the next hour.

    Return how many were held back.
    """
    connection = db.connection()
    connection.execute("UPDATE maildir SET gone_confirmed_at = now() WHERE id = %s", (maildir.id,))
    accept_root(db, maildir)
    return sum(row[0] for row in connection.execute(CONFIRM, (maildir.id,)))
