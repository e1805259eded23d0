"""The statements that make one language's dictionary what an export says, in the order in which they run."""

# The entries that are new, edited or back; one row each.
CREATE_STAGING = """
CREATE TEMP TABLE staged_entry (
    source_id bigint, word text, type text, unofficial boolean, rafsi text[], selmaho text, text text, notes text,
    username text, realname text, score double precision, jargon text, etymology text, examples text[], tags text[],
    content_hash uuid, change text, content jsonb
) ON COMMIT DROP
"""

COPY_STAGING = "COPY staged_entry FROM STDIN"

# ORDER BY the key: two writers then take their locks in one order. These facts serve search: a definition has its own.
UPSERT_WORDS = """
INSERT INTO word (word, type, rafsi, unofficial)
SELECT DISTINCT ON (word) word, type, rafsi, unofficial FROM staged_entry ORDER BY word
ON CONFLICT (word) DO UPDATE
   SET type = excluded.type, rafsi = excluded.rafsi, unofficial = excluded.unofficial
 WHERE (word.type, word.rafsi, word.unofficial) IS DISTINCT FROM (excluded.type, excluded.rafsi, excluded.unofficial)
"""

UPSERT_DEFINITIONS = """
INSERT INTO definition (language, word, source_id, text, notes, selmaho, username, realname, score, content_hash,
                        type, rafsi, unofficial, jargon, etymology, examples, tags, added_at, changed_at)
SELECT %(language)s, word.id, source_id, text, notes, selmaho, username, realname, score, content_hash,
       staged_entry.type, staged_entry.rafsi, staged_entry.unofficial, jargon, etymology, examples, tags,
       %(now)s, %(now)s
  FROM staged_entry JOIN word ON word.word = staged_entry.word ORDER BY source_id
ON CONFLICT (language, source_id) DO UPDATE
   SET word = excluded.word, text = excluded.text, notes = excluded.notes, selmaho = excluded.selmaho,
       username = excluded.username, realname = excluded.realname, score = excluded.score,
       type = excluded.type, rafsi = excluded.rafsi, unofficial = excluded.unofficial, jargon = excluded.jargon,
       etymology = excluded.etymology, examples = excluded.examples, tags = excluded.tags,
       content_hash = excluded.content_hash, changed_at = excluded.changed_at, gone_at = NULL
"""

DELETE_KEYWORDS = """
DELETE FROM keyword USING definition, staged_entry
 WHERE keyword.definition = definition.id AND definition.language = %(language)s
   AND definition.source_id = staged_entry.source_id
"""

INSERT_KEYWORDS = """
INSERT INTO keyword (language, direction, definition, valsi, text, sense, place, position)
SELECT %(language)s, 'from', definition.id, staged_entry.word, gloss ->> 'text', gloss ->> 'sense',
       (gloss ->> 'place')::smallint, position
  FROM staged_entry
  JOIN definition ON definition.language = %(language)s AND definition.source_id = staged_entry.source_id
 CROSS JOIN LATERAL jsonb_array_elements(content -> 'glosses') WITH ORDINALITY AS listed (gloss, position)
 ORDER BY definition.id, position
"""

# What full text search knows of an entry (migrations/0005), keywords included.
INDEX_DEFINITIONS = """
UPDATE definition SET search = definition_search(definition.id) FROM staged_entry
 WHERE definition.language = %(language)s AND definition.source_id = staged_entry.source_id
"""

INSERT_VERSIONS = """
INSERT INTO definition_version (definition, version, change, bulk, content, recorded_at)
SELECT definition.id,
       1 + coalesce((SELECT max(version) FROM definition_version AS older WHERE older.definition = definition.id), 0),
       change, %(bulk)s, staged_entry.content, %(now)s
  FROM staged_entry
  JOIN definition ON definition.language = %(language)s AND definition.source_id = staged_entry.source_id
 ORDER BY definition.id
"""

WRITE_STAGED = (
    # A temporary table has no statistics, and 20,000 rows joined as if they were a few take 14 s instead of 0.2.
    "ANALYZE staged_entry",
    UPSERT_WORDS,
    UPSERT_DEFINITIONS,
    DELETE_KEYWORDS,
    INSERT_KEYWORDS,
    INDEX_DEFINITIONS,
    INSERT_VERSIONS,
    "DROP TABLE staged_entry",
)

MARK_GONE = "UPDATE definition SET gone_at = %(now)s WHERE id = ANY(%(gone)s)"

# The version of a definition that went keeps what it said last.
INSERT_GONE_VERSIONS = """
INSERT INTO definition_version (definition, version, change, bulk, content, recorded_at)
SELECT DISTINCT ON (definition) definition, version + 1, 'gone', %(bulk)s, content, %(now)s
  FROM definition_version WHERE definition = ANY(%(gone)s)
 ORDER BY definition, version DESC
"""

KNOWN_DEFINITIONS = (
    "SELECT source_id, id, content_hash, gone_at FROM definition WHERE language = %s"
)

KNOWN_REVERSE = (
    "SELECT text, sense, valsi, place, id FROM keyword WHERE language = %s AND direction = 'to'"
)

COPY_REVERSE = "COPY keyword (language, direction, valsi, text, sense, place, position) FROM STDIN"

DELETE_REVERSE = "DELETE FROM keyword WHERE id = ANY(%s)"
