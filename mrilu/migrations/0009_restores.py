"""When a backup was restored: files that were there then are not news, and were not late."""

STATEMENT = "ALTER TABLE maildir ADD COLUMN restored_at timestamptz"


def up(migrator, db):
    """Add the column; NULL says that none was."""
    db.execute_sql(STATEMENT)
