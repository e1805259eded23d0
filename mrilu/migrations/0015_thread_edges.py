"""Why messages belong together: the edges of threads, so that a joined thread can come apart again."""

from mrilu.mail.thread_keys import named_ids, node_of, sequence_of

# Each part is a transaction of its own, and can be tried again.
atomic = False

BATCH = 5000

TABLES = """
-- `message` names the Message-ID `other`, or, in a sequence of its subject, follows it; `node` is its own.
CREATE TABLE IF NOT EXISTS thread_edge (
    message bigint NOT NULL REFERENCES message ON DELETE CASCADE,
    other bigint NOT NULL,
    sequence bigint NOT NULL,
    node bigint NOT NULL,
    PRIMARY KEY (message, other, sequence)
);
CREATE INDEX IF NOT EXISTS thread_edge_other ON thread_edge (other) INCLUDE (node);
CREATE INDEX IF NOT EXISTS thread_edge_node ON thread_edge (node) INCLUDE (other);

-- The messages of one list that have one subject, by date; the one before a reply that names no parent is its parent.
CREATE TABLE IF NOT EXISTS subject_entry (
    sequence bigint NOT NULL,
    sent_at timestamptz NOT NULL,
    identity uuid NOT NULL,
    message bigint NOT NULL REFERENCES message ON DELETE CASCADE,
    node bigint NOT NULL,
    orphan boolean NOT NULL,
    PRIMARY KEY (sequence, sent_at, identity)
);
CREATE INDEX IF NOT EXISTS subject_entry_message ON subject_entry (message);

CREATE INDEX IF NOT EXISTS thread_merged_into ON thread (merged_into) WHERE merged_into IS NOT NULL;
"""

COLUMNS = """
SET LOCAL lock_timeout = '1s';
-- What this copy names and its message did not: NULL for nearly all files.
ALTER TABLE location ADD COLUMN IF NOT EXISTS named text[];
-- The thread that the node came to first: where joined threads come apart, each gets its number back.
ALTER TABLE thread_link ADD COLUMN IF NOT EXISTS origin bigint;
"""

INDICES = """
CREATE INDEX IF NOT EXISTS location_named ON location (message) WHERE named IS NOT NULL;
"""

MESSAGES = """
SELECT id, node, identity, sent_at, subject_key, orphan, list_ids, in_reply_to, reference_ids
  FROM message WHERE id > %s ORDER BY id LIMIT %s
"""
REFERENCE_EDGES = """
INSERT INTO thread_edge (message, node, other, sequence)
SELECT *, 0 FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[]) ON CONFLICT DO NOTHING
"""
ENTRIES = """
INSERT INTO subject_entry (sequence, sent_at, identity, message, node, orphan)
SELECT * FROM unnest(%s::bigint[], %s::timestamptz[], %s::uuid[], %s::bigint[], %s::bigint[], %s::boolean[])
ON CONFLICT DO NOTHING
"""

SUBJECT_EDGES = """
INSERT INTO thread_edge (message, node, other, sequence)
SELECT message, node, other, sequence
  FROM (SELECT message, node, orphan, sequence, lag(node) OVER place AS other
          FROM subject_entry WINDOW place AS (PARTITION BY sequence ORDER BY sent_at, identity)) AS one
 WHERE orphan AND other IS NOT NULL
ON CONFLICT DO NOTHING
"""

# Nothing asks them any more.
UNUSED = """
SET LOCAL lock_timeout = '1s';
DROP INDEX IF EXISTS message_subject_key;
DROP INDEX IF EXISTS message_orphan;
"""


def up(migrator, db):
    """Create the tables and fill them from the messages; `migrator` and `db` come from playhouse.migrations."""
    for part in (TABLES, COLUMNS, INDICES):
        _run(db, part)
    last = 0
    while rows := db.execute_sql(MESSAGES, (last, BATCH)).fetchall():
        with db.atomic():
            _fill(db, rows)
        last = rows[-1][0]
    _run(db, SUBJECT_EDGES)
    _run(db, UNUSED)


def _run(db, statements):
    with db.atomic():
        db.execute_sql(statements)


def _fill(db, rows):
    edges, entries = [], []
    for (
        number,
        node,
        identity,
        sent_at,
        subject_key,
        orphan,
        lists,
        in_reply_to,
        references,
    ) in rows:
        edges += [(number, node, node_of(name)) for name in named_ids(in_reply_to, references)]
        for name in lists if subject_key is not None else ():
            sequence = sequence_of(name, subject_key)
            entries.append((sequence, sent_at, identity, number, node, orphan))
    for statement, values in ((REFERENCE_EDGES, edges), (ENTRIES, entries)):
        if values:
            db.execute_sql(statement, [list(column) for column in zip(*values, strict=True)])
