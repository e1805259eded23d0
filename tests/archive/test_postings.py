"""Each message stands at its date on each of its lists, whatever becomes of it."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path

import psycopg
import pytest

import models
from jobs.import_messages import import_messages
from models import Message, Posting, PostingCount
from mrilu.archive.removal import remove_gone_messages
from mrilu.service.postgres import Cluster
from tests.factories import deliver, mail, make_maildir

EXPECTED = """
SELECT list_number(name), sent_at, id FROM message
 CROSS JOIN LATERAL unnest(CASE WHEN list_ids = '{}' THEN '{""}' ELSE list_ids END) AS l (name) ORDER BY 1, 2, 3
"""
COUNTS = """
SELECT list, month, sum(messages)::bigint FROM posting_count GROUP BY 1, 2 HAVING sum(messages) <> 0 ORDER BY 1, 2
"""
EXPECTED_COUNTS = """
SELECT list, date_trunc('month', sent_at AT TIME ZONE 'UTC')::date, count(*) FROM posting GROUP BY 1, 2 ORDER BY 1, 2
"""


@pytest.fixture
def root(root: Path) -> Path:
    return make_maildir(root)


def is_exact() -> bool:
    kept = models.db.execute_sql("SELECT * FROM posting ORDER BY 1, 2, 3").fetchall()
    return is_counted() and kept == models.db.execute_sql(EXPECTED).fetchall()


def is_counted() -> bool:
    kept = models.db.execute_sql(COUNTS).fetchall()
    return kept == models.db.execute_sql(EXPECTED_COUNTS).fetchall()


def test_mail_with_and_without_a_list_is_posted(root: Path) -> None:
    paths = [deliver(root, mail(list_id="<tea.x>")), deliver(root, mail())]
    import_messages("test", paths)
    assert Posting.select().count() == 2 and is_exact()


def test_a_copy_from_another_list_is_posted_there_too(root: Path) -> None:
    for name in ("<tea.x>", "<milk.x>"):
        import_messages("test", [deliver(root, mail("<one@x>", list_id=name))])
    assert Posting.select().count() == 2 and is_exact()


def test_a_file_that_is_read_again_moves_its_posting(root: Path) -> None:
    path = deliver(root, mail("<one@x>", list_id="<tea.x>"))
    import_messages("test", [path])
    (root / path).write_bytes(mail("<one@x>", list_id="<milk.x>", body="more\n"))
    os.utime(root / path, (2_000_000_000, 2_000_000_000))
    import_messages("test", [path])
    assert Message.get().list_ids == ["milk.x"] and Posting.select().count() == 1 and is_exact()


def test_a_message_that_goes_leaves_no_posting(root: Path) -> None:
    path = deliver(root, mail(list_id="<tea.x>"))
    import_messages("test", [path])
    (root / path).unlink()
    import_messages("test", [path])
    assert remove_gone_messages(models.db, grace=0) == 1
    assert Posting.select().count() == 0 and is_exact()


def test_months_are_counted_in_utc(root: Path) -> None:
    late = deliver(root, mail(date="Fri, 31 Oct 2025 23:30:00 -0500"))
    import_messages("test", [late, deliver(root, mail(date="Fri, 31 Oct 2025 23:30:00 +0000"))])
    months = [str(row.month) for row in PostingCount.select().order_by(PostingCount.month)]
    assert months == ["2025-10-01", "2025-11-01"] and is_exact()


def test_two_imports_at_once_count_without_waiting_for_each_other(
    root: Path, cluster: Cluster
) -> None:
    import_messages("test", [deliver(root, mail())])
    post = "INSERT INTO posting SELECT list, sent_at + %s * interval '1 s', message FROM posting LIMIT 1"
    with psycopg.connect(cluster.url) as one, psycopg.connect(cluster.url) as other:
        one.execute(post, (1,))
        other.execute("SET lock_timeout = '1s'")
        other.execute(post, (2,))
        one.execute(post, (3,))
        other.commit()
        one.rollback()
    assert models.db.execute_sql(COUNTS).fetchall()[0][2] == 2 and is_counted()
    models.db.execute_sql("DELETE FROM posting")
    assert is_counted() and Posting.select().count() == 0


def test_the_count_of_older_rows_is_made_once_and_can_be_made_again(root: Path) -> None:
    import_messages("test", [deliver(root, mail(list_id="<tea.x>")), deliver(root, mail())])
    step = import_module("mrilu.migrations.0036_posting_counts")
    for _ in range(2):
        step.up(None, models.db)
        assert is_exact()
    import_messages("test", [deliver(root, mail(list_id="<tea.x>"))])
    assert PostingCount.select().count() == 2 and is_exact()
