"""What tells whether the page of a thread, or of a list's month, has changed, without a look at its messages."""

# Each part is a transaction of its own, and can be tried again.
atomic = False

TABLE = """
-- Who changes a thread writes one of its rows anew: which rows there are, and the transactions (xmin) that wrote them,
-- are its version. A thread without any is as it was made. A row that another transaction holds is passed over, and one
-- more is made: none waits.
CREATE TABLE IF NOT EXISTS thread_version (
    thread bigint NOT NULL,
    part bigint GENERATED ALWAYS AS IDENTITY,
    PRIMARY KEY (thread, part)
);
CREATE OR REPLACE FUNCTION touch_threads(threads bigint[]) RETURNS void LANGUAGE sql AS $$
    WITH wanted AS (
        SELECT DISTINCT w.thread FROM unnest(threads) AS w (thread)
    ), free AS MATERIALIZED (
        SELECT f.thread, f.part FROM wanted AS w CROSS JOIN LATERAL (
            SELECT v.thread, v.part FROM thread_version AS v WHERE v.thread = w.thread
             LIMIT 1 FOR UPDATE SKIP LOCKED) AS f
    ), touched AS (
        UPDATE thread_version AS v SET thread = v.thread FROM free AS f WHERE (v.thread, v.part) = (f.thread, f.part)
        RETURNING v.thread
    )
    INSERT INTO thread_version (thread)
    SELECT thread FROM wanted AS w WHERE NOT EXISTS (SELECT FROM touched AS t WHERE t.thread = w.thread)
$$;
-- The same for months of lists: posting_count's rows are their versions.
CREATE OR REPLACE FUNCTION touch_months(lists bigint[], months date[]) RETURNS void LANGUAGE sql AS $$
    WITH wanted AS (
        SELECT DISTINCT w.list, w.month FROM unnest(lists, months) AS w (list, month)
    ), free AS MATERIALIZED (
        SELECT f.id FROM wanted AS w CROSS JOIN LATERAL (
            SELECT id FROM posting_count AS p WHERE (p.list, p.month) = (w.list, w.month)
             LIMIT 1 FOR UPDATE SKIP LOCKED) AS f
    ), touched AS (
        UPDATE posting_count AS p SET messages = p.messages FROM free AS f WHERE p.id = f.id RETURNING p.list, p.month
    )
    INSERT INTO posting_count (list, month, messages)
    SELECT list, month, 0 FROM wanted AS w
     WHERE NOT EXISTS (SELECT FROM touched AS t WHERE (t.list, t.month) = (w.list, w.month))
$$;
"""
# A thread that this transaction made has been seen by no one.
TRIGGERS = """
CREATE OR REPLACE FUNCTION touch_for_new_messages() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM touch_threads(ARRAY(SELECT l.thread FROM changed JOIN thread_link AS l USING (node)));
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION touch_for_messages() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE lists bigint[]; months date[];
BEGIN
    IF EXISTS (SELECT FROM changed) THEN
        PERFORM touch_threads(ARRAY(SELECT l.thread FROM changed JOIN thread_link AS l USING (node)
                                    UNION ALL SELECT l.thread FROM former JOIN thread_link AS l USING (node)));
        SELECT array_agg(list_number(l.name)), array_agg(date_trunc('month', sent_at AT TIME ZONE 'UTC')::date)
          INTO lists, months
          FROM changed CROSS JOIN LATERAL
               unnest(CASE WHEN list_ids = '{}' THEN '{""}' ELSE list_ids END) AS l (name);
        PERFORM touch_months(lists, months);
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION touch_for_new_links() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM touch_threads(ARRAY(SELECT c.thread FROM changed AS c JOIN thread AS t ON t.id = c.thread
                                 WHERE t.xmin <> pg_current_xact_id()::xid));
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION touch_for_links() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE lists bigint[]; months date[];
BEGIN
    PERFORM touch_threads(ARRAY(SELECT thread FROM changed UNION ALL SELECT thread FROM former));
    SELECT array_agg(list_number(l.name)), array_agg(date_trunc('month', m.sent_at AT TIME ZONE 'UTC')::date)
      INTO lists, months
      FROM changed AS c JOIN message AS m USING (node) CROSS JOIN LATERAL
           unnest(CASE WHEN m.list_ids = '{}' THEN '{""}' ELSE m.list_ids END) AS l (name);
    PERFORM touch_months(lists, months);
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION touch_for_quotes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM touch_threads(ARRAY(SELECT l.thread FROM changed AS q JOIN message AS m ON m.id = q.message
                                  JOIN thread_link AS l ON l.node = m.node));
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER message_touch_new AFTER INSERT ON message
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION touch_for_new_messages();
CREATE OR REPLACE TRIGGER message_touch_gone AFTER DELETE ON message
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION touch_for_new_messages();
CREATE OR REPLACE TRIGGER message_touch AFTER UPDATE ON message
    REFERENCING OLD TABLE AS former NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION touch_for_messages();
CREATE OR REPLACE TRIGGER thread_link_touch_new AFTER INSERT ON thread_link
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION touch_for_new_links();
CREATE OR REPLACE TRIGGER thread_link_touch AFTER UPDATE ON thread_link
    REFERENCING OLD TABLE AS former NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION touch_for_links();
CREATE OR REPLACE TRIGGER quote_touch_new AFTER INSERT ON quote
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION touch_for_quotes();
CREATE OR REPLACE TRIGGER quote_touch_gone AFTER DELETE ON quote
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION touch_for_quotes();
CREATE OR REPLACE TRIGGER quote_touch AFTER UPDATE ON quote
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION touch_for_quotes();
"""


def up(migrator, db):
    """Create the table, and have it kept; `migrator` and `db` come from playhouse.migrations."""
    for sql in (TABLE, TRIGGERS):
        with db.atomic():
            db.execute_sql("SET LOCAL lock_timeout = '1s'")
            db.execute_sql(sql)
