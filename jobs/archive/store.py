"""One batch into PostgreSQL: one transaction, safe to run twice and beside another worker."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf
from typing import Any

import psycopg
from peewee import PostgresqlDatabase
from psycopg import Connection

from jobs.archive import sql
from jobs.archive.plan import FoundFile, KnownFile
from jobs.archive.read import ReadMail, Rejection
from jobs.archive.rows import staging_row
from jobs.archive.threading import assign_threads
from jobs.notification.events import notify_new_messages

logger = logging.getLogger(__name__)

# What one mail's content can cause: a value that does not fit, a text too large to index.
CONTENT_ERRORS: tuple[type[Exception], ...] = (
    psycopg.DataError,
    psycopg.IntegrityError,
    psycopg.errors.ProgramLimitExceeded,
    UnicodeError,
)


@dataclass
class Stored:
    """What became of a batch: counts, and the paths that another worker dealt with meanwhile: look at them again."""

    counts: Counter[str] = field(default_factory=Counter)
    again: set[str] = field(default_factory=set)

    def __iadd__(self, other: Stored) -> Stored:
        """Add another part of the batch."""
        self.counts.update(other.counts)
        self.again |= other.again
        return self


def store_mails(db: PostgresqlDatabase, maildir: int, mails: list[ReadMail]) -> Stored:
    """Store the mails; count how many files were imported, copies, known or rejected.

    A batch that fails by its content is split until the one bad mail stands alone and is rejected.
    Raises psycopg errors that have other causes: nothing of the batch is stored then.
    """
    if not mails:
        return Stored()
    try:
        with db.atomic():
            return _insert(db.connection(), maildir, mails)
    except CONTENT_ERRORS as error:
        if len(mails) > 1:
            half = len(mails) // 2
            stored = store_mails(db, maildir, mails[:half])
            stored += store_mails(db, maildir, mails[half:])
            return stored
        logger.exception("mail cannot be stored path=%s", mails[0].file.path)
        rejection = Rejection(mails[0].file, "unstorable", f"{type(error).__name__}: {error}"[:1000])
        return store_rejections(db, maildir, [rejection])


def _insert(connection: Connection, maildir: int, mails: list[ReadMail]) -> Stored:
    connection.execute(sql.CREATE_STAGING)
    with connection.cursor().copy(sql.COPY_STAGING) as copy:
        for mail in mails:
            copy.write_row(staging_row(mail))
    fresh = {identity: number for number, identity in connection.execute(sql.INSERT_MESSAGES)}
    copied = _copied(fresh, mails)
    stored = _insert_locations(connection, maildir, copied, mails)
    rejections = [row.id for mail in mails if (row := mail.file.row_in("rejected"))]
    if rejections:
        connection.execute(sql.FORGET_REJECTIONS, (rejections,))
    assign_threads(connection, fresh, copied, mails)
    notify_new_messages(connection, _arrivals(fresh, mails))
    return stored


def _arrivals(fresh: dict[str, int], mails: list[ReadMail]) -> dict[int, float]:
    """Return when the first file of each message that is new arrived, by the message's id."""
    found: dict[int, float] = {}
    for mail in mails:
        if (number := fresh.get(str(mail.message.identity))) is not None:
            found[number] = min(mail.file.arrived, found.get(number, inf))
    return found


def _insert_locations(connection: Connection, maildir: int, copied: list[str], mails: list[ReadMail]) -> Stored:
    key: dict[str, Any] = {"maildir": maildir, "copied": copied}
    files = connection.execute(sql.INSERT_SINGLE_LOCATIONS, key).fetchall()
    if copied:
        files += connection.execute(sql.INSERT_COPIED_LOCATIONS, key).fetchall()
    reread = []
    rows = [row for mail in mails if (row := mail.file.row_in("location"))]
    if rows:
        key |= {"ids": [row.id for row in rows], "subdirs": [row.subdir for row in rows]}
        reread = connection.execute(sql.REREAD_LOCATIONS, key | {"names": [row.name for row in rows]}).fetchall()
    stored = Stored(Counter("copies" if copy else "imported" for *_, copy in files) + Counter(known=len(reread)))
    if len(files) + len(reread) < len(mails):
        done = {row[:3] for row in (*files, *reread)}
        stored.again = {mail.file.path for mail in mails if _key_of(mail.file) not in done}
    return stored


def _key_of(file: FoundFile) -> tuple[str, str, int]:
    return file.parts.folder, file.parts.unique, file.nth


def _copied(fresh: dict[str, int], mails: list[ReadMail]) -> list[str]:
    """Return the identities that more than one file has, in this batch or with earlier ones."""
    files = Counter(str(mail.message.identity) for mail in mails)
    return [identity for identity, count in files.items() if count > 1 or identity not in fresh]


def store_rejections(db: PostgresqlDatabase, maildir: int, rejections: Iterable[Rejection]) -> Stored:
    """Keep the rejected files' paths and reasons."""
    stored = Stored()
    with db.atomic():
        cursor = db.connection().cursor()
        for one in rejections:
            if location := one.file.row_in("location"):
                cursor.execute(sql.FORGET_LOCATION, (location.id, location.subdir, location.name))
            row, place = one.file.row_in("rejected"), (one.file.parts.subdir, one.file.parts.name, one.file.size)
            values = (*place, one.reason, one.error, one.parser_version, row.id if row else 0)
            cursor.execute(sql.INSERT_REJECTION, (maildir, *_key_of(one.file), *values))
            if cursor.rowcount:
                stored.counts["rejected"] += 1
            else:
                stored.again.add(one.file.path)
    return stored


def store_moves(db: PostgresqlDatabase, moved: list[tuple[KnownFile, FoundFile]]) -> set[str]:
    """Write the new place and flags of files that were moved or renamed, and revive those thought gone.

    Returns the new paths whose rows were moved elsewhere meanwhile.
    """
    done: set[tuple[str, int]] = set()
    for table, statement in (("location", sql.MOVE_LOCATIONS), ("rejected", sql.MOVE_REJECTED)):
        rows = sorted((row.id, row.subdir, row.name, *file.parts[1:3], file.parts.flags)
                      for row, file in moved if row.table == table)  # fmt: skip
        if rows:
            columns = [list(column) for column in zip(*rows, strict=True)]
            done |= {(table, number) for (number,) in db.connection().execute(statement, columns)}
    return {file.path for row, file in moved if (row.table, row.id) not in done}


def store_gone(db: PostgresqlDatabase, gone: list[KnownFile]) -> None:
    """Note that these files are no longer on disk; their messages stay."""
    for table, statement in (("location", sql.GONE_LOCATIONS), ("rejected", sql.GONE_REJECTED)):
        rows = sorted((row.id, row.subdir, row.name) for row in gone if row.table == table)
        if rows:
            db.connection().execute(statement, [list(column) for column in zip(*rows, strict=True)])
