"""What a scrape asks PostgreSQL: one statement, a part for each metric, none of which looks at every message."""

from __future__ import annotations

from collections import defaultdict

from psycopg import Connection

Samples = dict[str, list[tuple[tuple[str, ...], float]]]

# Each part gives rows of labels (text[]) and a value, or none where there is nothing to say. Counters
# begin at 0: Prometheus takes the first value that it sees for old, so that a first failure at 1 would be no increase.
PARTS = {
    "job_runs_total": """
        SELECT ARRAY[job, label] AS labels, sum(value) AS value
          FROM (SELECT job, label, value FROM total WHERE name = 'runs'
                UNION ALL
                SELECT job, outcome, 0
                  FROM (SELECT job FROM total WHERE name = 'runs' UNION SELECT 'import_messages') AS known
                 CROSS JOIN (VALUES ('done'), ('failed')) AS ended (outcome)) AS run GROUP BY 1""",
    "job_run_seconds_total": """
        SELECT ARRAY[job, label] AS labels, sum(value) AS value FROM total WHERE name = 'seconds' GROUP BY 1""",
    "job_items_total": """
        SELECT ARRAY[job, label] AS labels, sum(value) AS value FROM total WHERE name = 'items' GROUP BY 1""",
    "job_running_seconds": """
        SELECT ARRAY[job] AS labels, extract(epoch FROM now() - started_at) AS value
          FROM job_run WHERE outcome = 'running'""",
    "job_last_success_timestamp_seconds": """
        SELECT ARRAY[job] AS labels, max(value) AS value FROM total WHERE name = 'succeeded_at' GROUP BY 1""",
    "mails_total": """
        SELECT ARRAY[result] AS labels, coalesce(sum(value), 0) AS value
          FROM unnest('{imported,copies,rejected,moved,gone,vanished}'::text[]) AS known (result)
          LEFT JOIN total ON (name, job, label) = ('items', 'import_messages', result) GROUP BY 1""",
    "import_lag_seconds": """
        SELECT ARRAY[label] AS labels, sum(value) AS value FROM total WHERE name = 'lag' GROUP BY 1""",
    # count(*) would read the table; autovacuum's estimate is free.
    "messages": """
        SELECT '{}'::text[] AS labels, greatest(reltuples, 0) AS value FROM pg_class WHERE oid = 'message'::regclass""",
    "rejected_files": """
        SELECT ARRAY[reason] AS labels, count(*) AS value FROM rejected WHERE gone_at IS NULL GROUP BY 1""",
    "export_age_seconds": """
        SELECT ARRAY[tag, format] AS labels, extract(epoch FROM now() - built_at) AS value
          FROM cached_export AS e JOIN language AS l ON l.id = e.language""",
    "exports_failed": "SELECT '{}'::text[] AS labels, count(*) AS value FROM failed_export",
    "notifications": """
        SELECT ARRAY[state] AS labels, value
          FROM (SELECT count(*) FILTER (WHERE lease IS NULL) AS waiting, count(lease) AS sending
                  FROM notification WHERE state = 'waiting') AS one
         CROSS JOIN LATERAL (VALUES ('waiting', waiting), ('sending', sending)) AS row (state, value)""",
    "notifications_total": """
        SELECT ARRAY[result] AS labels, coalesce(sum(value), 0) AS value
          FROM unnest('{sent,dead,cancelled,retried,capped}'::text[]) AS known (result)
          LEFT JOIN total ON (name, job, label) = ('items', 'send_notifications', result) GROUP BY 1""",
    "notification_oldest_seconds": """
        SELECT '{}'::text[] AS labels, coalesce(extract(epoch FROM now() - min(created_at)), 0) AS value
          FROM notification WHERE state = 'waiting'""",
    # Of a gathered digest only the first row is tried, and put off: the others' times say nothing.
    "notification_overdue_seconds": """
        SELECT '{}'::text[] AS labels,
               greatest(0, coalesce(extract(epoch FROM now() - min(next_attempt_at)), 0)) AS value
          FROM notification AS n LEFT JOIN subscriber AS r ON r.id = n.subscriber
         WHERE state = 'waiting' AND (n.mail IS NULL OR n.mail = n.id)
           AND NOT EXISTS (SELECT FROM recipient_pause AS p WHERE p.until > now()
               AND p.recipient IN (lower(r.address), split_part(lower(r.address), '@', -1)))""",
    "notifications_paused": """
        SELECT '{}'::text[] AS labels, count(*) AS value FROM notification_pause WHERE until > now()""",
}
STATEMENT = " UNION ALL ".join(
    f"SELECT '{name}', labels, value::double precision FROM ({part}) AS part"  # noqa: S608 - all of it is ours
    for name, part in PARTS.items()
)


def gather(connection: Connection) -> Samples:
    """Return the samples (labels, value) of each metric that PostgreSQL knows of, by the metric's name."""
    found: Samples = defaultdict(list)
    for name, labels, value in connection.execute(STATEMENT):
        found[name].append((tuple(labels), value))
    return found
