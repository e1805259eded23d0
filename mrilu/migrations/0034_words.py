"""What pages of words ask: words by letters, definitions that mention a word, sentences that have it."""

# Each part is a transaction of its own, and can be tried again. Indexes on small tables: readers go on.
atomic = False

ORDER = """
-- ".a'o" stands among the words with a: the dot is before every vowel at a word's beginning, written or not.
CREATE INDEX IF NOT EXISTS word_in_order ON word ((ltrim(lower(word), '.') COLLATE "C"), (word COLLATE "C"));
"""
MENTIONS = r"""
-- The words that a definition or its notes have in braces, as jbovlaste writes references.
CREATE OR REPLACE FUNCTION mentions(wanted text) RETURNS text[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
SELECT ARRAY(SELECT DISTINCT left(trim(one, ' .()*'), 100)
               FROM regexp_matches(wanted, '\{([^{}$\n]{1,160})\}', 'g') AS found (parts)
              CROSS JOIN LATERAL regexp_split_to_table(parts[1], '\s+') AS one)
$$;
CREATE INDEX IF NOT EXISTS definition_mentions ON definition USING gin (mentions(text || ' ' || notes));
"""
# "simple": no word of Lojban is stemmed, or too common.
SENTENCES = """
CREATE INDEX IF NOT EXISTS sentence_words ON sentence
    USING gin (to_tsvector('simple', folded(translate(lojban, '.,?!/', '     '))));
"""


def up(migrator, db):
    """Create the indexes; `migrator` and `db` come from playhouse.migrations."""
    for part in (ORDER, MENTIONS, SENTENCES):
        with db.atomic():
            db.execute_sql(part.replace("%", "%%"))
