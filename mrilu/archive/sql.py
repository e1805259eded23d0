"""The statements of the import, in the order in which one batch runs them."""

from models import Restriction
from mrilu.archive.plans import BY_INDEX
from mrilu.archive.rows import MESSAGE_COLUMNS, STAGED_TEXTS, STAGING_TYPES


def _columns(names: tuple[str, ...], prefix: str = "") -> str:
    return ", ".join(prefix + name for name in names)


# One staging table a session; a temporary table is neither logged nor seen by other workers.
CREATE_STAGING = (
    f"{BY_INDEX}; CREATE TEMPORARY TABLE IF NOT EXISTS incoming (ordinal integer GENERATED ALWAYS AS IDENTITY, "
    + ", ".join(f"{name} {kind}" for name, kind in STAGING_TYPES.items())
    + ") ON COMMIT DELETE ROWS; "
    + "; ".join(f"ALTER TABLE incoming ALTER {name} SET STORAGE EXTERNAL" for name in STAGED_TEXTS)
    + "; ALTER TABLE incoming SET (toast_tuple_target = 8160)"
)

COPY_STAGING = f"COPY incoming ({_columns(tuple(STAGING_TYPES))}) FROM STDIN"

_AS_READ = tuple(name for name in MESSAGE_COLUMNS if name != "restrictions")

# ORDER BY identity: two workers that insert the same messages take the unique index's locks in one order.
# The file that comes first in the batch gives the message its content.
INSERT_MESSAGES = f"""
INSERT INTO message ({_columns(_AS_READ)}, restrictions, search)
SELECT {_columns(_AS_READ)},
       restrictions | CASE WHEN identity IN (SELECT identity FROM withholding) THEN {int(Restriction.WITHHELD)}
                           ELSE 0 END,
       setweight(to_tsvector('mrilu', index_subject), 'A') || setweight(to_tsvector('mrilu', index_names), 'C')
       || to_tsvector('mrilu', index_text)
  FROM (SELECT DISTINCT ON (identity) * FROM incoming ORDER BY identity, ordinal) AS one
 ORDER BY identity
ON CONFLICT (identity) DO NOTHING
RETURNING id, identity::text
"""  # noqa: S608 - the columns are ours, the values are in the staging table

# A file is a copy if its message has another live file, in the database or before it in this batch. Most
# messages are new and have one file: `single` spares them the look-ups. A row that is there already is the
# file's own (REREAD follows) or was made meanwhile by another worker: then that file is looked at again.
_INSERT_LOCATIONS = """
INSERT INTO location (maildir, folder, unique_name, nth, subdir, name, flags, size, list_id, mtime, message, copy)
SELECT %(maildir)s, i.folder, i.unique_name, i.nth, i.subdir, i.name, i.flags, i.size, i.list_id, i.mtime, m.id,
       {copy}
  FROM incoming AS i JOIN message AS m USING (identity)
 WHERE {which} i.identity = ANY(%(copied)s::uuid[])
 ORDER BY i.folder, i.unique_name, i.nth
ON CONFLICT (maildir, folder, unique_name, nth) DO NOTHING
RETURNING folder, unique_name, nth, id, copy
"""
_HAS_ANOTHER_FILE = """EXISTS (SELECT FROM location AS l WHERE l.message = m.id AND l.gone_at IS NULL
                     AND (l.maildir, l.folder, l.unique_name, l.nth)
                         <> (%(maildir)s, i.folder, i.unique_name, i.nth))"""
INSERT_SINGLE_LOCATIONS = _INSERT_LOCATIONS.format(which="NOT", copy="false")
INSERT_COPIED_LOCATIONS = _INSERT_LOCATIONS.format(
    which="",
    copy=f"""row_number() OVER (PARTITION BY i.identity ORDER BY i.ordinal) > 1
       OR {_HAS_ANOTHER_FILE}""",
)

# Files that have a row and were read again. `was` is where the row was when it was looked at: if it has been
# moved in the meantime, the other worker knows better.
REREAD_LOCATIONS = f"""
UPDATE location AS t
   SET subdir = i.subdir, name = i.name, flags = i.flags, size = i.size, list_id = i.list_id, mtime = i.mtime,
       message = m.id, last_seen = now(), gone_at = NULL,
       named = CASE WHEN t.message = m.id THEN t.named END,
       copy = CASE WHEN t.message = m.id THEN t.copy ELSE {_HAS_ANOTHER_FILE} END
  FROM incoming AS i JOIN message AS m USING (identity),
       unnest(%(ids)s::bigint[], %(subdirs)s::text[], %(names)s::text[]) AS was (id, subdir, name)
 WHERE t.id = was.id AND (t.subdir, t.name) = (was.subdir, was.name) AND t.maildir = %(maildir)s
   AND (t.folder, t.unique_name, t.nth) = (i.folder, i.unique_name, i.nth)
RETURNING t.folder, t.unique_name, t.nth, t.message
"""  # noqa: S608 - no value is in the text

# Among a message's live files exactly one is not a copy: it is the first that was none before, else the oldest
# one. Whoever makes a row live or not calls it afterwards, under the lock of lock.py: each sees what all
# others before it have committed.
HAND_ON = """
WITH live AS (
    SELECT id, first_value(id) OVER (PARTITION BY message ORDER BY copy, id) AS first
      FROM location WHERE message = ANY(%s) AND gone_at IS NULL
)
UPDATE location AS l SET copy = l.id <> live.first
  FROM live WHERE l.id = live.id AND l.copy <> (l.id <> live.first)
RETURNING l.id, l.copy
"""
# A file that takes another's place as its message's first one gives the message its content from now on. If its size is
# another, it is to be read again: the former one may have been met half-written. No file has such an mtime.
READ_AGAIN = """
UPDATE location AS l SET mtime = -1
 WHERE l.id = ANY(%s) AND l.gone_at IS NULL
   AND l.size <> (SELECT o.size FROM location AS o
                   WHERE o.message = l.message AND o.id <> l.id AND o.gone_at IS NOT NULL AND NOT o.copy
                   ORDER BY o.gone_at DESC, o.id DESC LIMIT 1)
RETURNING concat_ws('/', nullif(l.folder, ''), nullif(l.subdir, ''), l.name)
"""
WITHHELD_AMONG = (
    "SELECT m.id FROM withholding AS w JOIN message AS m USING (identity) WHERE m.id = ANY(%s)"
)
MESSAGES_NAMED = "SELECT id FROM message WHERE identity = ANY(%s::uuid[])"
IMPORTED_LATELY = (
    "SELECT id FROM message WHERE id = ANY(%s) AND imported_at > now() - interval '1 day'"
)
# Those that have edges by what these files name, and may lose them.
MESSAGES_NAMING = "SELECT DISTINCT message FROM location WHERE id = ANY(%s) AND named IS NOT NULL"
MESSAGES_OF_GONE = (
    "SELECT DISTINCT message FROM location WHERE id = ANY(%s) AND gone_at IS NOT NULL"
)

# Lists and threads must not tell which copy came first: a message is on the lists of all its copies, its subject counts
# as the least of theirs, and it is an orphan only if every copy is; one that names a parent has that in
# `location.named` (copies.py). Anyone can forge a copy: so many lists, and no more, whatever comes.
MOST_LISTS = 20
JOIN_COPIES = f"""
UPDATE message AS m
   SET list_ids = ARRAY(SELECT name FROM (
           SELECT name FROM unnest(m.list_ids || i.lists) WITH ORDINALITY AS n (name, place)
            GROUP BY name ORDER BY min(place) LIMIT {MOST_LISTS}) AS n ORDER BY name),
       subject_key = least(m.subject_key, i.subject_key), orphan = m.orphan AND i.orphan
  FROM (SELECT identity, array_agg(DISTINCT list_id) FILTER (WHERE list_id IS NOT NULL) AS lists,
               min(subject_key) AS subject_key,
               bool_and(orphan OR in_reply_to <> '{{}}' OR reference_ids <> '{{}}') AS orphan
          FROM incoming WHERE identity = ANY(%s::uuid[]) GROUP BY identity) AS i
 WHERE m.identity = i.identity
   AND (NOT m.list_ids @> i.lists AND cardinality(m.list_ids) < {MOST_LISTS} OR m.orphan AND NOT i.orphan
        OR m.subject_key IS DISTINCT FROM least(m.subject_key, i.subject_key))
RETURNING m.id
"""  # noqa: S608 - the number is ours

FORGET_REJECTIONS = "DELETE FROM rejected WHERE id = ANY(%s)"

# A new file's rejection gives way to one that another worker wrote in the meantime.
INSERT_REJECTION = """
INSERT INTO rejected (maildir, folder, unique_name, nth, subdir, name, size, mtime, message_id, list_ids,
                      reason, error, parser_version)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, nullif(%s, ''), %s, %s, %s, %s)
ON CONFLICT (maildir, unique_name, md5(folder), nth) DO UPDATE
   SET subdir = excluded.subdir, name = excluded.name, size = excluded.size, mtime = excluded.mtime,
       message_id = excluded.message_id, list_ids = excluded.list_ids,
       reason = excluded.reason, error = excluded.error, parser_version = excluded.parser_version,
       attempts = rejected.attempts + 1, last_seen = now(), gone_at = NULL
 WHERE rejected.id = %s
"""

# A file that was a mail and is none any more (it was overwritten) is on one side of the ledger only.
FORGET_LOCATION = "DELETE FROM location WHERE (id, subdir, name) = (%s, %s, %s) RETURNING message, named IS NOT NULL"

# The old place is compared: another worker may have seen the file further on in the meantime.
MOVE = """
UPDATE {table} AS t
   SET subdir = new.subdir, name = new.name, {flags} last_seen = now(), gone_at = NULL
  FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[])
       AS new (id, old_subdir, old_name, subdir, name, flags)
 WHERE t.id = new.id AND (t.subdir, t.name) = (new.old_subdir, new.old_name)
RETURNING t.id
"""
MOVE_LOCATIONS = MOVE.format(table="location", flags="flags = new.flags,")
MOVE_REJECTED = MOVE.format(table="rejected", flags="")

# The path is compared again: another worker may have seen the file at its new place in the meantime.
GONE = """
UPDATE {table} AS t SET gone_at = now(){more}
  FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS old (id, subdir, name)
 WHERE t.id = old.id AND (t.subdir, t.name) = (old.subdir, old.name) AND t.gone_at IS NULL
"""
GONE_LOCATIONS = GONE.format(table="location", more=", vanishing = NULL") + "RETURNING t.message"
GONE_REJECTED = GONE.format(table="rejected", more="")
