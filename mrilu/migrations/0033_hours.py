"""What happened hour by hour, for the operators' charts: mails, how long they waited, sizes."""

STATEMENTS = """
-- name and label say what is counted (mails by result; lag by bucket, as in total) or measured (size in bytes, in shard
-- 0). shard: two workers that count the same must not wait for each other's commit.
CREATE TABLE IF NOT EXISTS hour (
    hour timestamptz NOT NULL,
    name text NOT NULL,
    label text NOT NULL,
    shard smallint NOT NULL,
    value double precision NOT NULL,
    PRIMARY KEY (hour, name, label, shard)
) WITH (fillfactor = 50);
"""


def up(migrator, db):
    """Create the table; `migrator` and `db` come from playhouse.migrations."""
    db.execute_sql(STATEMENTS)
