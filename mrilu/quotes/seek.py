"""Finding and writing the links of messages that wait; one batch is one transaction, and may be cut off anywhere.

One batch works at a time (an advisory lock): what a message quotes is then either seen when it is looked at, or looks
at that message again when its own turn comes. A batch waits for no lock for long: an import never fails for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from peewee import PeeweeException, PostgresqlDatabase
from psycopg import Connection
from psycopg.errors import DeadlockDetected, LockNotAvailable

from mrilu.quotes.match import SHINGLE, Link, find_links
from mrilu.quotes.sources import EARLIER, MOST_OF_THREAD, Row, Sources
from mrilu.quotes.words import Quoted, quoted_runs

BATCH = 20  # messages of one transaction
MOST_TRIES = 3  # of a message that ended the process each time
MOST_MARKED = 200  # messages that one new message lets look again, of each kind

QUOTES_LOCK = 0x71756F746573
ALONE = f"SELECT pg_try_advisory_xact_lock({QUOTES_LOCK})"
PATIENCE = "SET LOCAL lock_timeout = '300ms'"
NEXT = """
SELECT message, tries FROM quote_wait WHERE tries < %s ORDER BY tries, message DESC LIMIT %s FOR UPDATE SKIP LOCKED
"""
TRY = "UPDATE quote_wait SET tries = tries + 1 WHERE message = ANY(%s)"
GIVE_BACK = """
UPDATE quote_wait SET tries = 0
 WHERE message IN (SELECT message FROM quote_wait WHERE message = ANY(%s) FOR UPDATE SKIP LOCKED)
"""
WAITING = """
SELECT message, xid::text, again, pg_current_snapshot()::text FROM quote_wait WHERE message = ANY(%s)
 ORDER BY message DESC
"""
# What was written anew since it was read stays.
DONE = "DELETE FROM quote_wait WHERE message = %s AND xid = %s::xid8"
FORGET = "DELETE FROM quote WHERE message = %s"
WRITE = """
INSERT INTO quote (message, start, stop, source, source_start, source_stop, passage, last_passage, whole, answered)
SELECT %s, * FROM unnest(%s::int[], %s::int[], %s::bigint[], %s::int[], %s::int[], %s::int[], %s::int[], %s::bool[],
                         %s::bool[])
"""
SOUGHT = """
INSERT INTO quote_sought (message, unfound, seen) VALUES (%s, %s, %s::pg_snapshot)
ON CONFLICT (message) DO UPDATE SET unfound = excluded.unfound, seen = excluded.seen
"""
NOT_SOUGHT = "DELETE FROM quote_sought WHERE message = %s"
# Those that answer a new message, those that quoted it when it had another text, and those later in its thread that
# have quotations of nobody yet, if they did not see it. A snapshot that is ahead of now is of before a restore.
LOOK_AGAIN = """
WITH answering AS (
    SELECT message FROM thread_edge WHERE other = %(node)s LIMIT %(most)s
), later AS (
    SELECT m.id FROM (
        SELECT node FROM thread_link WHERE thread = (SELECT thread FROM thread_link WHERE node = %(node)s)
         LIMIT %(thread)s) AS l JOIN message AS m USING (node)
     WHERE m.sent_at >= %(since)s ORDER BY m.sent_at, m.id LIMIT %(most)s
), unseen AS (
    SELECT s.message FROM quote_sought AS s
     WHERE (s.message IN (SELECT message FROM answering)
            OR s.message IN (SELECT message FROM quote WHERE source = %(message)s)
            OR (s.unfound > 0 AND s.message IN (SELECT id FROM later)))
       AND (NOT pg_visible_in_snapshot(%(xid)s::xid8, s.seen)
            OR pg_snapshot_xmax(s.seen) > pg_snapshot_xmax(pg_current_snapshot()))
)
INSERT INTO quote_wait (message, again)
SELECT message, true FROM unseen WHERE message <> %(message)s
ON CONFLICT DO NOTHING
"""


class _Waiting(NamedTuple):
    """A message that waits: `again` if its text is as it was; `seen` is what is looked at."""

    message: int
    xid: str
    again: bool
    seen: str


def count_waiting(db: PostgresqlDatabase) -> int:
    """Return how many messages are still to be looked at."""
    return db.execute_sql(
        "SELECT count(*) FROM quote_wait WHERE tries < %s", (MOST_TRIES,)
    ).fetchone()[0]


def link_some(db: PostgresqlDatabase, batch: int = BATCH) -> Counter[str] | None:
    """Look at some messages that wait, newest first; count messages, links, unfound. None when none waits.

    An import, or another run, that holds what is needed is given way: "busy" is counted then.
    """
    taken = _take(db, batch)
    if not taken:
        return None
    try:
        with db.atomic():
            connection = db.connection()
            connection.execute(PATIENCE)
            if connection.execute(ALONE).fetchone()[0]:
                return _link(connection, taken)
    except (LockNotAvailable, DeadlockDetected, PeeweeException) as error:
        if isinstance(error, PeeweeException) and not isinstance(
            getattr(error, "orig", error.__cause__), LockNotAvailable | DeadlockDetected
        ):
            raise
    db.connection().execute(GIVE_BACK, (taken,))
    return Counter(busy=1)


def _take(db: PostgresqlDatabase, batch: int) -> list[int]:
    """Return the next messages, after it is written down that a process begins with them.

    One that a process ended over comes after all others, and alone.
    """
    with db.atomic():
        connection = db.connection()
        rows = connection.execute(NEXT, (MOST_TRIES, batch)).fetchall()
        taken = [message for message, tries in rows if not tries] or [row[0] for row in rows[:1]]
        connection.execute(TRY, (taken,))
    return taken


def _link(connection: Connection, messages: Sequence[int]) -> Counter[str]:
    waiting = [_Waiting(*row) for row in connection.execute(WAITING, (list(messages),))]
    sources, counts = Sources(connection), Counter[str]()
    rows = {row.id: row for row in sources.rows([one.message for one in waiting])}
    for one in waiting:
        if row := rows.get(one.message):
            runs = quoted_runs(row.body, row.own_spans)
            links, unfound = _found(runs, row, sources)
            _write(connection, row.id, links)
            counts.update(messages=1, links=len(links), unfound=unfound)
            _note(connection, one, unfound, quotes=bool(runs))
            if not one.again:
                _let_look_again(connection, one, row)
        connection.execute(DONE, (one.message, one.xid))
    return counts


def _found(runs: Sequence[Quoted], row: Row, sources: Sources) -> tuple[list[Link], int]:
    """Return the links of a message's quotations, and how many of these have none.

    Others of the thread are asked only where what the message answers does not hold all.
    """
    if not any(len(run.words) >= SHINGLE for run in runs):
        return [], 0
    candidates = sources.ancestors(row)
    links, unfound = find_links(runs, candidates)
    if unfound:
        known = [row.id, *(one.message for one in candidates)]
        links, unfound = find_links(runs, [*candidates, *sources.others(row, known)])
    return links, unfound


def _write(connection: Connection, message: int, links: Sequence[Link]) -> None:
    connection.execute(FORGET, (message,))
    if links:
        connection.execute(WRITE, (message, *map(list, zip(*links, strict=True))))


def _note(connection: Connection, one: _Waiting, unfound: int, *, quotes: bool) -> None:
    if quotes:
        connection.execute(SOUGHT, (one.message, unfound, one.seen))
    else:
        connection.execute(NOT_SOUGHT, (one.message,))


def _let_look_again(connection: Connection, one: _Waiting, row: Row) -> None:
    facts = {
        "message": row.id,
        "node": row.node,
        "xid": one.xid,
        "since": row.sent_at - EARLIER,
        "thread": MOST_OF_THREAD,
        "most": MOST_MARKED,
    }
    connection.execute(LOOK_AGAIN, facts)
