"""An mbox or a single mail is unpacked in groups, as old as it is, and goes in in the meantime."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jobs.import_messages import import_messages
from models import Maildir, Message
from mrilu.cli import importing, sources
from mrilu.queues.queues import MAIL, queue, queued_paths
from tests.factories import mail

OLD = datetime(2003, 5, 6, 7, 8, 9, tzinfo=UTC)
FROM_LINE = "From mirli@lists.example Mon Oct  6 09:12:44 1997\n"


def old_file(path: Path, raw: bytes) -> Path:
    path.write_bytes(raw)
    os.utime(path, (OLD.timestamp(), OLD.timestamp()))
    return path


def mbox(path: Path, count: int) -> Path:
    path.write_bytes(
        b"".join(FROM_LINE.encode() + mail(f"<{number}@x>") + b"\n" for number in range(count))
    )
    return path


def unpack(file: Path, tmp_path: Path) -> Message:
    """Unpack and import a file that holds one mail; return its message."""
    maildir, paths = importing.unpack_and_offer(file, tmp_path / "unpacked", 500)
    import_messages(maildir.name, paths)
    return Message.get()


def test_a_mail_without_a_date_is_as_old_as_its_file(tmp_path, database, redis_client):
    found = unpack(old_file(tmp_path / "letter.eml", mail(date=None)), tmp_path)
    assert (found.sent_at, found.date_source) == (OLD, "mtime")


def test_a_mail_without_a_date_in_an_mbox_is_as_old_as_its_from_line(
    tmp_path, database, redis_client
):
    found = unpack(old_file(tmp_path / "box", FROM_LINE.encode() + mail(date=None)), tmp_path)
    assert (found.sent_at, found.date_source) == (
        datetime(1997, 10, 6, 9, 12, 44, tzinfo=UTC),
        "x-from-space-date",
    )
    (file,) = (tmp_path / "unpacked" / "box" / "new").iterdir()
    assert file.stat().st_mtime == found.sent_at.timestamp()


def test_what_is_unpacked_is_offered_before_the_rest_is_read(
    tmp_path, database, redis_client, monkeypatch
):
    seen = []
    submit = importing.submit_import

    def note(maildir, paths, live):
        seen.append(len(list((tmp_path / "unpacked" / "box" / "new").iterdir())))
        submit(maildir, paths, live=live)

    monkeypatch.setattr(importing, "submit_import", note)
    maildir, paths = importing.unpack_and_offer(mbox(tmp_path / "box", 7), tmp_path / "unpacked", 3)
    assert seen == [3, 6, 7]
    assert len(paths) == 7 and queued_paths() == {maildir.name: set(paths)}


def test_an_unpacking_that_was_broken_off_goes_on_and_leaves_nothing_out(
    tmp_path, database, redis_client, monkeypatch
):
    box = mbox(tmp_path / "box", 7)

    def die(maildir, paths, live):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(importing, "submit_import", die)
        importing.unpack_and_offer(box, tmp_path / "unpacked", 3)
    maildir, paths = importing.unpack_and_offer(box, tmp_path / "unpacked", 3)
    assert len(paths) == len(set(paths)) == 7
    assert import_messages(maildir.name, paths)["imported"] == 7
    assert Maildir.select().count() == 1


def test_each_mail_is_on_the_disk_before_it_is_in_the_maildir(tmp_path, monkeypatch):
    synced: list[str] = []
    sync, rename = sources._sync, Path.rename

    def noted_sync(path):
        synced.append(path.name)
        sync(path)

    def noted_rename(self, target):
        assert self.name in synced
        return rename(self, target)

    monkeypatch.setattr(sources, "_sync", noted_sync)
    monkeypatch.setattr(Path, "rename", noted_rename)
    groups = list(sources.unpack_in_groups(mbox(tmp_path / "box", 5), tmp_path / "unpacked", 2))
    assert [group.mails for group in groups] == [2, 2, 1]
    assert synced.count("new") == 3 and len(synced) == 8


def test_the_same_mail_twice_in_an_mbox_is_one_file(tmp_path):
    one = FROM_LINE.encode() + mail("<a@x>") + b"\n"
    (tmp_path / "box").write_bytes(one + one)
    (group,) = sources.unpack_in_groups(tmp_path / "box", tmp_path / "unpacked")
    assert len(group.paths) == 1


def test_what_is_no_mail_leaves_no_maildir(tmp_path, database, redis_client):
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\r\n")
    with pytest.raises(sources.NotMail):
        importing.unpack_and_offer(tmp_path / "picture.png", tmp_path / "unpacked", 3)
    assert Maildir.select().count() == 0 and not (tmp_path / "unpacked").exists()


def test_a_large_mbox_shows_its_progress(tmp_path, database, redis_client, capsys):
    importing.unpack_and_offer(mbox(tmp_path / "box", 7), tmp_path / "unpacked", 3)
    shown = capsys.readouterr().out
    assert "unpacking box" in shown and "mails/s" in shown


def test_waiting_ends_with_the_last_job_however_long_a_look_at_the_queue_takes(
    tmp_path, database, redis_client, monkeypatch
):
    maildir, paths = importing.unpack_and_offer(mbox(tmp_path / "box", 3), tmp_path / "unpacked", 3)
    monkeypatch.setattr(importing, "rest_after", lambda seconds: 3600.0)
    monkeypatch.setattr(importing, "recover_imports", queue(MAIL).empty)
    importing.follow(maildir, paths)
    assert queued_paths() == {}
