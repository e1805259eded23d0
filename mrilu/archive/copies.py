"""What the copies of one mail say beside its first file: on which lists it is, and what it answers.

Anyone who knows a mail's Message-ID, author and date can make a copy of it, so what copies add is bounded; what each
one named stays with its file, and goes with it.

Which mails are copies of one is the rule of `identity_of` (mrilu/mail/headers/identifiers.py).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from psycopg import Connection

from mrilu.archive import sql
from mrilu.archive.array_literals import array
from mrilu.archive.read import ReadMail
from mrilu.mail.thread_keys import MAX_NAMED, named_ids

# A row whose message is another by now is another worker's.
FILES = """
SELECT l.id, l.folder, l.unique_name, l.nth, m.id, m.identity::text, m.in_reply_to, m.reference_ids
  FROM incoming AS i JOIN message AS m USING (identity)
  JOIN location AS l ON (l.maildir, l.folder, l.unique_name, l.nth) = (%s, i.folder, i.unique_name, i.nth)
   AND l.message = m.id
 WHERE i.identity = ANY(%s::uuid[]) ORDER BY i.ordinal
"""
NAMED = "SELECT message, id, named FROM location WHERE message = ANY(%s) AND named IS NOT NULL"
NAME = """
UPDATE location AS l SET named = nullif(n.named, '{}')
  FROM (SELECT id, named::text[] FROM unnest(%s::bigint[], %s::text[]) AS n (id, named)) AS n
 WHERE l.id = n.id
"""


class _File(NamedTuple):
    """A staged file's row with what its message names by itself."""

    row: int
    folder: str
    unique_name: str
    nth: int
    message: int
    identity: str
    in_reply_to: list[str]
    references: list[str]

    @property
    def key(self) -> tuple[str, str, int]:
        return self[1:4]


def join_copies(
    connection: Connection, maildir: int, copied: list[str], mails: Sequence[ReadMail]
) -> set[int]:
    """Note what the batch's copies add to their messages; return those of whom something changed.

    `copied` are identities that have more than one file. The lock of threads.py must be held.
    """
    if not copied:
        return set()
    changed = {row[0] for row in connection.execute(sql.JOIN_COPIES, (copied,))}
    files = [_File(*row) for row in connection.execute(FILES, (maildir, copied))]
    named: dict[int, dict[int, list[str]]] = defaultdict(dict)
    for message, row, names in connection.execute(NAMED, ([file.message for file in files],)):
        named[message][row] = names
    by_key = {
        (mail.file.parts.folder, mail.file.parts.unique, mail.file.nth): mail for mail in mails
    }
    further: dict[int, list[str]] = {}
    for file in files:
        known = named[file.message]
        names = _further(file, by_key[file.key], known)
        if names != known.get(file.row, []):
            known[file.row] = further[file.row] = names
            changed.add(file.message)
    if further:
        rows = [array(names) for names in further.values()]
        connection.execute(NAME, (list(further), rows))
    return changed


def _further(file: _File, mail: ReadMail, known: dict[int, list[str]]) -> list[str]:
    """Return what this file names and neither its message nor another file does, as far as there is room."""
    others = {name for row, names in known.items() if row != file.row for name in names}
    held = others | set(named_ids(file.in_reply_to, file.references))
    told = named_ids(mail.message.in_reply_to, mail.message.references)
    return [name for name in told if name not in held][: max(0, MAX_NAMED - len(others))]
