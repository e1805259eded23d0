"""Notes which senders and lists a message has left, so that names which no message has any more are forgotten.

`mrilu/archive/left_names.py` looks at them. Imports note nothing here: only messages that go or change do.
"""

# Each part is a transaction of its own, and can be tried again.
atomic = False

TABLE = """
-- What a message no longer has: a sender's key, or a list.
CREATE TABLE IF NOT EXISTS doubted_name (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sender bigint,
    list text
);
"""
TRIGGERS = """
CREATE OR REPLACE FUNCTION doubt_names() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO doubted_name (sender) SELECT DISTINCT sender_key(from_name, from_address) FROM past;
    INSERT INTO doubted_name (list) SELECT DISTINCT l.name FROM past CROSS JOIN LATERAL unnest(list_ids) AS l (name);
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION doubt_old_names() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO doubted_name (sender) SELECT sender_key(OLD.from_name, OLD.from_address)
     WHERE OLD.from_name <> NEW.from_name OR OLD.from_address <> NEW.from_address;
    INSERT INTO doubted_name (list) SELECT unnest(OLD.list_ids) EXCEPT SELECT unnest(NEW.list_ids);
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER message_names_gone AFTER DELETE ON message
    REFERENCING OLD TABLE AS past FOR EACH STATEMENT EXECUTE FUNCTION doubt_names();
CREATE OR REPLACE TRIGGER message_names_left AFTER UPDATE OF from_name, from_address, list_ids ON message
    FOR EACH ROW WHEN (OLD.from_name <> NEW.from_name OR OLD.from_address <> NEW.from_address
                       OR OLD.list_ids <> NEW.list_ids) EXECUTE FUNCTION doubt_old_names();
"""
# Names that were left before this step.
FILL = """
INSERT INTO doubted_name (sender)
SELECT key FROM sender EXCEPT SELECT sender_key(from_name, from_address) FROM message;
INSERT INTO doubted_name (list)
SELECT name FROM known_list EXCEPT SELECT unnest(list_ids) FROM message
"""


def up(migrator, db):
    """Make the table and its triggers, and doubt the names that no message has."""
    for sql in (TABLE, TRIGGERS):
        with db.atomic():
            db.execute_sql("SET LOCAL lock_timeout = '1s'")
            db.execute_sql(sql.replace("%", "%%"))
    with db.atomic():
        db.execute_sql(FILL)
