"""Which directories a Maildir's folders were: another one in the same place differs from one whose mails are gone.

A disk that is not mounted leaves the empty place below it, or an empty Maildir that a delivery agent has made there.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from functools import lru_cache
from pathlib import Path
from typing import cast

from peewee import PostgresqlDatabase

from models import Maildir, MailFolder
from mrilu.maildir.names import MAIL_SUBDIRS, Kind, follows, join, to_disk
from mrilu.maildir.presence import is_there, root_trouble

SAMPLE = 25  # known files from each end of the alphabet that are looked for
ANOTHER = "another folder lies there now, which holds none of the known mails"

NOTE = """
INSERT INTO mail_folder (maildir, folder, device, inode)
SELECT %s, * FROM unnest(%s::text[], %s::text[], %s::numeric[])
    ON CONFLICT (maildir, folder) DO UPDATE
   SET device = excluded.device, inode = excluded.inode, doubted_at = NULL
 WHERE (mail_folder.device, mail_folder.inode) <> (excluded.device, excluded.inode)
    OR mail_folder.doubted_at IS NOT NULL
"""
NOTED = "SELECT folder, device, inode FROM mail_folder WHERE maildir = %s AND folder = ANY(%s)"
DOUBT = """
UPDATE mail_folder SET doubted_at = coalesce(doubted_at, now()) WHERE maildir = %s AND folder = ''
RETURNING extract(epoch FROM now() - doubted_at)::float8
"""
FORGET = "DELETE FROM mail_folder WHERE maildir = %s AND folder = ''"
_SAMPLE = """
(SELECT concat_ws('/', nullif(folder, ''), nullif(subdir, ''), name) FROM location
  WHERE maildir = %s AND gone_at IS NULL ORDER BY maildir {way}, folder {way}, unique_name {way} LIMIT %s)
"""
SAMPLES = f"{_SAMPLE.format(way='')} UNION {_SAMPLE.format(way='DESC')}"


def note_folders(db: PostgresqlDatabase, maildir: Maildir, folders: Iterable[str]) -> None:
    """Keep which directories these folders are; a known file was seen in each of them just now."""
    found = [(name, *here) for name in sorted(folders) if (here := _directory(maildir.place, name))]
    if found:
        columns = [list(column) for column in zip(*found, strict=True)]
        db.connection().execute(NOTE, (maildir.id, *columns))


def replaced(db: PostgresqlDatabase, maildir: Maildir, folders: Collection[str]) -> set[str]:
    """Return those of these folders whose directory is missing, or is not the one that was noted.

    And those in which new/ or cur/ is a symlink that is not followed: what left may have gone there.
    """
    noted = db.connection().execute(NOTED, (maildir.id, list(folders))).fetchall()
    known = {folder: (device, int(inode)) for folder, device, inode in noted}
    return {
        folder
        for folder in folders
        if (here := _directory(maildir.place, folder)) is None
        or (folder in known and _differ(known[folder], here))
        or _leads_out(maildir.place, folder)
    }


def doubt_root(db: PostgresqlDatabase, maildir: Maildir) -> float:
    """Keep that the root may be the wrong one; return for how many seconds it has been so."""
    row = db.connection().execute(DOUBT, (maildir.id,)).fetchone()
    return row[0] if row else 0.0


def accept_root(db: PostgresqlDatabase, maildir: Maildir) -> None:
    """Take whatever lies at the root for the Maildir from now on."""
    db.connection().execute(FORGET, (maildir.id,))


def doubts(db: PostgresqlDatabase, maildir: Maildir) -> str:
    """Return why what is not found below the root may lie elsewhere, "" if nothing speaks for that.

    The root is missing, is no Maildir, or is another directory than it was and holds none of a sample of the known
    files: then this host does not see the Maildir.
    """
    if trouble := root_trouble(maildir.place, cast(Kind, maildir.kind)):
        return trouble
    if not is_another_root(db, maildir):
        return ""
    known = sample_of(db, maildir)
    seen = any(is_there(Path(maildir.place), path) is not False for path in known)
    return "" if seen or not known else ANOTHER


def sample_of(db: PostgresqlDatabase, maildir: Maildir) -> list[str]:
    """Return the paths of some known files."""
    arguments = (maildir.id, SAMPLE, maildir.id, SAMPLE)
    return [path for (path,) in db.connection().execute(SAMPLES, arguments)]


def is_another_root(db: PostgresqlDatabase, maildir: Maildir) -> bool:
    """Tell whether the root is another directory than when known files were seen in it."""
    return bool(replaced(db, maildir, [""])) and not _leads_out(maildir.place, "")


def doubted_since(maildir: Maildir) -> bool:
    """Tell whether the root is thought to be the wrong one."""
    row = MailFolder.get_or_none((MailFolder.maildir == maildir.id) & (MailFolder.folder == ""))
    return row is not None and row.doubted_at is not None


def _directory(root: str, folder: str) -> tuple[str, int] | None:
    """Return the device and inode of a folder's directory; None if there is none or it cannot be seen."""
    try:
        found = os.stat(os.path.join(root, to_disk(folder)) if folder else root)
    except (OSError, ValueError):
        return None
    return f"{_boot()}:{found.st_dev}", found.st_ino


def _leads_out(root: str, folder: str) -> bool:
    """Tell whether new/ or cur/ of a folder is a symlink that a scan does not follow."""
    return any(
        os.path.islink(os.path.join(root, to_disk(join(folder, name))))
        and not follows(root, join(folder, name))
        for name in MAIL_SUBDIRS
    )


def _differ(noted: tuple[str, int], here: tuple[str, int]) -> bool:
    """Tell whether two directories are not the same: device numbers hold until the machine starts again."""
    same_boot = noted[0].rpartition(":")[0] == here[0].rpartition(":")[0]
    return noted[1] != here[1] or (same_boot and noted[0] != here[0])


@lru_cache(maxsize=1)
def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
