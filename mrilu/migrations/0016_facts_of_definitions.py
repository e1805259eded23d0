"""Type, rafsi and "unofficial" of each definition, and what else an export may say of it."""

# Each part is a transaction of its own: readers wait for the columns, not for their content.
atomic = False

# NULL: written by an earlier version; the word's own facts then count. Constant defaults are written to no row.
COLUMNS = """
ALTER TABLE definition
    ADD COLUMN IF NOT EXISTS type text,
    ADD COLUMN IF NOT EXISTS rafsi text[] NOT NULL DEFAULT '{}',
    ADD COLUMN IF NOT EXISTS unofficial boolean NOT NULL DEFAULT false,
    ADD COLUMN IF NOT EXISTS jargon text NOT NULL DEFAULT '',
    ADD COLUMN IF NOT EXISTS etymology text NOT NULL DEFAULT '',
    ADD COLUMN IF NOT EXISTS examples text[] NOT NULL DEFAULT '{}',
    ADD COLUMN IF NOT EXISTS tags text[] NOT NULL DEFAULT '{}'
"""

# The last version of each entry has what its own export said.
FILL = """
UPDATE definition SET type = coalesce(v.content ->> 'type', ''),
       rafsi = ARRAY(SELECT jsonb_array_elements_text(v.content -> 'rafsi')),
       unofficial = coalesce((v.content ->> 'unofficial')::boolean, false)
  FROM (SELECT DISTINCT ON (definition) definition, content FROM definition_version
         ORDER BY definition, version DESC) AS v
 WHERE v.definition = definition.id AND definition.type IS NULL
   AND jsonb_typeof(v.content -> 'rafsi') = 'array'
"""


def up(migrator, db):
    """Do each part in a transaction; `migrator` and `db` come from playhouse.migrations."""
    for statements in (COLUMNS, FILL):
        with db.atomic():
            db.execute_sql(statements)
