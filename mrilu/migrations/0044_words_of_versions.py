"""Finds what was recorded of a word by the word that a version has: a definition may have moved to another word."""


def up(migrator, db):
    """Create the index; `migrator` and `db` come from playhouse.migrations."""
    db.execute_sql(
        "CREATE INDEX IF NOT EXISTS definition_version_word "
        "ON definition_version ((content ->> 'word'), recorded_at)"
    )
