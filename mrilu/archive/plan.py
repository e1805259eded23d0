"""What is to be done with each offered path, by looking at the disk and at the rows that know the file."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from psycopg import Connection

from mrilu.archive.array_literals import array
from mrilu.maildir.names import MailPath, parse_path
from mrilu.maildir.presence import is_there, mail_status

KNOWN_SQL = """
SELECT 'location', id, folder, unique_name, nth, subdir, name, size, gone_at IS NOT NULL, 0,
       extract(epoch FROM last_seen)::float8, mtime
  FROM location JOIN unnest(%(folders)s::text[], %(uniques)s::text[]) AS key(f, u) ON (folder, unique_name) = (f, u)
 WHERE maildir = %(maildir)s
UNION ALL
SELECT 'rejected', id, folder, unique_name, nth, subdir, name, size, gone_at IS NOT NULL, parser_version,
       extract(epoch FROM last_seen)::float8, mtime
  FROM rejected JOIN unnest(%(folders)s::text[], %(uniques)s::text[]) AS key(f, u) ON (folder, unique_name) = (f, u)
 WHERE maildir = %(maildir)s
"""


class KnownFile(NamedTuple):
    """A row of `location` or `rejected` (see `table`), the path it was last seen at, and when (since 1970).

    `size` and `mtime` are those that the file had when it was read; mtime is None in rows of earlier versions.
    """

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
    seen: float
    mtime: float | None

    @property
    def path(self) -> str:
        """The file's path below the Maildir's root."""
        return "/".join(part for part in (self.folder, self.subdir, self.name) if part)


class FoundFile(NamedTuple):
    """A file on disk: its path's parts, its size in bytes, its mtime and which of its namesakes it is.

    `arrived` is its inode's last change (seconds since 1970): a delivery's rename. `row` is what the
    database knew of it then: whoever changes that row meanwhile knows better.
    """

    path: str
    parts: MailPath
    size: int
    mtime: float
    nth: int
    arrived: float = 0.0
    row: KnownFile | None = None

    def row_in(self, table: str) -> KnownFile | None:
        """Return the row of `table` that was known of this file when it was looked at."""
        return self.row if self.row and self.row.table == table else None


@dataclass
class Plan:
    """The offered paths, sorted by what is to be done with them.

    `absent` are not on disk, known or not; `unseen` are those about which the file system tells nothing, with why.
    """

    read: list[FoundFile] = field(default_factory=list)
    moved: list[tuple[KnownFile, FoundFile]] = field(default_factory=list)
    gone: list[KnownFile] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    unseen: dict[str, str] = field(default_factory=dict)
    unchanged: int = 0
    ignored: int = 0

    def doubt_absence(self, reason: str) -> None:
        """Take nothing for gone: what was not found may lie where this host does not see it."""
        self.unseen.update(dict.fromkeys(self.absent, reason))
        self.absent, self.gone = [], []


@lru_cache(
    maxsize=1024
)  # a batch's paths are split when their rows are looked for, and when it is planned
def parts_of(path: str) -> MailPath | None:
    """Return a path's parts; None if it is not a place where mail lives."""
    return parse_path(path)


def known_files(connection: Connection, maildir: int, parts: Iterable[MailPath]) -> list[KnownFile]:
    """Return every row that may be about one of these files: same folder, same unique name."""
    keys = sorted({(one.folder, one.unique) for one in parts})
    arguments = {
        "maildir": maildir,
        "folders": array(key[0] for key in keys),
        "uniques": array(key[1] for key in keys),
    }
    return [KnownFile(*row) for row in connection.execute(KNOWN_SQL, arguments)]


def make_plan(
    root: Path, paths: Iterable[str], known: Iterable[KnownFile], parser_version: int
) -> Plan:
    """Compare each path with the disk and with the known rows; reads no mail.

    A file with a known row is unchanged, moved (its row's own file is not there any more) or, when its
    size differs, it was written since then, or a newer parser may cope with it, to be read again. A path
    that is not on disk makes its row gone, unless the row has moved on in the meantime; a second row for one
    file is gone, too. Whether the root is there and the right one is for the caller to know: see `doubt_absence`.
    """
    plan, rows = Plan(), defaultdict(list)
    for row in known:
        rows[row.folder, row.unique_name].append(row)
    sound: set[str] = set()
    for path in dict.fromkeys(paths):
        parts = parts_of(path)
        if parts is None:
            plan.ignored += 1
            continue
        try:
            status = mail_status(root, path, sound)
            _decide(
                plan, root, path, parts, status, rows[parts.folder, parts.unique], parser_version
            )
        except OSError as error:
            plan.unseen[path] = error.strerror or str(error)
    return plan


def _decide(
    plan: Plan,
    root: Path,
    path: str,
    parts: MailPath,
    status: os.stat_result | None,
    rows: list[KnownFile],
    parser_version: int,
) -> None:
    if status is None:
        plan.absent.append(path)
        plan.gone += [row for row in rows if row.path == path and not row.gone]
        return
    row = _row_of(root, parts, rows)
    found = _found(path, parts, status, row, rows)
    plan.gone += [twin for twin in rows if twin.path == path and twin is not row and not twin.gone]
    if (
        row is None
        or row.table == "new"
        or is_another(row, found)
        or _worth_a_retry(row, parser_version)
    ):
        plan.read.append(found)
    elif row.path == path and not row.gone:
        plan.unchanged += 1
        return
    else:
        plan.moved.append((row, found))
    _take(rows, found)


def _take(rows: list[KnownFile], found: FoundFile) -> None:
    """Note that a row is this file's from now on: the next namesake of the batch must not take it too."""
    parts = found.parts
    if found.row is None:
        place = parts.folder, parts.unique, found.nth, parts.subdir, parts.name
        rows.append(KnownFile("new", 0, *place, -1, False, 0, 0.0, None))
        return
    taken = found.row._replace(subdir=parts.subdir, name=parts.name, gone=False)
    rows[:] = [*(one for one in rows if one is not found.row), taken]


def look_at(root: Path, path: str, known: list[KnownFile]) -> FoundFile | None:
    """Return the file at `path` with the row among `known` that is its own; None if there is none to read now."""
    try:
        parts, status = parse_path(path), mail_status(root, path)
        if parts is None or status is None:
            return None
        row = _row_of(root, parts, known)
    except OSError:
        return None
    return _found(path, parts, status, row, known)


def _found(
    path: str, parts: MailPath, status: os.stat_result, row: KnownFile | None, rows: list[KnownFile]
) -> FoundFile:
    nth = row.nth if row else _free_nth(rows)
    return FoundFile(path, parts, status.st_size, status.st_mtime, nth, status.st_ctime, row)


def outdated(root: Path, plan: Plan) -> set[str]:
    """Return the planned paths of which the disk tells another story by now, or nothing.

    They left, or they were written since. Their events may have been dealt with while this batch was not committed yet,
    so no one else will look at them again. Call it after the commit.
    """
    here = {file.path: file for file in (*plan.read, *(file for _, file in plan.moved))}
    sound: set[str] = set()
    left = {path for path, file in here.items() if not _is_still(root, file, sound)}
    back = {row.path for row in plan.gone if row.path not in here and is_there(root, row.path)}
    return left | back


def _is_still(root: Path, file: FoundFile, sound: set[str]) -> bool:
    try:
        status = mail_status(root, file.path, sound)
    except OSError:
        return False
    return status is not None and (status.st_size, status.st_mtime) == (file.size, file.mtime)


def _row_of(root: Path, parts: MailPath, rows: list[KnownFile]) -> KnownFile | None:
    """Return the row of this very path, else one whose own file has left: then this is that file, moved."""
    same = [row for row in rows if (row.subdir, row.name) == (parts.subdir, parts.name)]
    if same:
        return min(same, key=lambda row: (row.gone, row.table != "location"))
    for row in rows:
        if row.gone or mail_status(root, row.path) is None:
            return row
    return None


def _free_nth(rows: list[KnownFile]) -> int:
    return max((row.nth for row in rows), default=-1) + 1


def is_another(row: KnownFile, found: FoundFile) -> bool:
    """Tell whether other bytes than the row's took the name; a move or a new flag changes no mtime."""
    written = found.mtime > row.seen if row.mtime is None else found.mtime != row.mtime
    return written or row.size != found.size


def _worth_a_retry(row: KnownFile, parser_version: int) -> bool:
    return row.table == "rejected" and row.parser_version < parser_version
