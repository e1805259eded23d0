"""The quote graph: which lines of a message came from which passage of another one, and which are to be looked at."""

# Each part is a transaction of its own, and can be tried again.
atomic = False

BATCH = 20_000

TABLES = """
-- start, stop: characters of the message's body; source_start, source_stop: of the source's. No foreign keys: who
-- writes a link must not lock rows of messages that an import may want.
CREATE TABLE IF NOT EXISTS quote (
    message bigint NOT NULL,
    start integer NOT NULL,
    stop integer NOT NULL,
    source bigint NOT NULL,
    source_start integer NOT NULL,
    source_stop integer NOT NULL,
    passage smallint NOT NULL,
    last_passage smallint NOT NULL,
    whole boolean NOT NULL,
    answered boolean NOT NULL,
    PRIMARY KEY (message, start)
);
CREATE INDEX IF NOT EXISTS quote_source ON quote (source);
-- Messages to be looked at: new ones and those whose text changed (`again` is false), and those whose source may have
-- come. `xid` wrote the message; `tries` goes up before each try: what ends a process goes behind all others.
CREATE TABLE IF NOT EXISTS quote_wait (
    message bigint PRIMARY KEY,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    again boolean NOT NULL DEFAULT false,
    tries smallint NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS quote_wait_next ON quote_wait (tries, message DESC);
-- Messages with quotations, how many of these have no source, and which other messages were seen by then.
CREATE TABLE IF NOT EXISTS quote_sought (
    message bigint PRIMARY KEY,
    unfound integer NOT NULL,
    seen pg_snapshot NOT NULL
);
"""
TRIGGERS = """
CREATE OR REPLACE FUNCTION quote_wait_new() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO quote_wait (message) SELECT id FROM fresh ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION quote_wait_again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO quote_wait (message) VALUES (NEW.id)
    ON CONFLICT (message) DO UPDATE SET xid = excluded.xid, again = false, tries = 0;
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION quote_forget() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM quote AS q USING gone WHERE q.message = gone.id;
    DELETE FROM quote AS q USING gone WHERE q.source = gone.id;
    DELETE FROM quote_wait AS w USING gone WHERE w.message = gone.id;
    DELETE FROM quote_sought AS s USING gone WHERE s.message = gone.id;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER message_quote_wait_new AFTER INSERT ON message
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION quote_wait_new();
CREATE OR REPLACE TRIGGER message_quote_wait_again AFTER UPDATE OF text_state ON message FOR EACH ROW
    WHEN (OLD.text_state IS DISTINCT FROM NEW.text_state) EXECUTE FUNCTION quote_wait_again();
CREATE OR REPLACE TRIGGER message_quote_forget AFTER DELETE ON message
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION quote_forget();
"""
FILL = """
WITH batch AS (SELECT id FROM message WHERE id > %s ORDER BY id LIMIT %s), waiting AS (
    INSERT INTO quote_wait (message) SELECT id FROM batch ON CONFLICT DO NOTHING)
SELECT max(id) FROM batch
"""


def up(migrator, db):
    """Create the tables, keep them, and let all messages wait; `migrator` and `db` come from playhouse.migrations."""
    for sql in (TABLES, TRIGGERS):
        with db.atomic():
            db.execute_sql("SET LOCAL lock_timeout = '1s'")
            db.execute_sql(sql)
    last = 0
    while last is not None:
        with db.atomic():
            last = db.execute_sql(FILL, (last, BATCH)).fetchone()[0]
