"""Files that were read again: the messages in them are brought to what the files say now.

A file is read again when a newer parser may read it in another way, or when it was written after it was read: it was
met half-written, say. Either way its message keeps its row, and with it its place in links, notifications and threads.
All of this happens in the import's transaction and under its lock (mrilu/archive/threads.py).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from psycopg import Connection

from models import Restriction
from mrilu.archive import sql
from mrilu.archive.plan import KnownFile, is_another
from mrilu.archive.read import ReadMail
from mrilu.archive.rows import MESSAGE_COLUMNS
from mrilu.archive.thread_edges import Drawn, erase

# What a message is made of by its first file alone, and what its copies add to (JOIN_COPIES).
_OF_ALL_COPIES = ("list_ids", "reference_ids", "subject_key", "orphan")
# What an operator decided outlives another reading.
_DECIDED = f"(i.restrictions | m.restrictions & {int(Restriction.WITHHELD)})"
_OF_ONE_FILE = tuple(
    name for name in MESSAGE_COLUMNS if name not in (*_OF_ALL_COPIES, "restrictions")
)

# A row that moved since it was looked at is another worker's.
ROWS = """
SELECT l.id, l.message, l.copy, l.list_id, m.identity::text, m.message_id, m.message_id_derived
  FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS was (id, subdir, name)
  JOIN location AS l ON l.id = was.id AND (l.subdir, l.name) = (was.subdir, was.name)
  JOIN message AS m ON m.id = l.message
 ORDER BY l.message, l.gone_at IS NOT NULL, l.copy, l.id
"""
# The live files of these messages that are not being read again.
OTHERS = """
SELECT message, bool_or(NOT copy) FROM location
 WHERE message = ANY(%s) AND NOT id = ANY(%s) AND gone_at IS NULL GROUP BY message
"""
# Who adds a file to such a message holds its row, and may wait for the lock that we have.
FREE = "SELECT id FROM message WHERE id = ANY(%s) FOR UPDATE SKIP LOCKED"

# Another file of the message may be unread: what it added stays.
_REFERENCES = """i.reference_ids || ARRAY(SELECT n.name FROM unnest(m.reference_ids) WITH ORDINALITY AS n (name, place)
       WHERE NOT n.name = ANY(i.reference_ids || i.in_reply_to) ORDER BY n.place)"""
UPDATE_MESSAGES = f"""
WITH told AS (
    SELECT m.id, {", ".join("i." + name for name in _OF_ONE_FILE)}, i.index_subject, i.index_names, i.index_text,
           CASE WHEN w.alone THEN i.reference_ids ELSE {_REFERENCES} END AS reference_ids,
           CASE WHEN w.alone THEN i.subject_key ELSE least(m.subject_key, i.subject_key) END AS subject_key,
           i.orphan AND (w.alone OR m.orphan) AS orphan, {_DECIDED} AS restrictions,
           CASE WHEN (m.cleaned_subject, m.body, m.own_spans)
                     IS DISTINCT FROM (i.cleaned_subject, i.body, i.own_spans)
                THEN gen_random_uuid() ELSE coalesce(m.text_state, m.identity) END AS text_state
      FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::smallint[], %s::boolean[])
           AS w (id, folder, unique_name, nth, alone)
      JOIN incoming AS i USING (folder, unique_name, nth) JOIN message AS m ON m.id = w.id
)
UPDATE message AS m
   SET {", ".join(f"{name} = i.{name}" for name in _OF_ONE_FILE)},
       reference_ids = i.reference_ids, subject_key = i.subject_key, orphan = i.orphan, text_state = i.text_state,
       restrictions = i.restrictions,
       search = setweight(to_tsvector('mrilu', i.index_subject), 'A')
                || setweight(to_tsvector('mrilu', i.index_names), 'C') || to_tsvector('mrilu', i.index_text)
  FROM told AS i
 WHERE m.id = i.id
   AND ({", ".join("m." + name for name in _OF_ONE_FILE)}, m.reference_ids, m.subject_key, m.orphan, m.restrictions)
       IS DISTINCT FROM
       ({", ".join("i." + name for name in _OF_ONE_FILE)}, i.reference_ids, i.subject_key, i.orphan, i.restrictions)
"""  # noqa: S608 - the columns are ours

# A list that only the former reading named goes; one whose files are long gone stays.
UPDATE_LISTS = """
UPDATE message AS m SET list_ids = new.lists
  FROM (SELECT m.id, ARRAY(
               SELECT name FROM (
                   SELECT DISTINCT name = ANY(m.list_ids) AS known, name
                     FROM unnest(m.list_ids || held.lists) AS n (name)
                    WHERE name = ANY(held.lists) OR NOT name = ANY(coalesce(was.lists, '{}'))
                    ORDER BY 1 DESC, 2 LIMIT %s) AS n ORDER BY name) AS lists
          FROM message AS m
          LEFT JOIN (SELECT message, array_agg(list) AS lists FROM unnest(%s::bigint[], %s::text[]) AS w (message, list)
                      GROUP BY message) AS was ON was.message = m.id
         CROSS JOIN LATERAL (SELECT coalesce(array_agg(list_id) FILTER (WHERE list_id IS NOT NULL), '{}') AS lists
                               FROM location WHERE message = m.id) AS held
         WHERE m.id = ANY(%s)) AS new
 WHERE m.id = new.id AND m.list_ids <> new.lists
"""

# One message gives way to another that is the same mail: what pointed at it points at the other.
HAND_FILES_OVER = """
UPDATE location AS l SET message = w.new, copy = true FROM unnest(%s::bigint[], %s::bigint[]) AS w (old, new)
 WHERE l.message = w.old
"""
HAND_NOTIFICATIONS_OVER = """
UPDATE notification AS n SET subject = one.new
  FROM (SELECT DISTINCT ON (o.subscriber, w.new) o.id, w.new
          FROM unnest(%s::bigint[], %s::bigint[]) AS w (old, new)
          JOIN notification AS o ON o.subject = w.old AND o.kind <> 'word'
         WHERE NOT EXISTS (SELECT FROM notification AS t
                            WHERE t.subscriber = o.subscriber AND t.subject = w.new AND t.kind <> 'word')
         ORDER BY o.subscriber, w.new, o.id) AS one
 WHERE n.id = one.id
"""
REMOVE = "DELETE FROM message WHERE id = ANY(%s)"
REMOVE_UNUSED = "DELETE FROM message AS m WHERE id = %s AND NOT EXISTS (SELECT FROM location WHERE message = m.id)"
IDS_OF = "SELECT identity::text, id FROM message WHERE identity = ANY(%s::uuid[])"

FACTS = """
SELECT id, node, subject_key, identity::text, sent_at, orphan, list_ids, in_reply_to, reference_ids,
       coalesce(text_state, identity)::text, xmin::text FROM message WHERE id = ANY(%s)
"""


class _Row(NamedTuple):
    """A file's row of `location` with what is known of its message."""

    id: int
    message: int
    copy: bool
    list_id: str | None
    identity: str
    message_id: str
    derived: bool


class _Facts(NamedTuple):
    """What of a message its threads depend on, the state of its text, and the version of its row."""

    id: int
    node: int
    subject_key: int | None
    identity: str
    sent_at: Any
    orphan: bool
    list_ids: list[str]
    in_reply_to: list[str]
    reference_ids: list[str]
    text_state: str
    version: str

    @property
    def place(self) -> tuple[Any, ...]:
        """What decides where the message stands in its thread."""
        return self[1:9]


@dataclass
class Reread:
    """What became of files that were read again: their keys, and the messages to look at.

    `touched` had or have such a file, `updated` say something else than before, `changed` may belong to another
    thread, `erased` are the edges of those that gave way to others, and `renewed` are the updated ones whose files were
    written anew.
    """

    keys: list[tuple[str, str, int]] = field(default_factory=list)
    touched: set[int] = field(default_factory=set)
    updated: set[int] = field(default_factory=set)
    changed: set[int] = field(default_factory=set)
    erased: Drawn = field(default_factory=Drawn)
    renewed: dict[int, float] = field(default_factory=dict)


def update_messages(
    connection: Connection, maildir: int, mails: Sequence[ReadMail], fresh: dict[str, int]
) -> Reread:
    """Bring the messages of those mails whose file has a row to what the files say; the lock must be held.

    The mails must be staged, and messages of their identities be there: `fresh` are those made for this batch (id by
    identity). Where an older row is the same mail, it takes that identity, and the fresh one is removed from `fresh`.
    The file that is not a copy gives a message its content. Files whose row another worker holds are left out.
    """
    staged = {row.id: mail for mail in mails if (row := mail.file.row_in("location"))}
    if not staged:
        return Reread()
    rows = _rows(connection, staged)
    moves = _moves(connection, rows, staged, fresh)
    rows = [row for row in rows if row.message not in moves.busy]
    _take_over(connection, moves, fresh)
    sources = _sources(connection, rows, staged, moves)
    concerned = {row.message for row in rows} | set(moves.merged.values())
    before = _facts(connection, concerned)
    _write(connection, sources, staged)
    found = _write_files(connection, maildir, [staged[row.id] for row in rows])
    if moves.merged:
        found.erased = erase(connection, list(moves.merged))
        _merge(connection, moves.merged)
    lists = [(moves.merged.get(row.message, row.message), row.list_id) for row in rows]
    _write_lists(connection, lists, found.touched | concerned)
    found.touched = (found.touched | concerned) - set(moves.merged)
    _compare(found, before, _facts(connection, concerned))
    found.renewed = _renewed(sources, staged, found.updated)
    return found


@dataclass
class _Moves:
    """Messages all of whose files say another identity now: the fresh row whose place each takes, or the older
    one that it goes into; `busy` ones cannot be moved at the moment."""

    taken: dict[int, int] = field(default_factory=dict)
    merged: dict[int, int] = field(default_factory=dict)
    busy: set[int] = field(default_factory=set)


def _rows(connection: Connection, staged: dict[int, ReadMail]) -> list[_Row]:
    known = [row for mail in staged.values() if (row := mail.file.row_in("location"))]
    return [_Row(*row) for row in connection.execute(ROWS, _places(known))]


def _places(rows: Iterable[KnownFile]) -> list[list[Any]]:
    columns = [(row.id, row.subdir, row.name) for row in rows]
    return [list(column) for column in zip(*columns, strict=True)]


def _moves(
    connection: Connection, rows: list[_Row], staged: dict[int, ReadMail], fresh: dict[str, int]
) -> _Moves:
    leaving = [row for row in rows if _identity(staged[row.id]) != row.identity]
    if not leaving:
        return _Moves()
    messages = sorted({row.message for row in leaving})
    kept = connection.execute(OTHERS, (messages, [row.id for row in leaving])).fetchall()
    staying = {message for message, _ in kept}
    wanted: dict[int, str] = {}
    for row in leaving:
        if row.message not in staying and _is_same_mail(row, staged[row.id]):
            wanted.setdefault(row.message, _identity(staged[row.id]))
    targets: dict[str, int] = dict(connection.execute(IDS_OF, (list(wanted.values()),)).fetchall())
    free = {row[0] for row in connection.execute(FREE, (sorted(wanted),))}
    # The message that has the identity now may be leaving it in this batch: after that there is room.
    free -= {one for one in free if targets.get(wanted[one], one) in wanted}
    moves = _Moves(busy=set(wanted) - free)
    for message in sorted(free):
        target = targets[wanted[message]]
        if wanted[message] in fresh and target not in moves.taken.values():
            moves.taken[message] = target
        else:
            taker = {new: old for old, new in moves.taken.items()}
            moves.merged[message] = taker.get(target, target)
    _forget_unused(connection, moves, wanted, fresh)
    return moves


def _forget_unused(
    connection: Connection, moves: _Moves, wanted: dict[int, str], fresh: dict[str, int]
) -> None:
    """Remove the fresh messages that only busy ones would have become; they are made again at the next look."""
    for message in moves.busy:
        identity = wanted[message]
        if identity in fresh and fresh[identity] not in moves.taken.values():
            if connection.execute(REMOVE_UNUSED, (fresh[identity],)).rowcount:
                del fresh[identity]


def _identity(mail: ReadMail) -> str:
    return str(mail.message.identity)


def _is_same_mail(row: _Row, mail: ReadMail) -> bool:
    """Tell whether the file holds the mail that it held when it was read before, read in another way or whole now.

    A header that was cut has no Message-ID, or the first letters of it.
    """
    if not was_written(mail):
        return True
    known = mail.file.row_in("location")
    grew = known is not None and mail.file.size > known.size
    told = mail.message.message_id
    return told == row.message_id or (grew and (row.derived or told.startswith(row.message_id)))


def was_written(mail: ReadMail) -> bool:
    """Tell whether the file was written since it was read before, if it was."""
    row = mail.file.row_in("location")
    return row is None or is_another(row, mail.file)


def _take_over(connection: Connection, moves: _Moves, fresh: dict[str, int]) -> None:
    """Remove the fresh rows whose place older ones take; a new file may be theirs already."""
    if not moves.taken:
        return
    new = list(moves.taken.values())
    connection.execute(HAND_FILES_OVER, (new, list(moves.taken)))
    connection.execute(REMOVE, (new,))
    for identity in [name for name, number in fresh.items() if number in new]:
        del fresh[identity]


class _Source(NamedTuple):
    """The file that gives a message its content; `alone` if no other live file of it is unread."""

    message: int
    row: int
    alone: bool


def _sources(
    connection: Connection, rows: list[_Row], staged: dict[int, ReadMail], moves: _Moves
) -> list[_Source]:
    """Return each message's file that is not a copy, where it was read again and still holds that message."""
    staying: dict[int, list[_Row]] = defaultdict(list)
    for row in rows:
        if row.message in moves.merged:
            continue
        if row.message in moves.taken or _identity(staged[row.id]) == row.identity:
            staying[row.message].append(row)
    others: dict[int, bool] = dict(
        connection.execute(OTHERS, (list(staying), [row.id for row in rows])).fetchall()
    )
    return [
        _Source(message, held[0].id, message not in others)
        for message, held in staying.items()
        if not others.get(message)
    ]


def _write(connection: Connection, sources: list[_Source], staged: dict[int, ReadMail]) -> None:
    if not sources:
        return
    columns: list[list[Any]] = [[], [], [], [], []]
    for message, row, alone in sources:
        file = staged[row].file
        values = (message, file.parts.folder, file.parts.unique, file.nth, alone)
        for column, value in zip(columns, values, strict=True):
            column.append(value)
    connection.execute(UPDATE_MESSAGES, columns)


def _write_files(connection: Connection, maildir: int, mails: list[ReadMail]) -> Reread:
    rows = [row for mail in mails if (row := mail.file.row_in("location"))]
    if not rows:
        return Reread()
    ids, subdirs, names = _places(rows)
    written = connection.execute(
        sql.REREAD_LOCATIONS, {"maildir": maildir, "ids": ids, "subdirs": subdirs, "names": names}
    ).fetchall()
    return Reread(keys=[row[:3] for row in written], touched={row[3] for row in written})


def _merge(connection: Connection, merged: dict[int, int]) -> None:
    """Let these messages give way to those that are the same mail; what was told of them is not told again."""
    columns = (list(merged), list(merged.values()))
    connection.execute(HAND_FILES_OVER, columns)
    connection.execute(HAND_NOTIFICATIONS_OVER, columns)
    connection.execute(REMOVE, (list(merged),))


def _write_lists(
    connection: Connection, former: list[tuple[int, str | None]], messages: set[int]
) -> None:
    named = [(message, name) for message, name in former if name]
    columns = [list(column) for column in zip(*named, strict=True)] if named else [[], []]
    connection.execute(UPDATE_LISTS, (sql.MOST_LISTS, *columns, list(messages)))


def _facts(connection: Connection, messages: set[int]) -> dict[int, _Facts]:
    rows = connection.execute(FACTS, (list(messages),)).fetchall()
    return {row[0]: _Facts(*row) for row in rows}


def _compare(found: Reread, before: dict[int, _Facts], after: dict[int, _Facts]) -> None:
    """Note which messages were written, and which of them may belong to another thread."""
    for number, old in before.items():
        new = after.get(number)
        if new is not None and new.place != old.place:
            found.changed.add(number)
        if new is not None and new.version != old.version:
            found.updated.add(number)


def _renewed(
    sources: list[_Source], staged: dict[int, ReadMail], updated: set[int]
) -> dict[int, float]:
    """Return when the files arrived of the updated messages that were written anew, by the message's id."""
    return {
        one.message: staged[one.row].file.arrived
        for one in sources
        if one.message in updated and was_written(staged[one.row])
    }
