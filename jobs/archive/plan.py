"""What is to be done with each offered path, by looking at the disk and at the rows that know the file."""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from psycopg import Connection

from watcher.maildir import MailPath, parse_path, to_disk

KNOWN_SQL = """
SELECT 'location', id, folder, unique_name, nth, subdir, name, size, gone_at IS NOT NULL, 0
  FROM location JOIN unnest(%(folders)s::text[], %(uniques)s::text[]) AS key(f, u) ON (folder, unique_name) = (f, u)
 WHERE maildir = %(maildir)s
UNION ALL
SELECT 'rejected', id, folder, unique_name, nth, subdir, name, size, gone_at IS NOT NULL, parser_version
  FROM rejected JOIN unnest(%(folders)s::text[], %(uniques)s::text[]) AS key(f, u) ON (folder, unique_name) = (f, u)
 WHERE maildir = %(maildir)s
"""


class KnownFile(NamedTuple):
    """A row of `location` or `rejected` (see `table`) and the path it was last seen at."""

    table: str
    id: int
    folder: str
    unique_name: str
    nth: int
    subdir: str
    name: str
    size: int
    gone: bool
    parser_version: int

    @property
    def path(self) -> str:
        """The file's path below the Maildir's root."""
        return "/".join(part for part in (self.folder, self.subdir, self.name) if part)


class FoundFile(NamedTuple):
    """A file on disk: its path's parts, its size in bytes, its mtime and which of its namesakes it is.

    `arrived` is its inode's last change (seconds since 1970): a delivery's rename.
    """

    path: str
    parts: MailPath
    size: int
    mtime: float
    nth: int
    arrived: float = 0.0


@dataclass
class Plan:
    """The offered paths, sorted by what is to be done with them."""

    read: list[FoundFile] = field(default_factory=list)
    moved: list[tuple[KnownFile, FoundFile]] = field(default_factory=list)
    gone: list[KnownFile] = field(default_factory=list)
    unchanged: int = 0
    ignored: int = 0


def known_files(connection: Connection, maildir: int, parts: Iterable[MailPath]) -> list[KnownFile]:
    """Return every row that may be about one of these files: same folder, same unique name."""
    keys = sorted({(one.folder, one.unique) for one in parts})
    arguments = {"maildir": maildir, "folders": [key[0] for key in keys], "uniques": [key[1] for key in keys]}
    return [KnownFile(*row) for row in connection.execute(KNOWN_SQL, arguments)]


def make_plan(root: Path, paths: Iterable[str], known: Iterable[KnownFile], parser_version: int) -> Plan:
    """Compare each path with the disk and with the known rows; reads no mail.

    A file with a known row is unchanged, moved (its row's own file is not there any more) or, when its
    size differs or a newer parser may cope with it, to be read again. A path that is not on disk
    makes its row gone, unless the row has moved on meanwhile.
    """
    plan, rows = Plan(), defaultdict(list)
    for row in known:
        rows[row.folder, row.unique_name].append(row)
    for path in dict.fromkeys(paths):
        parts = parse_path(path)
        if parts is None:
            plan.ignored += 1
            continue
        _decide(plan, root, path, parts, rows[parts.folder, parts.unique], parser_version)
    return plan


def _decide(plan: Plan, root: Path, path: str, parts: MailPath, rows: list[KnownFile], parser_version: int) -> None:
    status = mail_status(root, path)
    if status is None:
        plan.gone += [row for row in rows if row.path == path and not row.gone]
        return
    row = _row_of(root, parts, rows)
    nth = row.nth if row else _free_nth(rows)
    found = FoundFile(path, parts, status.st_size, status.st_mtime, nth, status.st_ctime)
    if row is None:
        rows.append(KnownFile("new", 0, parts.folder, parts.unique, nth, parts.subdir, parts.name, -1, False, 0))
        plan.read.append(found)
    elif row.size != found.size or row.table == "new" or _worth_a_retry(row, parser_version):
        plan.read.append(found)
    elif row.path == path and not row.gone:
        plan.unchanged += 1
    else:
        plan.moved.append((row, found))


def _row_of(root: Path, parts: MailPath, rows: list[KnownFile]) -> KnownFile | None:
    """Return the row of this very path, else one whose own file has left: then this is that file, moved."""
    for row in rows:
        if (row.subdir, row.name) == (parts.subdir, parts.name):
            return row
    for row in rows:
        if row.gone or mail_status(root, row.path) is None:
            return row
    return None


def _free_nth(rows: list[KnownFile]) -> int:
    return max((row.nth for row in rows), default=-1) + 1


def _worth_a_retry(row: KnownFile, parser_version: int) -> bool:
    return row.table == "rejected" and row.parser_version < parser_version


def mail_status(root: Path, path: str) -> os.stat_result | None:
    """Return the status of the regular file at `path`, or None: not there, a symlink, a FIFO ..."""
    try:
        status = os.lstat(f"{root}/{to_disk(path)}")
    except (OSError, ValueError):
        return None
    return status if stat.S_ISREG(status.st_mode) else None
