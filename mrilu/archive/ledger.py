"""The ledger: files on disk = imported + copies + rejected + waiting, for each Maildir, with the gap by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from models import Maildir, db
from mrilu.mail.parse import PARSER_VERSION
from mrilu.maildir.names import FolderUnreadable, Kind, scan

# Every file that the database believes to be on disk, and rejected ones that are worth another try.
KNOWN_PATHS = """
SELECT concat_ws('/', nullif(folder, ''), nullif(subdir, ''), name), true
  FROM location WHERE maildir = %s AND gone_at IS NULL
UNION ALL
SELECT concat_ws('/', nullif(folder, ''), nullif(subdir, ''), name), parser_version >= %s
  FROM rejected WHERE maildir = %s AND gone_at IS NULL
"""


@dataclass
class Difference:
    """How one Maildir's disk and database differ: paths only on disk, paths only in the database.

    A file with two rows, which only workers in each other's way can make, counts as one of the latter.
    `unreadable` are folders that could not be listed; their files are left out of both.
    """

    unknown: list[str]
    vanished: list[str]
    on_disk: int
    unreadable: list[str]

    @property
    def paths(self) -> list[str]:
        """The paths to offer to the import job, which sorts out moves, new mail and what is gone."""
        return self.unknown + self.vanished


@dataclass
class Balance:
    """Both sides of one Maildir's ledger in files, and what does not add up, by name.

    `waiting` are files on disk that are queued; `lost` are files on disk that nothing knows of, and
    `stale` those that the database holds but the disk does not.
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

    @property
    def level(self) -> bool:
        """Whether every file on disk is accounted for and none is left to do."""
        return not (self.waiting or self.lost or self.stale or self.unreadable)

    @property
    def gap(self) -> int:
        """Files on disk minus imported, copies, rejected and waiting."""
        return self.on_disk - (self.imported + self.copies + self.rejected + self.waiting)

    def as_dict(self) -> dict[str, Any]:
        """Return all of it for JSON."""
        return {**asdict(self), "gap": self.gap, "level": self.level}


def difference(root: Path | str, name: str) -> Difference:
    """Compare the files on disk with the rows of the Maildir `name`; reads names only.

    Raises what mrilu.maildir.names.kind_of raises, so that an unmounted Maildir is never taken for empty.
    """
    unreadable: list[FolderUnreadable] = []
    maildir = Maildir.get_or_none(Maildir.name == name)
    on_disk = set(files_of(maildir, unreadable, root) if maildir else scan(root, unreadable))
    hidden = tuple(f"{error.folder}/" if error.folder else "" for error in unreadable)
    settled: set[str] = set()
    retried: set[str] = set()
    doubled: set[str] = set()
    for path, is_settled in known_paths(maildir) if maildir else ():
        if path in settled or path in retried:
            doubled.add(path)
        (settled if is_settled else retried).add(path)
    vanished = {
        path for path in (settled | retried) - on_disk if not (hidden and path.startswith(hidden))
    }
    unknown, not_read = sorted(on_disk - settled), [error.folder for error in unreadable]
    return Difference(unknown, sorted(vanished | doubled), len(on_disk), not_read)


def files_of(
    maildir: Maildir, unreadable: list[FolderUnreadable], root: Path | str | None = None
) -> Iterator[str]:
    """Yield the files on disk of a registered Maildir; raises what mrilu.maildir.names.kind_of raises.

    A flat folder without mail is taken for empty only if no file of it is missed: it may not be mounted.
    """
    kind = cast(Kind, maildir.kind)
    may_be_empty = kind == "folder" and not maildir.has_files()
    return scan(root or maildir.root, unreadable, kind, may_be_empty=may_be_empty)


def known_paths(maildir: Maildir) -> Iterator[tuple[str, bool]]:
    """Yield each live file that the database knows in this Maildir, and whether it is settled."""
    yield from db.connection().execute(KNOWN_PATHS, (maildir.id, PARSER_VERSION, maildir.id))


def balance(maildir: Maildir, queued: set[str]) -> Balance:
    """Draw up one Maildir's ledger; `queued` are the paths that wait in import jobs.

    The database is read before the disk and counted once, so a mail that lands meanwhile shows as lost
    for a moment rather than hiding a real loss; ask again before believing a gap.
    """
    counts = maildir.file_counts()
    found = difference(maildir.root, maildir.name)
    unknown = set(found.unknown)
    rejected_again = {path for path, settled in known_paths(maildir) if not settled}
    return Balance(
        maildir=maildir.name,
        root=maildir.root,
        on_disk=found.on_disk,
        imported=counts.imported,
        copies=counts.copies,
        rejected=counts.rejected,
        waiting=len((unknown & queued) - rejected_again),
        lost=sorted(unknown - queued - rejected_again),
        stale=found.vanished,
        unreadable=found.unreadable,
    )


def quick_balance(maildir: Maildir, queued: Callable[[], set[str]]) -> Balance:
    """Draw up one Maildir's ledger by counts where these agree, else by name.

    A file that is lost and one that is stale make up for each other in the counts; the daily check tells them.
    Raises what `difference` raises.
    """
    counts = maildir.file_counts()
    unreadable: list[FolderUnreadable] = []
    on_disk = sum(1 for _ in files_of(maildir, unreadable))
    if on_disk == sum(counts) and not unreadable:
        return Balance(maildir.name, maildir.root, on_disk, *counts, 0, [], [], [])
    return settled_balance(maildir, queued(), queued)


def settled_balance(maildir: Maildir, queued: set[str], ask: Callable[[], set[str]]) -> Balance:
    """Draw up one Maildir's ledger by name, twice if something seems lost: it may have been between the two looks.

    `queued` are the paths that wait in import jobs; `ask` returns them anew. Raises what `difference` raises.
    """
    first = balance(maildir, queued)
    if not (first.lost or first.stale):
        return first
    return balance(maildir, ask() | queued)
