"""A file whose path is longer than an index entry may be (2,704 bytes) can be rejected, and so accounted for."""

# The folder's hash stands for the folder: the name has 255 bytes at most, the folder up to 4,096.
STATEMENTS = """
DROP INDEX IF EXISTS rejected_file;
CREATE UNIQUE INDEX rejected_file ON rejected (maildir, unique_name, md5(folder), nth);
"""


def up(migrator, db):
    """Make the index anew; the table is small. `migrator` and `db` come from playhouse.migrations."""
    db.execute_sql("SET LOCAL lock_timeout = '10s'")
    db.execute_sql(STATEMENTS)
