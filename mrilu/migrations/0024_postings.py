"""The messages of each list by date, for pages by list and month."""

# Each part is a transaction of its own, and can be tried again.
atomic = False

BATCH = 20_000

TABLE = """
-- A row for each message and list. `list` is the first half of the md5 of the List-Id ("" for mail of no list), so that
-- no name has to be agreed on: two imports that bring a new list would wait for each other.
CREATE TABLE IF NOT EXISTS posting (
    list bigint NOT NULL,
    sent_at timestamptz NOT NULL,
    message bigint NOT NULL,
    PRIMARY KEY (list, sent_at, message)
);
CREATE OR REPLACE FUNCTION list_number(name text) RETURNS bigint LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS
$$ SELECT ('x' || left(md5(name), 16))::bit(64)::bigint $$;
"""
TRIGGERS = """
CREATE OR REPLACE FUNCTION post_new() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO posting (list, sent_at, message)
    SELECT list_number(name), n.sent_at, n.id
      FROM fresh AS n CROSS JOIN LATERAL unnest(CASE WHEN n.list_ids = '{}' THEN '{""}' ELSE n.list_ids END) AS l (name)
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION post_again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        DELETE FROM posting AS p
         USING unnest(CASE WHEN OLD.list_ids = '{}' THEN '{""}' ELSE OLD.list_ids END) AS l (name)
         WHERE (p.list, p.sent_at, p.message) = (list_number(name), OLD.sent_at, OLD.id);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO posting (list, sent_at, message)
        SELECT list_number(name), NEW.sent_at, NEW.id
          FROM unnest(CASE WHEN NEW.list_ids = '{}' THEN '{""}' ELSE NEW.list_ids END) AS l (name)
        ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER message_post_new AFTER INSERT ON message
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION post_new();
CREATE OR REPLACE TRIGGER message_post_again AFTER UPDATE OF list_ids, sent_at ON message FOR EACH ROW
    WHEN (OLD.list_ids <> NEW.list_ids OR OLD.sent_at <> NEW.sent_at) EXECUTE FUNCTION post_again();
CREATE OR REPLACE TRIGGER message_post_no_more AFTER DELETE ON message FOR EACH ROW EXECUTE FUNCTION post_again();
"""
FILL = """
WITH batch AS (SELECT id, sent_at, list_ids FROM message WHERE id > %s ORDER BY id LIMIT %s), posted AS (
    INSERT INTO posting (list, sent_at, message)
    SELECT list_number(name), b.sent_at, b.id
      FROM batch AS b CROSS JOIN LATERAL unnest(CASE WHEN b.list_ids = '{}' THEN '{""}' ELSE b.list_ids END) AS l (name)
    ON CONFLICT DO NOTHING)
SELECT max(id) FROM batch
"""


def up(migrator, db):
    """Create the table, keep it, and fill it from the messages; `migrator` and `db` come from playhouse.migrations."""
    for sql in (TABLE, TRIGGERS):
        with db.atomic():
            db.execute_sql("SET LOCAL lock_timeout = '1s'")
            db.execute_sql(sql)
    last = 0
    while last is not None:
        with db.atomic():
            last = db.execute_sql(FILL, (last, BATCH)).fetchone()[0]
