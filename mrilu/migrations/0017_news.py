"""Messages that were stored, and whose subscribers are still to be found."""

STATEMENTS = """
-- No unique index: whoever writes a row of a message that is being matched must not wait for it.
CREATE TABLE IF NOT EXISTS news (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    message bigint NOT NULL,
    arrived double precision NOT NULL
);
"""


def up(migrator, db):
    """Create the table; `migrator` and `db` come from playhouse.migrations."""
    db.execute_sql(STATEMENTS)
