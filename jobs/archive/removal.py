"""GONE_FILES=remove: a message goes when its last file has gone; with keep, nothing here is ever called."""

from __future__ import annotations

from peewee import PostgresqlDatabase

# A rename may be seen as a deletion first; after this many seconds it was none.
GRACE_SECONDS = 5
MOST_AT_ONCE = 1000

REMOVE = """
WITH doomed AS (
    SELECT DISTINCT message FROM location WHERE gone_at < now() - %(grace)s * interval '1 second' LIMIT %(most)s
)
DELETE FROM message AS m USING doomed
 WHERE m.id = doomed.message
   AND NOT EXISTS (SELECT FROM location AS l WHERE l.message = m.id
                      AND (l.gone_at IS NULL OR l.gone_at >= now() - %(grace)s * interval '1 second'))
"""
# Rows of files that went while another file of the message stays: nothing depends on them.
FORGET = "DELETE FROM location WHERE gone_at < now() - %(grace)s * interval '1 second'"


def remove_gone_messages(db: PostgresqlDatabase, grace: float = GRACE_SECONDS) -> int:
    """Delete messages (and their rows) none of whose files is left since `grace` seconds; return how many.

    Their places in threads stay as ghosts, so that the replies keep together.
    """
    values = {"grace": grace, "most": MOST_AT_ONCE}
    with db.atomic():
        removed = db.connection().execute(REMOVE, values).rowcount
        if removed < MOST_AT_ONCE:
            db.connection().execute(FORGET, values)
    return removed
