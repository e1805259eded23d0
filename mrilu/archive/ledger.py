"""The ledger: files on disk = imported + copies + rejected + waiting, for each Maildir, with the gap by name."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, cast

from peewee import PostgresqlDatabase

from models import Maildir
from mrilu.archive.folders import is_another_root
from mrilu.mail.version import PARSER_VERSION
from mrilu.maildir.errors import FolderUnreadable
from mrilu.maildir.names import (
    Kind,
    folder_of,
    mail_places,
    names_in,
    scan,
    scan_place,
    to_disk,
)

# Every file that the database believes to be on disk, and rejected ones that are worth another try.
KNOWN_PATHS = """
SELECT concat_ws('/', nullif(folder, ''), nullif(subdir, ''), name), true, size, mtime,
       extract(epoch FROM last_seen)::float8
  FROM location WHERE maildir = %s AND gone_at IS NULL
UNION ALL
SELECT concat_ws('/', nullif(folder, ''), nullif(subdir, ''), name), parser_version >= %s, size, mtime,
       extract(epoch FROM last_seen)::float8
  FROM rejected WHERE maildir = %s AND gone_at IS NULL
"""

# The same files' names by directory, of SLICE ids each time: a string of PostgreSQL holds 1 GB, a name 1,020 bytes.
SLICE = 1_000_000
LAST_ID = "SELECT coalesce(max(id), 0) FROM {table}"
KNOWN_NAMES = """
SELECT concat_ws('/', nullif(folder, ''), nullif(subdir, '')), string_agg(name, '/')
  FROM {table} WHERE maildir = %s AND gone_at IS NULL AND id BETWEEN %s AND %s GROUP BY folder, subdir
"""


class KnownPath(NamedTuple):
    """A live file that the database knows: `settled` if it need not be tried again, and as what it was read."""

    path: str
    settled: bool
    size: int
    mtime: float | None
    seen: float


@dataclass
class Difference:
    """How one Maildir's disk and database differ: paths only on disk, paths only in the database.

    A file with two rows, which only workers in each other's way can make, counts as one of the latter.
    `changed` are files that were written since they were read. `unreadable` are folders that could not be listed;
    their files are left out of all. `held` are paths that are not found below a root that may be the wrong one.
    `folders` are those in which a known file lies. `rejected_again` are the known files that are worth another try.
    """

    unknown: list[str]
    vanished: list[str]
    on_disk: int
    unreadable: list[str]
    changed: list[str] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    folders: set[str] = field(default_factory=set)
    rejected_again: set[str] = field(default_factory=set)

    @property
    def paths(self) -> list[str]:
        """The paths to offer to the import job, which sorts out moves, new mail, what is gone, what grew."""
        return self.unknown + self.vanished + self.changed


@dataclass
class Balance:
    """Both sides of one Maildir's ledger in files, and what does not add up, by name.

    `waiting` are files on disk that are queued; `lost` are files on disk that nothing knows of, and
    `stale` those that the database holds but the disk does not. `changed` are known files that were written since
    they were read, and are to be read again. `held` are stale ones that are not believed to be gone, since another
    folder lies at the root.
    """

    maildir: str
    root: str
    on_disk: int
    imported: int
    copies: int
    rejected: int
    waiting: int
    lost: list[str]
    stale: list[str]
    unreadable: list[str]
    changed: list[str] = field(default_factory=list)
    held: list[str] = field(default_factory=list)

    @property
    def level(self) -> bool:
        """Tell whether every file on disk is accounted for and none is left to do."""
        left = self.lost or self.stale or self.unreadable or self.changed or self.held
        return not (self.waiting or left)

    @property
    def gap(self) -> int:
        """Files on disk minus imported, copies, rejected and waiting."""
        return self.on_disk - (self.imported + self.copies + self.rejected + self.waiting)

    def as_dict(self) -> dict[str, Any]:
        """Return all of it for JSON."""
        return {**asdict(self), "gap": self.gap, "level": self.level}


def difference(db: PostgresqlDatabase, root: Path | str, name: str) -> Difference:
    """Compare the files on disk with the rows of the Maildir `name`: their names, sizes and mtimes.

    Raises what mrilu.maildir.names.kind_of raises, so that an unmounted Maildir is never taken for empty.
    """
    unreadable: list[FolderUnreadable] = []
    maildir = Maildir.get_or_none(Maildir.name == name)
    on_disk = set(files_of(maildir, unreadable, root) if maildir else scan(root, unreadable))
    hidden = tuple(f"{error.folder}/" if error.folder else "" for error in unreadable)
    known: dict[str, KnownPath] = {}
    doubled: set[str] = set()
    rejected_again: set[str] = set()
    for one in known_paths(db, maildir) if maildir else ():
        if one.path in known:
            doubled.add(one.path)
        if not one.settled:
            rejected_again.add(one.path)
        known[one.path] = one
    vanished = {path for path in known.keys() - on_disk if not (hidden and path.startswith(hidden))}
    settled = [one for path, one in known.items() if one.settled and path in on_disk]
    found = Difference(
        unknown=sorted(on_disk.difference(one.path for one in settled)),
        vanished=sorted(vanished | doubled),
        on_disk=len(on_disk),
        unreadable=[error.folder for error in unreadable],
        changed=sorted(one.path for one in settled if was_written(Path(root), one)),
        folders={folder_of(place) for place in {one.path.rpartition("/")[0] for one in settled}},
        rejected_again=rejected_again,
    )
    if maildir and vanished and 2 * len(settled) < len(known) and is_another_root(db, maildir):
        found.held, found.vanished = found.vanished, []
    return found


def was_written(root: Path, known: KnownPath) -> bool:
    """Tell whether a file has another size or mtime than when it was read; False when it cannot be seen."""
    try:
        status = os.lstat(f"{root}/{to_disk(known.path)}")
    except OSError:
        return False
    if known.mtime is None:
        return status.st_size != known.size or status.st_mtime > known.seen
    return (status.st_size, status.st_mtime) != (known.size, known.mtime)


def agreeing_files(db: PostgresqlDatabase, maildir: Maildir) -> int | None:
    """Return how many files a Maildir has, if those on disk and those the database knows have the same names.

    None if they differ, or if a folder cannot be listed. Takes one directory at a time: no path is built, no file is
    asked for anything. Raises what mrilu.maildir.names.kind_of raises.
    """
    known = names_by_place(db, maildir)
    unreadable: list[FolderUnreadable] = []
    files = 0
    for place, kind in mail_places(maildir.place, unreadable, *_expected(maildir)):
        rows = [name for chunk in known.pop(place, ()) for name in chunk.split("/")]
        names = set(names_in(maildir.place, place, kind, unreadable))
        if len(rows) != len(names) or not names.issuperset(rows):
            return None
        files += len(names)
    return None if known or unreadable else files


def names_by_place(db: PostgresqlDatabase, maildir: Maildir) -> dict[str, list[str]]:
    """Return the names of the live files that the database knows, by directory: strings of many, "/" between."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    connection = db.connection()
    for table in ("location", "rejected"):
        (last,) = connection.execute(LAST_ID.format(table=table)).fetchone()
        for first in range(1, last + 1, SLICE):
            arguments = (maildir.id, first, first + SLICE - 1)
            for place, names in connection.execute(KNOWN_NAMES.format(table=table), arguments):
                found[place].append(names)
    return dict(found)


def files_of(
    maildir: Maildir, unreadable: list[FolderUnreadable], root: Path | str | None = None
) -> Iterator[str]:
    """Yield the files on disk of a registered Maildir; raises what mrilu.maildir.names.kind_of raises.

    A flat folder without mail is taken for empty only if no file of it is missed: it may not be mounted.
    """
    return scan(root or maildir.place, unreadable, *_expected(maildir))


def found_files(maildir: Maildir, root: Path | str) -> Iterator[str]:
    """Yield the files on disk of a registered Maildir, each folder's by name; raises as `files_of` does.

    The files of a folder that cannot be listed are left out.
    """
    unreadable: list[FolderUnreadable] = []
    for place, kind in mail_places(root, unreadable, *_expected(maildir)):
        yield from sorted(scan_place(root, place, kind, unreadable))


def _expected(maildir: Maildir) -> tuple[Kind, bool]:
    """Return the Maildir's kind, and whether it may be empty."""
    kind = cast(Kind, maildir.kind)
    return kind, kind == "folder" and not maildir.has_files()


def known_paths(db: PostgresqlDatabase, maildir: Maildir) -> Iterator[KnownPath]:
    """Yield each live file that the database knows in this Maildir."""
    arguments = (maildir.id, PARSER_VERSION, maildir.id)
    yield from map(KnownPath._make, db.connection().execute(KNOWN_PATHS, arguments))


def balance(db: PostgresqlDatabase, maildir: Maildir, queued: set[str]) -> Balance:
    """Draw up one Maildir's ledger; `queued` are the paths that wait in import jobs.

    The database is read before the disk and counted once, so a mail that lands meanwhile shows as lost
    for a moment rather than hiding a real loss; ask again before believing a gap.
    """
    counts = maildir.file_counts()
    found = difference(db, maildir.place, maildir.name)
    unknown = set(found.unknown)
    return Balance(
        maildir=maildir.name,
        root=maildir.place,
        on_disk=found.on_disk,
        imported=counts.imported,
        copies=counts.copies,
        rejected=counts.rejected,
        waiting=len((unknown & queued) - found.rejected_again),
        lost=sorted(unknown - queued - found.rejected_again),
        stale=found.vanished,
        unreadable=found.unreadable,
        changed=found.changed,
        held=found.held,
    )


def quick_balance(
    db: PostgresqlDatabase, maildir: Maildir, queued: Callable[[], set[str]]
) -> Balance:
    """Draw up one Maildir's ledger without a look at any file's size and mtime, where all names agree.

    Files that were written since they were read are told by the daily check only. Raises what `difference` raises.
    """
    counts = maildir.file_counts()
    on_disk = agreeing_files(db, maildir)
    if on_disk == sum(counts):
        return Balance(maildir.name, maildir.place, on_disk, *counts, 0, [], [], [])
    return settled_balance(db, maildir, queued(), queued)


def settled_balance(
    db: PostgresqlDatabase, maildir: Maildir, queued: set[str], ask: Callable[[], set[str]]
) -> Balance:
    """Draw up one Maildir's ledger by name, twice if something seems lost: it may have been between the two looks.

    `queued` are the paths that wait in import jobs; `ask` returns them anew. Raises what `difference` raises.
    """
    first = balance(db, maildir, queued)
    if not (first.lost or first.stale):
        return first
    return balance(db, maildir, ask() | queued)
