"""GONE_FILES=remove: a message goes when its last file has gone; with keep, nothing here is ever called."""

from __future__ import annotations

from peewee import PostgresqlDatabase
from psycopg import Connection

from mrilu.archive.lock import LOCK
from mrilu.archive.threads import assign_threads, forget_nodes, leave_threads

# A rename may be seen as a deletion first; after this many seconds it was none.
GRACE_SECONDS = 5
MOST_AT_ONCE = 1000

_LONG_GONE = "gone_at < now() - %(grace)s * interval '1 second'"
# Files that vanished together are held back (mrilu/archive/vanishings.py).
_OPEN = "SELECT id FROM vanishing WHERE ended_at IS NULL"
_HELD = f"vanishing IS NOT NULL AND vanishing IN ({_OPEN})"  # noqa: S608 - no value is in the text
ANY_GONE = f"SELECT EXISTS (SELECT FROM location WHERE {_LONG_GONE} AND NOT ({_HELD}))"  # noqa: S608
_NO_FILE_LEFT = """NOT EXISTS (SELECT FROM location AS l WHERE l.message = m.id
                      AND (l.gone_at IS NULL OR l.gone_at >= now() - %(grace)s * interval '1 second' OR {held}))"""
_NO_FILE_LEFT = _NO_FILE_LEFT.format(held=f"l.vanishing IN ({_OPEN})")
# A message that someone locks is getting a new file just now: it is left to the next call.
_CANDIDATES = f"""
SELECT m.id FROM message AS m
 WHERE m.id IN (SELECT message FROM location WHERE {_LONG_GONE} AND NOT ({_HELD}) LIMIT %(most)s) AND {_NO_FILE_LEFT}
   FOR UPDATE SKIP LOCKED
"""  # noqa: S608 - no value is in the text
# Looked at again: a file may have come before the row was locked.
DOOMED = f"SELECT m.id FROM message AS m WHERE m.id = ANY(%(found)s) AND {_NO_FILE_LEFT}"  # noqa: S608
REMOVE = """
WITH removed AS (
    DELETE FROM message WHERE id = ANY(%s) RETURNING identity, node
), noted AS (
    INSERT INTO removed_message (identity) SELECT identity FROM removed
        ON CONFLICT (identity) DO UPDATE SET removed_at = excluded.removed_at
)
SELECT node FROM removed
"""
# Rows of files that went while another file of the message stays: what only they named, or which list, goes too.
FORGET = f"""
DELETE FROM location AS g WHERE {_LONG_GONE}
   AND EXISTS (SELECT FROM location AS l WHERE l.message = g.message AND l.gone_at IS NULL)
RETURNING message, copy OR named IS NOT NULL
"""  # noqa: S608 - no value is in the text
LEAVE_LISTS = """
UPDATE message AS m SET list_ids = held.lists
  FROM (SELECT message, array_agg(DISTINCT list_id ORDER BY list_id) AS lists FROM location
         WHERE message = ANY(%s) AND list_id IS NOT NULL GROUP BY message) AS held
 WHERE m.id = held.message AND m.list_ids @> held.lists AND m.list_ids <> held.lists
"""


def remove_gone_messages(db: PostgresqlDatabase, grace: float = GRACE_SECONDS) -> int:
    """Delete messages (and their rows) none of whose files is left since `grace` seconds; return how many.

    What they joined comes apart, but for replies to them: what a message names keeps its place in the thread. Their
    identities are kept, so that a message that comes back is not news. Files that vanished together keep their messages
    while that is held back.
    """
    values = {"grace": grace, "most": MOST_AT_ONCE}
    connection = db.connection()
    if not connection.execute(ANY_GONE, values).fetchone()[0]:
        return 0
    with db.atomic():
        connection.execute(LOCK)  # no one brings a file back in the meantime
        _forget_files(connection, values)
        found = [row[0] for row in connection.execute(_CANDIDATES, values)]
        rows = connection.execute(DOOMED, values | {"found": found}).fetchall() if found else []
        return _remove(connection, [row[0] for row in rows])


def _forget_files(connection: Connection, values: dict[str, float]) -> None:
    poorer = {message for message, was_copy in connection.execute(FORGET, values) if was_copy}
    if poorer:
        connection.execute(LEAVE_LISTS, (list(poorer),))
        assign_threads(connection, (), poorer)


def _remove(connection: Connection, messages: list[int]) -> int:
    if not messages:
        return 0
    nodes = leave_threads(connection, messages)
    removed = connection.execute(REMOVE, (messages,)).fetchall()
    forget_nodes(connection, [*nodes, *(row[0] for row in removed)])
    return len(removed)
