"""One index for search that knows words, subjects, dates, senders and lists; and the names that from: and list: find.

Of a common word an index of words alone finds all messages, and each of them is read for its date: of 1,000,000
messages that took 100 ms and more. With the date in the same index, the newest are found without the others.
"""

# Each part is a transaction of its own, and can be tried again. Readers go on while the index is built; writers wait.
# (Built CONCURRENTLY it would wait for a second start, which waits for this one.)
atomic = False

BUILD_MEMORY = "512MB"

NAMES = """
-- Who has written, each once or a few times: two imports at once may both note a sender, and neither waits.
-- A sender stays when the last message has gone; nothing but search reads this.
CREATE TABLE IF NOT EXISTS sender (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key bigint NOT NULL,
    name text NOT NULL,
    address text NOT NULL
);
CREATE INDEX IF NOT EXISTS sender_key ON sender (key);
CREATE INDEX IF NOT EXISTS sender_text ON sender USING gin (name gin_trgm_ops, address gin_trgm_ops);
CREATE TABLE IF NOT EXISTS known_list (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL
);
CREATE OR REPLACE FUNCTION sender_key(name text, address text) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$ SELECT hashtextextended(name || E'\\n' || address, 0) $$;
-- What the index holds of a message beside its words: its sender, whether it has an attachment, and its time in steps
-- of 2, 16, 128 and 1,024 days since 1970. mrilu/search/eras.py knows the numbers. One expression, which is inlined.
CREATE OR REPLACE FUNCTION search_keys(sent_at timestamptz, from_name text, from_address text, has_attachment boolean)
RETURNS bigint[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT CASE WHEN has_attachment THEN '{9895604649984}'::bigint[] ELSE '{}' END || ARRAY[
    hashtextextended(from_name || E'\\n' || from_address, 0),
    floor(date_part('epoch', sent_at AT TIME ZONE 'UTC') / 172800)::bigint,
    1099511627776 + floor(date_part('epoch', sent_at AT TIME ZONE 'UTC') / 1382400)::bigint,
    2199023255552 + floor(date_part('epoch', sent_at AT TIME ZONE 'UTC') / 11059200)::bigint,
    3298534883328 + floor(date_part('epoch', sent_at AT TIME ZONE 'UTC') / 88473600)::bigint]
$$;
"""
TRIGGERS = """
CREATE OR REPLACE FUNCTION note_names() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO sender (key, name, address)
    SELECT key, min(from_name), min(from_address)
      FROM (SELECT sender_key(from_name, from_address) AS key, from_name, from_address FROM fresh) AS n
     WHERE NOT EXISTS (SELECT FROM sender AS s WHERE s.key = n.key) GROUP BY key;
    INSERT INTO known_list (name)
    SELECT DISTINCT l.name FROM fresh CROSS JOIN LATERAL unnest(list_ids) AS l (name)
     WHERE NOT EXISTS (SELECT FROM known_list AS k WHERE k.name = l.name);
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION note_new_names() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO sender (key, name, address)
    SELECT sender_key(NEW.from_name, NEW.from_address), NEW.from_name, NEW.from_address
     WHERE NOT EXISTS (SELECT FROM sender WHERE key = sender_key(NEW.from_name, NEW.from_address));
    INSERT INTO known_list (name)
    SELECT DISTINCT l.name FROM unnest(NEW.list_ids) AS l (name)
     WHERE NOT EXISTS (SELECT FROM known_list AS k WHERE k.name = l.name);
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER message_names AFTER INSERT ON message
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION note_names();
CREATE OR REPLACE TRIGGER message_names_again AFTER UPDATE OF from_name, from_address, list_ids ON message
    FOR EACH ROW WHEN (OLD.from_name <> NEW.from_name OR OLD.from_address <> NEW.from_address
                       OR OLD.list_ids <> NEW.list_ids) EXECUTE FUNCTION note_new_names();
"""
FILL = """
INSERT INTO sender (key, name, address)
SELECT key, name, address
  FROM (SELECT DISTINCT ON (key) sender_key(from_name, from_address) AS key, from_name AS name, from_address AS address
          FROM message) AS n
 WHERE NOT EXISTS (SELECT FROM sender AS s WHERE s.key = n.key);
INSERT INTO known_list (name)
SELECT DISTINCT l.name FROM message CROSS JOIN LATERAL unnest(list_ids) AS l (name)
 WHERE NOT EXISTS (SELECT FROM known_list AS k WHERE k.name = l.name)
"""
KEYS = "search_keys(sent_at, from_name, from_address, has_attachment)"
BUILD = f"""
CREATE INDEX message_found ON message USING gin (search, ts_filter(search, '{{a}}'), {KEYS}, list_ids)
  WITH (gin_pending_list_limit = 4096)
"""
TAKE_ITS_PLACE = """
DROP INDEX IF EXISTS message_search, message_subject;
ALTER INDEX message_found RENAME TO message_search
"""


def up(migrator, db):
    """Note the names, build the index beside the two that it stands for, and drop these."""
    for sql in (NAMES, TRIGGERS):
        with db.atomic():
            db.execute_sql("SET LOCAL lock_timeout = '1s'")
            db.execute_sql(sql.replace("%", "%%"))
    with db.atomic():
        db.execute_sql(FILL)
    if _is_there(db, "message_subject"):
        if not _is_there(db, "message_found"):
            with db.atomic():
                db.execute_sql(f"SET LOCAL maintenance_work_mem = '{BUILD_MEMORY}'")
                db.execute_sql(BUILD)
        with db.atomic():
            db.execute_sql("SET LOCAL lock_timeout = '1s'")
            db.execute_sql(TAKE_ITS_PLACE)
    # How common words of subjects are, and how many messages a time has, is known from now on.
    db.execute_sql("ANALYZE message")


def _is_there(db, name):
    return db.execute_sql("SELECT to_regclass(%s)", (name,)).fetchone()[0] is not None
