"""The ledger as the last look drew it up, for `status` of a large archive."""

# Each part is a transaction of its own, and can be tried again.
atomic = False

# NULL: no look since the upgrade.
COLUMN = "ALTER TABLE ledger_check ADD COLUMN IF NOT EXISTS facts jsonb"


def up(migrator, db):
    """Add the column; `migrator` and `db` come from playhouse.migrations."""
    with db.atomic():
        db.execute_sql("SET LOCAL lock_timeout = '1s'")
        db.execute_sql(COLUMN)
