"""Messages that are read again: which text of theirs was embedded, and which of them an older parser read."""

STATEMENTS = """
SET LOCAL lock_timeout = '1s';
-- What the vectors' `embedded.state` is compared with; NULL: the identity, as for every message that was read once.
ALTER TABLE message ADD COLUMN text_state uuid;
"""
# Writers wait while it is built, readers do not. It holds one value for nearly all rows, and is small.
INDEX = "CREATE INDEX message_parser_version ON message (parser_version)"


def up(migrator, db):
    """Add the column and the index; `migrator` and `db` come from playhouse.migrations."""
    db.execute_sql(INDEX)
    db.execute_sql(STATEMENTS)
