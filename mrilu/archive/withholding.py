"""Messages that an operator decided not to show: hidden (they can be shown again), or erased from the database.

The message keeps its row, its links and its place on its lists, so that nothing shifts and the ledger stays level; its
file in the Maildir is its owner's to delete. The decision is kept by identity: reading the file again, or importing it
into the same database anew, does not undo it. What it alone joined to a thread comes apart.
"""

from __future__ import annotations

from collections.abc import Sequence

from peewee import PostgresqlDatabase
from psycopg import Connection

from models import Message, Restriction, Withholding
from mrilu.archive.left_names import forget_left_names
from mrilu.archive.lock import LOCK
from mrilu.archive.threads import assign_threads, forget_nodes, leave_threads
from mrilu.mail.own_words.quoted_from import lines_quoted

HIDDEN, ERASED = "hidden", "erased"
MOST_LOOKED_AT = 5000  # messages that may quote one
REASON_CHARS = 1000

DECIDE = """
INSERT INTO withholding (identity, message_id, kind, by, reason)
SELECT identity, message_id, %(kind)s, %(by)s, %(reason)s FROM message WHERE id = ANY(%(ids)s)
ON CONFLICT (identity) DO UPDATE
   SET kind = CASE WHEN withholding.kind = 'erased' THEN 'erased' ELSE excluded.kind END,
       by = excluded.by, reason = excluded.reason, decided_at = now()
"""
MARK = f"UPDATE message SET restrictions = restrictions | {int(Restriction.WITHHELD)} WHERE id = ANY(%s)"  # noqa: S608
UNMARK = f"UPDATE message SET restrictions = restrictions & ~{int(Restriction.WITHHELD)} WHERE id = ANY(%s)"  # noqa: S608
# Nothing of what was written, and of who wrote it, stays; what links and threads are made of does.
ERASE = """
UPDATE message SET subject = '', cleaned_subject = '', from_name = '', from_address = '', to_addresses = '[]',
       cc_addresses = '[]', body = '', own_spans = '{}', parts = '{}', search = '', has_attachment = false,
       text_state = gen_random_uuid()
 WHERE id = ANY(%s)
"""
FORGET_VECTORS = "DELETE FROM embedding WHERE kind = 'message' AND owner = ANY(%s)"
CANCEL = """
UPDATE notification SET state = 'cancelled', finished_at = now(), lease = NULL, reply = 'the message is withheld'
 WHERE subject = ANY(%s) AND kind NOT IN ('word', 'confirm') AND state = 'waiting'
"""
NO_NEWS = "DELETE FROM news WHERE message = ANY(%s)"
ERASED_AMONG = """
SELECT m.id FROM message AS m JOIN withholding AS w USING (identity) WHERE m.id = ANY(%s) AND w.kind = 'erased'
"""
# Those that the quote graph knows; answers name it; those that do not are in its thread.
MAY_QUOTE = """
SELECT m.id, m.body FROM quote AS q JOIN message AS m ON m.id = q.message WHERE q.source = %(id)s
UNION
SELECT m.id, m.body FROM thread_edge AS e JOIN message AS m ON m.id = e.message WHERE e.other = %(node)s
UNION
SELECT m.id, m.body FROM thread_link AS o JOIN thread_link AS l USING (thread) JOIN message AS m ON m.node = l.node
 WHERE o.node = %(node)s
LIMIT %(most)s
"""


class NotWithheld(LookupError):
    """The message is not withheld, or it was erased: its text is no longer here."""


def withhold(
    db: PostgresqlDatabase, messages: Sequence[Message], kind: str, by: str, reason: str
) -> None:
    """Show these messages no more, from the commit on and everywhere: search, pages, notifications that wait.

    `kind` is HIDDEN or ERASED; what was erased stays so.
    """
    ids = [message.id for message in messages]
    facts = {"ids": ids, "kind": kind, "by": by, "reason": reason[:REASON_CHARS]}
    with db.atomic():
        connection = db.connection()
        connection.execute(LOCK)
        connection.execute(DECIDE, facts)
        connection.execute(MARK, (ids,))
        connection.execute(CANCEL, (ids,))
        connection.execute(NO_NEWS, (ids,))
        if kind == ERASED:
            erase_texts(connection, ids)
        forget_nodes(connection, leave_threads(connection, ids))
    if kind == ERASED:  # who wrote it is kept in a table for from:, too
        forget_left_names(db)


def show_again(db: PostgresqlDatabase, messages: Sequence[Message]) -> None:
    """Show hidden messages again, in their threads. Raises NotWithheld."""
    ids = [message.id for message in messages]
    with db.atomic():
        connection = db.connection()
        connection.execute(LOCK)
        hidden = Withholding.identity.in_([one.identity for one in messages])
        undone = Withholding.delete().where(hidden, Withholding.kind == HIDDEN).execute()
        if undone < len(ids):
            raise NotWithheld(str(NotWithheld.__doc__))
        connection.execute(UNMARK, (ids,))
        assign_threads(connection, (), ids)


def erase_texts(connection: Connection, messages: Sequence[int]) -> None:
    """Take the texts of these messages, and what was made of them, out of the database."""
    connection.execute(ERASE, (list(messages),))
    connection.execute(FORGET_VECTORS, (list(messages),))


def erase_again(connection: Connection, messages: Sequence[int]) -> None:
    """Erase those of these messages, which were just read, that an operator decided to erase."""
    found = [row[0] for row in connection.execute(ERASED_AMONG, (list(messages),))]
    if found:
        erase_texts(connection, found)


def quoting(db: PostgresqlDatabase, message: Message) -> list[tuple[Message, int]]:
    """Return the messages that quote this one, with how many of its own lines, those with the most first."""
    source = message.own_text()
    facts = {"id": message.id, "node": message.node, "most": MOST_LOOKED_AT}
    rows = db.connection().execute(MAY_QUOTE, facts)
    counts = {number: lines_quoted(body, source) for number, body in rows if number != message.id}
    quoted = {number: count for number, count in counts.items() if count}
    found = Message.select().where(Message.id.in_(list(quoted)))
    return sorted(((one, quoted[one.id]) for one in found), key=lambda pair: (-pair[1], pair[0].id))
