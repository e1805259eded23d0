"""One batch into PostgreSQL: one transaction, safe to run twice and beside another worker."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable

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


def store_mails(db: PostgresqlDatabase, maildir: int, mails: list[ReadMail]) -> Counter[str]:
    """Store the mails; return how many files were imported, copies, known or rejected.

    A batch that fails by its content is split until the one bad mail stands alone and is rejected.
    Raises psycopg errors that have other causes: nothing of the batch is stored then.
    """
    if not mails:
        return Counter()
    try:
        with db.atomic():
            return _insert(db.connection(), maildir, mails)
    except CONTENT_ERRORS as error:
        if len(mails) > 1:
            half = len(mails) // 2
            return store_mails(db, maildir, mails[:half]) + store_mails(db, maildir, mails[half:])
        logger.exception("mail cannot be stored path=%s", mails[0].file.path)
        rejection = Rejection(mails[0].file, "unstorable", f"{type(error).__name__}: {error}"[:1000])
        return store_rejections(db, maildir, [rejection])


def _insert(connection: Connection, maildir: int, mails: list[ReadMail]) -> Counter[str]:
    connection.execute(sql.CREATE_STAGING)
    with connection.cursor().copy(sql.COPY_STAGING) as copy:
        for mail in mails:
            copy.write_row(staging_row(mail))
    fresh = {identity: number for number, identity in connection.execute(sql.INSERT_MESSAGES)}
    copied = _copied(fresh, mails)
    key = {"maildir": maildir, "copied": copied}
    files = connection.execute(sql.INSERT_SINGLE_LOCATIONS, key).fetchall()
    if copied:
        files += connection.execute(sql.INSERT_COPIED_LOCATIONS, key).fetchall()
    connection.execute(sql.FORGET_REJECTIONS, key)
    assign_threads(connection, fresh, copied, mails)
    notify_new_messages(connection, list(fresh.values()))
    return Counter("known" if not inserted else "copies" if copy else "imported" for copy, inserted in files)


def _copied(fresh: dict[str, int], mails: list[ReadMail]) -> list[str]:
    """Return the identities that more than one file has, in this batch or with earlier ones."""
    files = Counter(str(mail.message.identity) for mail in mails)
    return [identity for identity, count in files.items() if count > 1 or identity not in fresh]


def store_rejections(db: PostgresqlDatabase, maildir: int, rejections: Iterable[Rejection]) -> Counter[str]:
    """Keep the rejected files' paths and reasons."""
    counts: Counter[str] = Counter()
    with db.atomic():
        cursor = db.connection().cursor()
        for one in rejections:
            key = (maildir, one.file.parts.folder, one.file.parts.unique, one.file.nth)
            values = (one.file.parts.subdir, one.file.parts.name, one.file.size)
            cursor.execute(sql.FORGET_LOCATION, key)
            cursor.execute(sql.INSERT_REJECTION, (*key, *values, one.reason, one.error, one.parser_version))
            counts["rejected"] += 1
    return counts


def store_moves(db: PostgresqlDatabase, moved: list[tuple[KnownFile, FoundFile]]) -> None:
    """Write the new place and flags of files that were moved or renamed, and revive those thought gone."""
    for table, statement in (("location", sql.MOVE_LOCATIONS), ("rejected", sql.MOVE_REJECTED)):
        rows = sorted((row.id, file.parts) for row, file in moved if row.table == table)
        if rows:
            columns = ([row[0] for row in rows], *zip(*((p.subdir, p.name, p.flags) for _, p in rows), strict=True))
            db.connection().execute(statement, [list(column) for column in columns])


def store_gone(db: PostgresqlDatabase, gone: list[KnownFile]) -> None:
    """Note that these files are no longer on disk; their messages stay."""
    for table, statement in (("location", sql.GONE_LOCATIONS), ("rejected", sql.GONE_REJECTED)):
        rows = sorted((row.id, row.subdir, row.name) for row in gone if row.table == table)
        if rows:
            db.connection().execute(statement, [list(column) for column in zip(*rows, strict=True)])
