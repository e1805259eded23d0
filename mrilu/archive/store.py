"""One batch into PostgreSQL: one transaction, safe to run twice and beside another worker."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf
from typing import Any

from peewee import PostgresqlDatabase
from psycopg import Connection

from mrilu.archive import sql
from mrilu.archive.copies import join_copies
from mrilu.archive.lock import LOCK
from mrilu.archive.plan import FoundFile, KnownFile
from mrilu.archive.plans import BY_INDEX
from mrilu.archive.read import ReadMail, Rejection
from mrilu.archive.reread import Reread, update_messages, was_written
from mrilu.archive.rows import is_orphan, list_of, staging_row
from mrilu.archive.thread_edges import MessageFacts, draw
from mrilu.archive.threads import assign_threads
from mrilu.archive.withholding import erase_again
from mrilu.mail.thread_keys import node_of, subject_key_of
from mrilu.notifications.bounces import note_reports
from mrilu.notifications.events import NewsRules
from mrilu.notifications.news import match_if_possible, note_news
from mrilu.runtime.retry import CONTENT, NOT_CONTENT

logger = logging.getLogger(__name__)


@dataclass
class Stored:
    """What became of a batch: counts, and the paths that another worker dealt with by then: look at them again."""

    counts: Counter[str] = field(default_factory=Counter)
    again: set[str] = field(default_factory=set)

    def __iadd__(self, other: Stored) -> Stored:
        """Add another part of the batch."""
        self.counts.update(other.counts)
        self.again |= other.again
        return self


def store_mails(
    db: PostgresqlDatabase,
    maildir: int,
    mails: list[ReadMail],
    rules: NewsRules,
    *,
    keep: bool = False,
) -> Stored:
    """Store the mails; count how many files were imported, copies, known, rejected, and messages updated.

    A batch that fails by its content is split until the one bad mail stands alone and is rejected; with `keep` it is
    left as it is, and counted as refused.
    Raises psycopg errors that have other causes: nothing of the batch is stored then.
    """
    stored = _store(db, maildir, mails, keep=keep)
    match_if_possible(db, rules)
    return stored


def _store(db: PostgresqlDatabase, maildir: int, mails: list[ReadMail], *, keep: bool) -> Stored:
    if not mails:
        return Stored()
    try:
        with db.atomic():
            return _insert(db.connection(), maildir, mails)
    except CONTENT as error:
        if isinstance(error, NOT_CONTENT):
            raise
        if len(mails) > 1:
            half = len(mails) // 2
            stored = _store(db, maildir, mails[:half], keep=keep)
            stored += _store(db, maildir, mails[half:], keep=keep)
            return stored
        logger.exception("mail cannot be stored path=%s", mails[0].file.path)
        if keep:
            return Stored(Counter(refused=1))
        rejection = Rejection(
            mails[0].file, "unstorable", f"{type(error).__name__}: {error}"[:1000]
        )
        return store_rejections(db, maildir, [rejection])


def _insert(connection: Connection, maildir: int, mails: list[ReadMail]) -> Stored:
    connection.execute(sql.CREATE_STAGING)
    with connection.cursor().copy(sql.COPY_STAGING) as copy:
        for mail in mails:
            copy.write_row(staging_row(mail))
    fresh = {identity: number for number, identity in connection.execute(sql.INSERT_MESSAGES)}
    copied = _copied(fresh, mails)
    key: dict[str, Any] = {"maildir": maildir, "copied": copied}
    files = connection.execute(sql.INSERT_SINGLE_LOCATIONS, key).fetchall()
    firsts: set[int] = set()
    if copied:
        further = connection.execute(sql.INSERT_COPIED_LOCATIONS, key).fetchall()
        firsts = {number for *_, number, copy in further if not copy}
        files += further
    facts = _facts_of_fresh(fresh, mails)
    if withheld := _withheld(connection, list(fresh.values())):
        facts = [one.alone() if one.id in withheld else one for one in facts]
    draw(connection, facts)
    # New rows before the lock, rows that others may have locked after it: no one who has it waits for one who wants it.
    connection.execute(LOCK)
    changed = _naming(connection, mails)
    reread = update_messages(connection, maildir, mails, fresh)
    rejections = [row.id for mail in mails if (row := mail.file.row_in("rejected"))]
    if rejections:
        connection.execute(sql.FORGET_REJECTIONS, (rejections,))
    touched = set(reread.touched)
    if copied:
        touched |= {row[0] for row in connection.execute(sql.MESSAGES_NAMED, (copied,))}
    again = _hand_on(connection, touched, firsts)
    changed |= reread.changed | join_copies(connection, maildir, copied, mails)
    made = set(fresh.values())
    kept = [one for one in facts if one.id in made]
    assign_threads(connection, kept, changed, reread.erased)
    erase_again(connection, [*withheld, *reread.updated])
    news = _arrivals(fresh, mails) | _renewed(connection, reread)
    note_news(connection, news)
    note_reports(connection, _reports(mails))
    stored = _stored(mails, files, reread)
    stored.again |= again
    return stored


def _facts_of_fresh(fresh: dict[str, int], mails: Iterable[ReadMail]) -> list[MessageFacts]:
    """Return the facts of the messages that this batch made (id by identity), from their first files."""
    found: dict[str, MessageFacts] = {}
    for mail in mails:
        message, identity = mail.message, str(mail.message.identity)
        if identity not in fresh or identity in found:
            continue
        lists = [name] if (name := list_of(mail)) else []
        found[identity] = MessageFacts(
            fresh[identity],
            node_of(message.message_id),
            identity,
            message.sent_at,
            subject_key_of(message.cleaned_subject),
            is_orphan(message),
            lists,
            message.in_reply_to,
            message.references,
        )
    return list(found.values())


def _withheld(connection: Connection, messages: list[int]) -> set[int]:
    """Return those of the messages that an operator decided to withhold when they were here before."""
    return (
        {row[0] for row in connection.execute(sql.WITHHELD_AMONG, (messages,))}
        if messages
        else set()
    )


def _naming(connection: Connection, mails: list[ReadMail]) -> set[int]:
    """Return the messages that have edges by what these mails' files named when they were read before."""
    ours = [row.id for mail in mails if (row := mail.file.row_in("location"))]
    return {row[0] for row in connection.execute(sql.MESSAGES_NAMING, (ours,))} if ours else set()


def _arrivals(fresh: dict[str, int], mails: list[ReadMail]) -> dict[int, float]:
    """Return when the first file of each new message arrived, by the message's id; automatic mail is not news.

    Nor is a message that another reading of a file made that was not written since.
    """
    found: dict[int, float] = {}
    automatic = {mail.message.identity for mail in mails if mail.message.automatic}
    for mail in mails:
        if mail.message.identity in automatic or not was_written(mail):
            continue
        if (number := fresh.get(str(mail.message.identity))) is not None:
            found[number] = min(mail.file.arrived, found.get(number, inf))
    return found


def _renewed(connection: Connection, reread: Reread) -> dict[int, float]:
    """Return those messages, with their arrival, of which more came soon after the import: that may match a search.

    No one is told twice while the record of a notification is kept, so a message of long ago is left out.
    """
    if not reread.renewed:
        return {}
    rows = connection.execute(sql.IMPORTED_LATELY, (list(reread.renewed),))
    return {number: reread.renewed[number] for (number,) in rows}


def _reports(mails: list[ReadMail]) -> list[str]:
    """Return the identities of those mails that are delivery reports."""
    reports = (
        one.message for one in mails if one.message.automatic and _is_report(one.message.parts)
    )
    return [str(message.identity) for message in reports]


def _is_report(part: dict[str, Any]) -> bool:
    """Tell whether a part is a delivery report, or holds one at its top (RFC 6522)."""
    parts = part.get("parts", ())
    return any(one.get("type") == "message/delivery-status" for one in (part, *parts))


def _stored(mails: list[ReadMail], files: list[tuple], reread: Reread) -> Stored:
    stored = Stored(
        Counter("copies" if copy else "imported" for *_, copy in files)
        + Counter(known=len(reread.keys), updated=len(reread.updated))
    )
    if len(files) + len(reread.keys) < len(mails):
        done = {row[:3] for row in (*files, *reread.keys)}
        stored.again = {mail.file.path for mail in mails if _key_of(mail.file) not in done}
    return stored


def _hand_on(connection: Connection, messages: set[int], firsts: Iterable[int] = ()) -> set[str]:
    """Make sure that each of these messages has one file that is not a copy; the lock must be held.

    Return the paths of those that took another one's place and must be read again; `firsts` may be such rows, too.
    """
    promoted = set(firsts)
    if messages:
        changed = connection.execute(sql.HAND_ON, (list(messages),)).fetchall()
        promoted |= {number for number, copy in changed if not copy}
    if not promoted:
        return set()
    return {row[0] for row in connection.execute(sql.READ_AGAIN, (list(promoted),))}


def _key_of(file: FoundFile) -> tuple[str, str, int]:
    return file.parts.folder, file.parts.unique, file.nth


def _copied(fresh: dict[str, int], mails: list[ReadMail]) -> list[str]:
    """Return the identities that more than one file has, in this batch or with earlier ones."""
    files = Counter(str(mail.message.identity) for mail in mails)
    return [identity for identity, count in files.items() if count > 1 or identity not in fresh]


def store_rejections(
    db: PostgresqlDatabase, maildir: int, rejections: Iterable[Rejection]
) -> Stored:
    """Keep the rejected files' paths and reasons."""
    stored, rejections = Stored(), list(rejections)
    with db.atomic():
        cursor = db.connection().cursor()
        cursor.execute(BY_INDEX)
        orphaned: set[int] = set()
        poorer: set[int] = set()
        if any(one.file.row_in("location") for one in rejections):
            cursor.execute(LOCK)
        for one in rejections:
            if location := one.file.row_in("location"):
                cursor.execute(sql.FORGET_LOCATION, (location.id, location.subdir, location.name))
                for message, named in cursor.fetchall():
                    orphaned.add(message)
                    if named:
                        poorer.add(message)
            row, place = (
                one.file.row_in("rejected"),
                (one.file.parts.subdir, one.file.parts.name, one.file.size, one.file.mtime),
            )
            said = (one.header.message_id, list(one.header.list_ids))
            values = (
                *place,
                *said,
                one.reason,
                one.error,
                one.parser_version,
                row.id if row else 0,
            )
            cursor.execute(sql.INSERT_REJECTION, (maildir, *_key_of(one.file), *values))
            if cursor.rowcount:
                stored.counts["rejected"] += 1
            else:
                stored.again.add(one.file.path)
        stored.again |= _hand_on(db.connection(), orphaned)
        if poorer:
            assign_threads(db.connection(), (), poorer)
    return stored


def store_changes(
    db: PostgresqlDatabase, moved: list[tuple[KnownFile, FoundFile]], gone: list[KnownFile]
) -> set[str]:
    """Write what needs no reading: the new places and flags of files that moved, and which files are gone.

    A file thought gone is revived by its move. Where a message's first file goes, one of its copies takes
    over. Returns the new paths whose rows were moved elsewhere in the meantime, and those that are to be read again.
    """
    if not moved and not gone:
        return set()
    with db.atomic():
        connection = db.connection()
        connection.execute(f"{BY_INDEX}; {LOCK}")
        again, revived = _store_moves(connection, moved)
        again |= _hand_on(connection, revived | _store_gone(connection, gone))
    return again


def _store_moves(
    connection: Connection, moved: list[tuple[KnownFile, FoundFile]]
) -> tuple[set[str], set[int]]:
    """Write the moves; return the paths whose rows moved elsewhere, and the messages of which a file came back."""
    done: set[tuple[str, int]] = set()
    ids = [row.id for row, _ in moved if row.table == "location"]
    revived = {row[0] for row in connection.execute(sql.MESSAGES_OF_GONE, (ids,))} if ids else set()
    for table, statement in (("location", sql.MOVE_LOCATIONS), ("rejected", sql.MOVE_REJECTED)):
        rows = sorted(
            (row.id, row.subdir, row.name, *file.parts[1:3], file.parts.flags)
            for row, file in moved
            if row.table == table
        )
        if rows:
            columns = [list(column) for column in zip(*rows, strict=True)]
            done |= {(table, number) for (number,) in connection.execute(statement, columns)}
    return {file.path for row, file in moved if (row.table, row.id) not in done}, revived


def _store_gone(connection: Connection, gone: list[KnownFile]) -> set[int]:
    """Note that these files are no longer on disk; their messages stay, and are returned."""
    left: set[int] = set()
    for table, statement in (("location", sql.GONE_LOCATIONS), ("rejected", sql.GONE_REJECTED)):
        rows = sorted((row.id, row.subdir, row.name) for row in gone if row.table == table)
        if rows:
            cursor = connection.execute(
                statement, [list(column) for column in zip(*rows, strict=True)]
            )
            left |= {row[0] for row in cursor} if table == "location" else set()
    return left
