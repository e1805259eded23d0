"""A file that was read before it was whole is read again, whoever notices it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import models
from jobs import import_messages as job
from jobs.check_new_mail import check_new_mail
from jobs.import_messages import import_messages
from models import Location, Maildir, Message, Rejected
from mrilu.archive import store
from mrilu.archive.ledger import balance, difference
from mrilu.archive.removal import remove_gone_messages
from mrilu.maildir.presence import OutOfReach
from mrilu.queues.queues import queued_paths
from tests.factories import deliver, mail

pytestmark = pytest.mark.usefixtures("redis_client")

WHOLE = mail("<grow@x>", body="the earlybird half\n" + "and the latecomer half\n" * 3)
HALF = WHOLE[: WHOLE.index(b"and the latecomer")]


def is_whole() -> bool:
    return Message.get(Message.message_id == "grow@x").body.count("latecomer") == 3


def grow(root: Path, path: str, raw: bytes = WHOLE, mtime: float | None = None) -> None:
    (root / path).write_bytes(raw)
    if mtime is not None:
        os.utime(root / path, (mtime, mtime))


@pytest.mark.parametrize("mtime", [None, 1_000_000_000.0])
def test_a_file_that_grew_is_a_difference_and_is_healed(root, mtime):
    """An mtime that is kept (rsync -t, cp -p) is older than the reading."""
    path = deliver(root, HALF)
    import_messages("test", [path])
    grow(root, path, mtime=mtime)
    found = difference(models.db, root, "test")
    assert (found.changed, found.unknown, found.vanished) == ([path], [], [])
    assert not balance(models.db, Maildir.get(), set()).level
    assert check_new_mail()["changed"] == 1 and queued_paths() == {"test": {path}}
    import_messages("test", [path])
    assert is_whole() and difference(models.db, root, "test").paths == []


def test_other_bytes_of_the_same_length_are_a_difference(root):
    path = deliver(root, mail("<grow@x>", body="aaaa\n"))
    import_messages("test", [path])
    grow(root, path, mail("<grow@x>", body="bbbb\n"), (root / path).stat().st_mtime + 1)
    assert difference(models.db, root, "test").changed == [path]
    import_messages("test", [path])
    assert Message.get().body == "bbbb"


def test_a_rejected_file_that_grew_is_a_difference(root):
    path = deliver(root, b"")
    import_messages("test", [path])
    assert Rejected.get().reason == "empty" and difference(models.db, root, "test").paths == []
    grow(root, path)
    assert difference(models.db, root, "test").changed == [path]
    import_messages("test", [path])
    assert is_whole() and Rejected.select().count() == 0


def test_a_move_and_a_flag_are_no_difference(root):
    path = deliver(root, WHOLE)
    import_messages("test", [path])
    moved = path.replace("new/", "cur/") + ":2,S"
    (root / path).rename(root / moved)
    import_messages("test", [moved, path])
    assert difference(models.db, root, "test").paths == []


def test_a_file_that_is_written_while_it_is_stored_is_read_again_at_once(root, monkeypatch):
    path = deliver(root, HALF)
    real = store.store_mails

    def written(*arguments):
        stored = real(*arguments)
        if (root / path).stat().st_size < len(WHOLE):
            grow(root, path)
        return stored

    monkeypatch.setattr(job, "store_mails", written)
    assert import_messages("test", [path])["updated"] == 1
    assert is_whole() and difference(models.db, root, "test").paths == []


def test_a_file_that_does_not_rest_is_tried_again_later(root, monkeypatch):
    path = deliver(root, HALF)
    real = store.store_mails

    def written(*arguments):
        with (root / path).open("ab") as stream:
            stream.write(b"more\n")
        return real(*arguments)

    monkeypatch.setattr(job, "store_mails", written)
    with pytest.raises(OutOfReach, match="being written"):
        import_messages("test", [path])


def test_rows_of_an_earlier_version_are_compared_by_size_and_time(root, database):
    path = deliver(root, HALF)
    import_messages("test", [path])
    database.execute_sql("UPDATE location SET mtime = NULL")
    assert difference(models.db, root, "test").paths == []
    grow(root, path)
    assert difference(models.db, root, "test").changed == [path]


@pytest.mark.parametrize("order", ["whole first", "half gone first"])
def test_a_mail_that_was_delivered_again_whole_under_another_name_gives_its_text(root, order):
    half = deliver(root, HALF)
    import_messages("test", [half])
    if order == "whole first":
        whole = deliver(root, WHOLE)
        import_messages("test", [whole])
        (root / half).unlink()
        import_messages("test", [half])
    else:
        (root / half).unlink()
        import_messages("test", [half])
        whole = deliver(root, WHOLE)
        import_messages("test", [whole])
    assert is_whole() and difference(models.db, root, "test").paths == []
    row = Location.get(Location.gone_at.is_null())
    assert (row.path(), row.copy) == (whole, False)


def test_a_mail_that_was_copied_elsewhere_as_it_is_is_not_read_again(root, database, monkeypatch):
    first = deliver(root, WHOLE)
    import_messages("test", [first])
    second = deliver(root, WHOLE)
    import_messages("test", [second])
    monkeypatch.setattr("mrilu.archive.read.read_bytes", None)
    (root / first).unlink()
    import_messages("test", [first])
    assert Location.get(Location.gone_at.is_null()).mtime == (root / second).stat().st_mtime
    assert remove_gone_messages(database, grace=0) == 0
