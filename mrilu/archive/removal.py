"""GONE_FILES=remove: a message goes when its last file has gone; with keep, nothing here is ever called."""

from __future__ import annotations

from peewee import PostgresqlDatabase

from mrilu.archive.threads import LOCK

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
# A message that somebody locks is getting a new file just now: it is left to the next call.
DOOMED = f"""
SELECT m.id FROM message AS m
 WHERE m.id IN (SELECT message FROM location WHERE {_LONG_GONE} AND NOT ({_HELD}) LIMIT %(most)s) AND {_NO_FILE_LEFT}
   FOR UPDATE SKIP LOCKED
"""  # noqa: S608 - no value is in the text
# Looked at again: a file may have come before the lock was taken.
REMOVE = f"""
WITH removed AS (DELETE FROM message AS m WHERE m.id = ANY(%(doomed)s) AND {_NO_FILE_LEFT} RETURNING identity)
INSERT INTO removed_message (identity) SELECT identity FROM removed
    ON CONFLICT (identity) DO UPDATE SET removed_at = excluded.removed_at
"""  # noqa: S608 - no value is in the text
# Rows of files that went while another file of the message stays: nothing depends on them.
FORGET = f"""
DELETE FROM location AS g WHERE {_LONG_GONE}
   AND EXISTS (SELECT FROM location AS l WHERE l.message = g.message AND l.gone_at IS NULL)
"""  # noqa: S608 - no value is in the text


def remove_gone_messages(db: PostgresqlDatabase, grace: float = GRACE_SECONDS) -> int:
    """Delete messages (and their rows) none of whose files is left since `grace` seconds; return how many.

    Their places in threads stay as ghosts, so that the replies keep together, and their identities are kept, so that
    a message that comes back is no news. Files that vanished together keep their messages while that is held back.
    """
    values = {"grace": grace, "most": MOST_AT_ONCE}
    connection = db.connection()
    if not connection.execute(ANY_GONE, values).fetchone()[0]:
        return 0
    with db.atomic():
        connection.execute(LOCK)  # nobody brings a file back meanwhile
        connection.execute(FORGET, values)
        doomed = [row[0] for row in connection.execute(DOOMED, values)]
        return connection.execute(REMOVE, values | {"doomed": doomed}).rowcount if doomed else 0
