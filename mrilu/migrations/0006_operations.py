"""Running totals for the metrics, which outlive the rows that they count; an index of rejected files that are gone."""

STATEMENTS = """
-- name and label say what is counted of a job: runs and seconds by outcome, items by what the run counted, lag by
-- bucket (upper bound in seconds). shard: two workers that count the same must not wait for each other's commit.
CREATE TABLE total (
    name text NOT NULL,
    job text NOT NULL,
    label text NOT NULL,
    shard smallint NOT NULL,
    value double precision NOT NULL,
    PRIMARY KEY (name, job, label, shard)
) WITH (fillfactor = 50);

-- Rows go in sorted, so that two that count the same take the locks in one order.
CREATE FUNCTION count_job_run() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO total (name, job, label, shard, value)
    SELECT counted.name, NEW.job, counted.label, pg_backend_pid() % 16, counted.value
      FROM (SELECT 'runs' AS name, NEW.outcome AS label, 1::double precision AS value
            UNION ALL
            SELECT 'seconds', NEW.outcome, greatest(0, extract(epoch FROM NEW.ended_at - NEW.started_at))
            UNION ALL
            SELECT 'succeeded_at', '', extract(epoch FROM NEW.ended_at) WHERE NEW.outcome = 'done'
            UNION ALL
            SELECT 'items', key, (value #>> '{}')::double precision FROM jsonb_each(NEW.counts)
             WHERE jsonb_typeof(value) = 'number') AS counted
     WHERE counted.value IS NOT NULL
     ORDER BY 1, 2, 3
    ON CONFLICT (name, job, label, shard) DO UPDATE
       SET value = CASE excluded.name WHEN 'succeeded_at' THEN greatest(total.value, excluded.value)
                   ELSE total.value + excluded.value END;
    RETURN NULL;
END
$$;
CREATE TRIGGER job_run_began_and_ended AFTER INSERT ON job_run
   FOR EACH ROW WHEN (NEW.outcome <> 'running') EXECUTE FUNCTION count_job_run();
CREATE TRIGGER job_run_ended AFTER UPDATE OF outcome ON job_run
   FOR EACH ROW WHEN (OLD.outcome = 'running' AND NEW.outcome <> 'running') EXECUTE FUNCTION count_job_run();

-- What ran before; the triggers' lock keeps writers of job_run out until this is committed.
INSERT INTO total (name, job, label, shard, value)
SELECT 'runs', job, outcome, 0, count(*) FROM job_run WHERE outcome <> 'running' GROUP BY job, outcome
UNION ALL
SELECT 'seconds', job, outcome, 0, coalesce(sum(greatest(0, extract(epoch FROM ended_at - started_at))), 0)
  FROM job_run WHERE outcome <> 'running' GROUP BY job, outcome
UNION ALL
SELECT 'succeeded_at', job, '', 0, extract(epoch FROM max(ended_at))
  FROM job_run WHERE outcome = 'done' AND ended_at IS NOT NULL GROUP BY job
UNION ALL
SELECT 'items', job, key, 0, sum((value #>> '{}')::double precision)
  FROM job_run CROSS JOIN LATERAL jsonb_each(counts)
 WHERE outcome <> 'running' AND jsonb_typeof(value) = 'number' GROUP BY job, key;

CREATE INDEX rejected_gone ON rejected (gone_at) WHERE gone_at IS NOT NULL;
"""


def up(migrator, db):
    """Create everything; `migrator` and `db` come from playhouse.migrations."""
    db.execute_sql(STATEMENTS.replace("%", "%%"))
