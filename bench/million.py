"""A database of as many messages as asked for, made by SQL: what migrations and scrapes are measured on."""

from __future__ import annotations

from psycopg import Connection

# As long as mails of lists are in the median; the words differ, so that the index is one of real size.
MESSAGES = """
INSERT INTO message (identity, message_id, message_id_derived, node, subject, cleaned_subject, subject_key, orphan,
    from_name, from_address, to_addresses, cc_addresses, sent_at, date_source, list_ids, in_reply_to, reference_ids,
    body, own_spans, parts, has_attachment, signed, encrypted, defects, parser_version, search)
SELECT md5(n::text)::uuid, n || '@lists.example', false, hashint8extended(n, 1), 'subject ' || n, 'subject ' || n,
    hashint8extended(n / 5, 2), n %% 5 = 0, 'Somebody', (n %% 3000) || '@people.example', '[]', '[]',
    timestamptz '2005-01-01' + n * interval '10 minutes', 'date', ARRAY['list' || n %% 20], '{}', '{}',
    repeat(md5(n::text) || ' some words of a mail ', 24), ARRAY[0, 600], '[]', false, false, false, '{}', 1,
    to_tsvector('simple', md5((n / 7)::text) || ' ' || md5((n %% 5000)::text) || ' words of a mail')
  FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
"""
LOCATIONS = """
INSERT INTO location (maildir, folder, unique_name, subdir, name, flags, size, message, copy)
SELECT 1, '.list' || id % 20, id || '.host', 'cur', id || '.host:2,S', 'S', 2000, id, false FROM message
"""
LINKS = "INSERT INTO thread_link (node, thread) SELECT DISTINCT node, id / 5 FROM message ON CONFLICT DO NOTHING"
RUNS = """
INSERT INTO job_run (job, rq_id, started_at, ended_at, outcome, counts)
SELECT 'import_messages', n::text, now() - n * interval '30 seconds', now() - n * interval '30 seconds', 'done',
       '{"imported": 3, "rejected": 1}'
  FROM generate_series(1, %(runs)s::bigint) AS n
"""
BATCH = 100_000


def fill(connection: Connection, messages: int, runs: int) -> None:
    """Make messages with a file each, their threads, and runs of jobs; the schema may be that of any step."""
    connection.execute(
        "INSERT INTO maildir (name, root, kind) VALUES ('bench', '/nonexistent', 'maildir')"
    )
    for first in range(1, messages + 1, BATCH):
        connection.execute(MESSAGES, {"first": first, "last": min(messages, first + BATCH - 1)})
        print(f"  {min(messages, first + BATCH - 1):,} messages", flush=True)
    connection.execute(LOCATIONS)
    connection.execute(LINKS)
    connection.execute(RUNS, {"runs": runs})
    connection.execute("VACUUM ANALYZE")
