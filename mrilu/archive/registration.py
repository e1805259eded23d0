"""Which folder a Maildir's name stands for: a move is distinguished from a clash of names, and a kind is kept."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import cast

from peewee import PostgresqlDatabase

from models import Maildir
from mrilu.archive.places import is_own, note_place
from mrilu.maildir.errors import (
    FolderUnreadable,
    MaildirError,
    MaildirMissing,
    NotAFolder,
    NotAMaildir,
)
from mrilu.maildir.mark import read_mark
from mrilu.maildir.names import Kind, kind_of, parse_path, scan

logger = logging.getLogger(__name__)

# Of a name's known files, the share that its new folder must hold to be that Maildir, moved.
MOVED_SHARE = 0.5
COPIED_SHARE = 0.9  # while the old folder is still there with files in it

LIVE_FILES = """
SELECT folder, unique_name FROM location WHERE maildir = %s AND gone_at IS NULL
UNION
SELECT folder, unique_name FROM rejected WHERE maildir = %s AND gone_at IS NULL
"""
LIVE_KINDS = """
SELECT DISTINCT CASE subdir WHEN '' THEN 'folder' ELSE 'maildir' END FROM (
    SELECT subdir FROM location WHERE maildir = %s AND gone_at IS NULL
    UNION ALL
    SELECT subdir FROM rejected WHERE maildir = %s AND gone_at IS NULL) AS live
"""


class NameTaken(Exception):
    """MAILDIR_PATH: the name {name!r} belongs to {old} with other files: give {new} another one ({name}-2={new})"""

    def __init__(self, name: str, old: str, new: str) -> None:
        super().__init__(str(self.__doc__).format(name=name, old=old, new=new))


class AnotherMaildir(MaildirError):
    """this is not the Maildir {name!r}, which another service has at {old}: it holds neither its mark
    (.mrilu-maildir) nor its mails; mount that one here, or give this one another name in MAILDIR_PATH"""

    def __init__(self, name: str, old: str, new: str) -> None:
        super().__init__(new)
        told = " ".join(str(self.__doc__).split())
        self.args = (f"{new}: {told.format(name=name, old=old)}",)


def register_watched(db: PostgresqlDatabase, name: str, root: Path) -> Maildir:
    """Note that the watched Maildir `name` lies at `root`; its files keep their rows when it was moved there.

    An imported folder that has the name gets another one. Raises NameTaken, when the name stands for other
    files: nothing may be thought gone for that; and MaildirError, when there is no Maildir at `root`.
    """
    row = Maildir.get_or_none(Maildir.name == name)
    if row is None or _belongs(db, row, root):
        kind = _kind(db, row, root)
        with db.atomic():
            registered = Maildir.register(name, str(root), kind)
            note_place(registered, root, watched=True)
        return registered
    if row.watched:
        raise _refusal(row, root)
    with db.atomic():
        row.name = free_name(
            name, lambda other: Maildir.select().where(Maildir.name == other).exists()
        )
        row.save()
        logger.warning(
            "a Maildir has another name maildir=%s root=%s former=%s", row.name, row.root, name
        )
        registered = Maildir.register(name, str(root), kind_of(root))
        note_place(registered, root, watched=True)
    return registered


def register_imported(
    db: PostgresqlDatabase, wanted: str, root: str, reserved: set[str]
) -> Maildir:
    """Register a folder that is not watched, under `wanted` or that with a number: never under another's name."""
    kind = kind_of(root)
    tried: set[str] = set(reserved)
    while True:
        name = free_name(wanted, tried.__contains__)
        if row := Maildir.add(name, root, kind):
            note_place(row, Path(root), watched=False)
            return row
        tried.add(name)


def free_name(wanted: str, taken: Callable[[str], bool]) -> str:
    """Return `wanted`, or it with the first number with which it is not taken."""
    name, number = wanted, 1
    while taken(name):
        number += 1
        name = f"{wanted}-{number}"
    return name


def _belongs(db: PostgresqlDatabase, row: Maildir, root: Path) -> bool:
    """Tell whether the Maildir at `root` is the row's: by its mark, by its place on this host, by its files."""
    found = read_mark(root)
    if row.mark is not None and found is not None:
        if found == row.mark and (not is_own(row) or not _is_second(row, root)):
            return True
        return _is_moved(db, row, root)
    return (is_own(row) and _same_folder(row.root, root)) or _is_moved(db, row, root)


def _is_second(row: Maildir, root: Path) -> bool:
    """Tell whether the registered folder is still on this host and another one: a copy brings the mark along."""
    return not _same_folder(row.root, root) and _holds_mail(row.root)


def _refusal(row: Maildir, root: Path) -> Exception:
    """Return why the Maildir at `root` is not the watched one of its name.

    On the host that registered it that is a setting to change; another may have to wait for its disk.
    """
    return (NameTaken if is_own(row) else AnotherMaildir)(row.name, row.root, str(root))


def _same_folder(old: str, new: Path) -> bool:
    if os.path.realpath(old) == os.path.realpath(new):
        return True
    try:
        return os.path.samefile(old, new)
    except OSError:
        return False


def _is_moved(db: PostgresqlDatabase, row: Maildir, root: Path) -> bool:
    """Tell whether the files at `root` are those of the row. What was imported may not miss a single one."""
    kind = kind_of(root)
    known = set(db.execute_sql(LIVE_FILES, (row.id, row.id)).fetchall())
    if not known:
        return _may_be_it(row, root) if row.watched else not _holds_mail(row.root)
    unreadable: list[FolderUnreadable] = []
    parts = (parse_path(path) for path in scan(root, unreadable, kind))
    found = len(known & {(one.folder, one.unique) for one in parts if one})
    still_there = not _same_folder(row.root, root) and _holds_mail(row.root)
    if not row.watched:
        return found == len(known) and not still_there
    return found >= len(known) * (COPIED_SHARE if still_there else MOVED_SHARE)


def _may_be_it(row: Maildir, root: Path) -> bool:
    """Tell whether a watched Maildir of which no file is known may be the one at `root`.

    Another service that has it elsewhere, or with a mark, has it: what lies here without that mark is another one.
    """
    return is_own(row) or (row.mark is None and _same_folder(row.root, root))


def _holds_mail(root: str) -> bool:
    """Tell whether there is mail below `root`, or may be: what cannot be read is not taken for empty."""
    unreadable: list[FolderUnreadable] = []
    try:
        return next(scan(root, unreadable), None) is not None or bool(unreadable)
    except (MaildirMissing, NotAFolder, NotAMaildir):
        return False
    except MaildirError:
        return True


def _kind(db: PostgresqlDatabase, row: Maildir | None, root: Path) -> Kind:
    """Return the kind of the Maildir at `root`, which is the registered one while there are files of that kind."""
    try:
        found = kind_of(root)
    except NotAMaildir:
        # The last mail of a flat folder was deleted, or it is not mounted: then its files are in the database.
        if row and row.kind == "folder" and _same_folder(row.root, root) and not row.has_files():
            return "folder"
        raise
    if row is None:
        return found
    live = {kind for (kind,) in db.execute_sql(LIVE_KINDS, (row.id, row.id)).fetchall()}
    return cast(Kind, row.kind) if row.kind in live else found
