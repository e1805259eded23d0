"""Which Maildir a name stands for on several machines: its mark, and where each service that watches it has it."""

STATEMENTS = """
-- Where a service (a host and its data folder) has a Maildir; `watched`: it observes the Maildir.
CREATE TABLE maildir_place (
    maildir integer NOT NULL,
    service text NOT NULL,
    root text NOT NULL,
    watched boolean NOT NULL,
    since timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (maildir, service)
);
SET LOCAL lock_timeout = '1s';
-- What the file .mrilu-maildir at its root holds; NULL: none could be written.
ALTER TABLE maildir ADD COLUMN mark uuid;
"""


def up(migrator, db):
    """Add both; `migrator` and `db` come from playhouse.migrations."""
    db.execute_sql(STATEMENTS)
