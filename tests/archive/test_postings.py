"""Each message stands at its date on each of its lists, whatever becomes of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import models
from jobs.import_messages import import_messages
from models import Message, Posting
from mrilu.archive.removal import remove_gone_messages
from tests.factories import deliver, mail, make_maildir

EXPECTED = """
SELECT list_number(name), sent_at, id FROM message
 CROSS JOIN LATERAL unnest(CASE WHEN list_ids = '{}' THEN '{""}' ELSE list_ids END) AS l (name) ORDER BY 1, 2, 3
"""


@pytest.fixture
def root(root: Path) -> Path:
    return make_maildir(root)


def is_exact() -> bool:
    kept = models.db.execute_sql("SELECT * FROM posting ORDER BY 1, 2, 3").fetchall()
    return kept == models.db.execute_sql(EXPECTED).fetchall()


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
    assert Posting.select().count() == 0
