"""Reading the files of messages again that an older parser read."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from peewee import PostgresqlDatabase

from models import Maildir
from mrilu.archive.folders import doubts
from mrilu.archive.plan import FoundFile, known_files, look_at
from mrilu.archive.read import Rejection, portions, read_mails
from mrilu.archive.store import Stored, store_mails
from mrilu.mail.message import Limits
from mrilu.maildir.names import parse_path
from mrilu.maildir.presence import is_there
from mrilu.notifications.events import NewsRules
from mrilu.runtime.reading import NO_NOTE, Note

logger = logging.getLogger(__name__)

FILES = """
SELECT maildir, concat_ws('/', nullif(folder, ''), nullif(subdir, ''), name) FROM location
 WHERE message = ANY(%s) AND gone_at IS NULL ORDER BY maildir, message, copy, id
"""


def read_again(
    db: PostgresqlDatabase,
    messages: Sequence[int],
    limits: Limits,
    rules: NewsRules,
    note: Note = NO_NOTE,
) -> Counter[str]:
    """Read the files of these messages again; return how many files were read, are gone, could not be read, ...

    A file that is not where it was, or cannot be read now, changes nothing: the message stays as it is. What has
    become of the file is for the import and the daily check to find.
    """
    reading = _Reading(db, limits, rules, note)
    paths: dict[int, list[str]] = defaultdict(list)
    for maildir, path in db.execute_sql(FILES, (list(messages),)).fetchall():
        paths[maildir].append(path)
    for number, names in paths.items():
        reading.read(Maildir.get_by_id(number), names)
    return reading.counts


@dataclass
class _Reading:
    """Files of messages on their way to be read again; `counts` grow as they are."""

    db: PostgresqlDatabase
    limits: Limits
    rules: NewsRules
    note: Note
    counts: Counter[str] = field(default_factory=Counter)

    def read(self, maildir: Maildir, paths: Sequence[str]) -> None:
        """Read these files of one Maildir."""
        found = self._look_at(maildir, paths)
        absent = [path for path in paths if path not in found]
        # After the look: a root that is there and the right one now is not proof that it was before.
        if absent and (reason := doubts(self.db, maildir)):
            logger.warning("cannot be read again maildir=%s reason=%s", maildir.name, reason)
            self.counts["unreadable"] += len(absent)
        else:
            gone = sum(is_there(Path(maildir.place), path) is False for path in absent)
            self.counts.update(gone=gone, unreadable=len(absent) - gone)
        for files in portions(found.values()):
            self._read_and_store(maildir, files)

    def _look_at(self, maildir: Maildir, paths: Sequence[str]) -> dict[str, FoundFile]:
        """Return those files that are where their rows say, with their rows."""
        parts = {path: one for path in paths if (one := parse_path(path)) is not None}
        known = defaultdict(list)
        for row in known_files(self.db.connection(), maildir.id, parts.values()):
            known[row.folder, row.unique_name].append(row)
        root = Path(maildir.place)
        looked = {
            path: look_at(root, path, known[one.folder, one.unique]) for path, one in parts.items()
        }
        return {path: file for path, file in looked.items() if file and file.row_in("location")}

    def _read_and_store(self, maildir: Maildir, files: list[FoundFile]) -> None:
        """Read and store these files; when memory runs out each alone."""
        root = Path(maildir.place)
        try:
            mails, rejections, vanished = read_mails(root, files, self.limits, self.note)
            stored = store_mails(self.db, maildir.id, mails, self.rules, keep=True)
        except MemoryError:
            logger.warning("memory ran out maildir=%s files=%d", maildir.name, len(files))
        else:
            self._count(stored, len(mails), rejections, len(vanished))
            return
        # After the handler: while it runs, its traceback holds what was read.
        if len(files) == 1:
            self.counts["refused"] += 1
            return
        for file in files:
            self._read_and_store(maildir, [file])

    def _count(self, stored: Stored, read: int, rejections: list[Rejection], vanished: int) -> None:
        self.counts.update(read=read, gone=vanished, busy=len(stored.again))
        self.counts.update(updated=stored.counts["updated"], refused=stored.counts["refused"])
        for one in rejections:
            self.counts["unreadable" if one.reason == "unreadable" else "refused"] += 1
            logger.warning("cannot be read again path=%s reason=%s", one.file.path, one.reason)
