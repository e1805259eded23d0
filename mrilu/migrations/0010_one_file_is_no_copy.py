"""Mends what earlier versions left: messages all of whose files count as copies, mail rejected for a server's fault."""

# The few rows that are wrong; readers wait for none of it.
STATEMENTS = """
WITH live AS (
    SELECT id, first_value(id) OVER (PARTITION BY message ORDER BY copy, id) AS first
      FROM location WHERE gone_at IS NULL
)
UPDATE location AS l SET copy = l.id <> live.first
  FROM live WHERE l.id = live.id AND l.copy <> (l.id <> live.first);

-- Version 0 is tried again at the next rescan: a server's fault may have been the cause.
UPDATE rejected SET parser_version = 0 WHERE reason = 'import-error';
"""


def up(migrator, db):
    """Mend the rows; `migrator` and `db` come from playhouse.migrations."""
    db.execute_sql(STATEMENTS)
