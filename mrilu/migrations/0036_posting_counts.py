"""How many messages each list has in each month, kept as they come and go: a page of a list counts nothing."""

# Each part is a transaction of its own, and can be tried again.
atomic = False

TABLE = """
-- The sum over the rows of a list and a month counts. Two imports at once count in rows of their own: none waits.
CREATE TABLE IF NOT EXISTS posting_count (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    list bigint NOT NULL,
    month date NOT NULL,
    messages bigint NOT NULL
);
CREATE INDEX IF NOT EXISTS posting_count_list_month ON posting_count (list, month);
CREATE OR REPLACE FUNCTION count_postings() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    WITH change AS (
        SELECT list, date_trunc('month', sent_at AT TIME ZONE 'UTC')::date AS month,
               count(*) * CASE TG_OP WHEN 'INSERT' THEN 1 ELSE -1 END AS messages
          FROM moved GROUP BY 1, 2
    ), free AS (
        SELECT c.messages, f.id FROM change AS c CROSS JOIN LATERAL (
            SELECT id FROM posting_count AS p WHERE (p.list, p.month) = (c.list, c.month)
             LIMIT 1 FOR UPDATE SKIP LOCKED) AS f
    ), counted AS (
        UPDATE posting_count AS p SET messages = p.messages + free.messages FROM free WHERE p.id = free.id
        RETURNING p.list, p.month
    )
    INSERT INTO posting_count (list, month, messages)
    SELECT list, month, messages FROM change AS c
     WHERE NOT EXISTS (SELECT FROM counted AS k WHERE (k.list, k.month) = (c.list, c.month));
    RETURN NULL;
END $$;
"""
# The lock that a trigger takes keeps writers out until all is counted, and no reader.
COUNT = """
CREATE OR REPLACE TRIGGER posting_count_more AFTER INSERT ON posting
    REFERENCING NEW TABLE AS moved FOR EACH STATEMENT EXECUTE FUNCTION count_postings();
CREATE OR REPLACE TRIGGER posting_count_fewer AFTER DELETE ON posting
    REFERENCING OLD TABLE AS moved FOR EACH STATEMENT EXECUTE FUNCTION count_postings();
DELETE FROM posting_count;
INSERT INTO posting_count (list, month, messages)
SELECT list, date_trunc('month', sent_at AT TIME ZONE 'UTC')::date, count(*) FROM posting GROUP BY 1, 2
"""


def up(migrator, db):
    """Create the table, and count what is there; `migrator` and `db` come from playhouse.migrations."""
    for sql in (TABLE, COUNT):
        with db.atomic():
            db.execute_sql("SET LOCAL lock_timeout = '1s'")
            db.execute_sql(sql)
