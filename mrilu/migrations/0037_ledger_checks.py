"""What readers are told of the ledger, and which Message-ID a rejected mail had."""

# Each part is a transaction of its own, and can be tried again.
atomic = False

TABLE = """
-- The last look at the ledger of each watched Maildir: `complete_to` is when one last found that nothing waited.
CREATE TABLE IF NOT EXISTS ledger_check (
    maildir integer PRIMARY KEY REFERENCES maildir ON DELETE CASCADE,
    checked_at timestamptz NOT NULL,
    complete_to timestamptz,
    waiting integer NOT NULL,
    rejected integer NOT NULL,
    trouble text NOT NULL,
    seconds double precision NOT NULL
);
"""
# NULL: rejected before this was noted, or its header has none.
COLUMNS = """
ALTER TABLE rejected ADD COLUMN IF NOT EXISTS message_id text, ADD COLUMN IF NOT EXISTS list_ids text[];
CREATE INDEX IF NOT EXISTS rejected_message_id ON rejected (md5(message_id)) WHERE message_id IS NOT NULL
"""


def up(migrator, db):
    """Create the table, add the columns; `migrator` and `db` come from playhouse.migrations."""
    for sql in (TABLE, COLUMNS):
        with db.atomic():
            db.execute_sql("SET LOCAL lock_timeout = '1s'")
            db.execute_sql(sql)
