"""Addresses of messages that survive a new database, the sender's clock, and who may read which message."""

from mrilu.mail.permalinks import permalink_of

# Each part is a transaction of its own, and can be tried again.
atomic = False

BATCH = 5000

# Constant defaults are written to no row.
COLUMNS = """
SET LOCAL lock_timeout = '1s';
ALTER TABLE message ADD COLUMN IF NOT EXISTS permalink bigint,
    ADD COLUMN IF NOT EXISTS utc_offset smallint,
    ADD COLUMN IF NOT EXISTS restrictions smallint NOT NULL DEFAULT 0
"""
NEXT = "SELECT id, message_id FROM message WHERE id > %s ORDER BY id LIMIT %s"
FILL = """
UPDATE message AS m SET permalink = new.permalink,
       restrictions = m.restrictions | CASE WHEN m.message_id ~* '^notification\\.[0-9a-f]{32}@' THEN 4 ELSE 0 END
  FROM unnest(%s::bigint[], %s::bigint[]) AS new (id, permalink)
 WHERE m.id = new.id AND m.permalink IS NULL
"""
# SET NOT NULL reads the whole table while it keeps all readers out, but for a constraint that says the same already.
NOT_NULL = (
    """
SET LOCAL lock_timeout = '1s';
ALTER TABLE message DROP CONSTRAINT IF EXISTS permalink_is_there,
    ADD CONSTRAINT permalink_is_there CHECK (permalink IS NOT NULL) NOT VALID
""",
    "ALTER TABLE message VALIDATE CONSTRAINT permalink_is_there",
    """
SET LOCAL lock_timeout = '1s';
ALTER TABLE message ALTER permalink SET NOT NULL;
ALTER TABLE message DROP CONSTRAINT permalink_is_there
""",
)
INDEX = "CREATE INDEX IF NOT EXISTS message_permalink ON message (permalink)"

DECISIONS = """
CREATE TABLE IF NOT EXISTS withholding (
    identity uuid PRIMARY KEY,
    message_id text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('hidden', 'erased')),
    by text NOT NULL,
    reason text NOT NULL,
    decided_at timestamptz NOT NULL DEFAULT now()
);
-- A withheld message that another reading of its file gives a new identity is withheld by that one, too.
CREATE OR REPLACE FUNCTION keep_withheld() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO withholding (identity, message_id, kind, by, reason, decided_at)
    SELECT NEW.identity, NEW.message_id, kind, by, reason, decided_at
      FROM withholding WHERE identity = OLD.identity
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER message_keep_withheld AFTER UPDATE OF identity ON message FOR EACH ROW
    WHEN (OLD.identity <> NEW.identity AND OLD.restrictions & 2 <> 0) EXECUTE FUNCTION keep_withheld();
"""


def up(migrator, db):
    """Add the columns and the table, and fill in the permalinks; `migrator` and `db` come from playhouse.migrations."""
    for sql in (COLUMNS, DECISIONS):
        with db.atomic():
            db.execute_sql(sql)
    _fill(db)
    for sql in (INDEX, *NOT_NULL):
        with db.atomic():
            db.execute_sql(sql)


def _fill(db):
    last = 0
    while rows := db.execute_sql(NEXT, (last, BATCH)).fetchall():
        numbers = [number for number, _ in rows]
        with db.atomic():
            db.execute_sql(FILL, (numbers, [permalink_of(name) for _, name in rows]))
        last = numbers[-1]
