"""What a worker cannot see is not absent: it is tried again, elsewhere if need be, and nothing is marked as gone."""

from __future__ import annotations

import errno
import os
import shutil
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from rq import Retry
from rq.registry import ScheduledJobRegistry

import models
from jobs import import_messages as job
from jobs.import_messages import import_messages
from models import Location, Maildir, Message
from mrilu.archive import plan
from mrilu.archive.folders import note_folders
from mrilu.archive.registration import NameTaken, register_watched
from mrilu.cli.diagnosis.machine import check_sight
from mrilu.cli.why import explain
from mrilu.maildir import presence
from mrilu.maildir.presence import OutOfReach
from mrilu.queues import ledgers, queues, recovery
from mrilu.runtime.retry import RetryPolicy
from mrilu.runtime.sight import unseen_lately
from tests.factories import deliver, mail, make_maildir
from tests.watcher.conftest import permissions_that_bind

pytestmark = pytest.mark.usefixtures("redis_client")


def gone() -> int:
    return Location.select().where(Location.gone_at.is_null(False)).count()


def move(path: str) -> str:
    return path.replace("new/", "cur/") + ":2,S"


def mount_away(root: Path, how: str) -> Path:
    """Take the Maildir away; what lies below the mount point is nothing, an empty folder, or an empty Maildir."""
    away = root.with_name("away")
    root.rename(away)
    if how == "empty":
        root.mkdir()
    if how == "skeleton":
        make_maildir(root)
    return away


@pytest.mark.parametrize("how", ["nothing", "empty", "skeleton"])
def test_a_host_without_the_maildir_takes_no_mail_for_gone_or_done(root, how):
    known, fresh = deliver(root, mail("<a@x>")), deliver(root, mail("<b@x>"))
    import_messages("test", [known])
    ledgers.unqueued("test", root)
    away = mount_away(root, how)
    with pytest.raises(OutOfReach) as caught:
        import_messages("test", [known, move(known), fresh])
    assert set(caught.value.paths) == {known, move(known), fresh}
    assert gone() == 0
    shutil.rmtree(root, ignore_errors=True)
    away.rename(root)
    assert import_messages("test", [known, fresh]) == {"known": 1, "imported": 1}


def test_a_maildir_whose_mails_were_all_deleted_is_no_other_one(root):
    paths = [deliver(root, mail()) for _ in range(3)]
    import_messages("test", paths)
    ledgers.unqueued("test", root)
    for path in paths:
        (root / path).unlink()
    assert import_messages("test", paths) == {"gone": 3}


def test_a_maildir_that_was_copied_to_a_new_disk_is_the_same(root):
    paths = [deliver(root, mail()) for _ in range(3)]
    import_messages("test", paths)
    ledgers.unqueued("test", root)
    shutil.copytree(root, root.with_name("copy"))
    shutil.rmtree(root)
    root.with_name("copy").rename(root)
    (root / paths[0]).unlink()
    assert import_messages("test", ledgers.unqueued("test", root)[0])["gone"] == 1


def test_a_skeleton_in_the_place_of_a_maildir_holds_what_is_missed_until_it_was_so_for_long(
    root, database
):
    paths = [deliver(root, mail()) for _ in range(3)]
    import_messages("test", paths)
    ledgers.unqueued("test", root)
    mount_away(root, "skeleton")
    new = deliver(root, mail("<new@x>"))
    offered, found = ledgers.unqueued("test", root)
    assert offered == [new] and found.held == sorted(paths)
    import_messages("test", offered)
    assert ledgers.unqueued("test", root)[0] == [] and gone() == 0
    facts = ledgers.ledgers()[0]
    assert facts["held"] == sorted(paths) and not facts["level"]
    database.execute_sql("UPDATE mail_folder SET doubted_at = now() - interval '73 hours'")
    ledgers.unqueued("test", root)
    assert sorted(ledgers.unqueued("test", root)[0]) == sorted(paths)


@pytest.mark.parametrize("number", ["EACCES", "EIO", "ESTALE", "ENOTCONN"])
def test_an_error_of_the_file_system_is_not_absence(root, monkeypatch, number):
    known, other = deliver(root, mail("<a@x>")), deliver(root, mail("<b@x>"))
    import_messages("test", [known])
    code = getattr(errno, number)

    def refuse(where: Path, path: str, *more) -> os.stat_result | None:
        if path == known:
            raise OSError(code, os.strerror(code))
        return presence.mail_status(where, path, *more)

    with monkeypatch.context() as patch:
        patch.setattr(plan, "mail_status", refuse)
        with pytest.raises(OutOfReach) as caught:
            import_messages("test", [known, other])
    assert caught.value.paths == [known] and caught.value.done == {"imported": 1}
    assert gone() == 0 and Message.select().count() == 2
    assert import_messages("test", [known]) == {"known": 1}


def test_a_file_that_moved_to_where_nobody_can_look_keeps_its_row(root, monkeypatch):
    """Whether the new name is the old file cannot be told while the old place is closed."""
    path = deliver(root, mail("<a@x>"))
    import_messages("test", [path])
    (root / path).rename(root / move(path))

    def refuse(where: Path, name: str, *more) -> os.stat_result | None:
        if name.startswith("new/"):
            raise PermissionError(13, "Permission denied")
        return presence.mail_status(where, name, *more)

    with monkeypatch.context() as patch:
        patch.setattr(plan, "mail_status", refuse)
        with pytest.raises(OutOfReach):
            import_messages("test", [move(path)])
    assert import_messages("test", [move(path), path]) == {"moved": 1}
    assert Location.select().count() == 1


def test_a_known_file_that_cannot_be_read_again_keeps_its_message(root, monkeypatch):
    path = deliver(root, mail("<a@x>"))
    import_messages("test", [path])
    with (root / path).open("ab") as stream:
        stream.write(b"more\n")

    def refuse(*_: object) -> bytes:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr("mrilu.archive.read.read_bytes", refuse)
        with pytest.raises(OutOfReach):
            import_messages("test", [path])
    assert Location.select().count() == 1


def test_files_out_of_reach_are_tried_again_for_as_long_as_it_takes(monkeypatch):
    class Tried:
        number_of_retries = 50

    monkeypatch.setattr(job, "get_current_job", Tried)
    error = OutOfReach("/m", ["new/1"], "Permission denied")
    retry = job._try_later(error, RetryPolicy(max_attempts=3, initial_delay=1, max_delay=8))
    assert isinstance(retry, Retry) and retry.max == 51 and retry.intervals[0] >= 1
    assert job._try_later(OSError(), RetryPolicy(max_attempts=3)) is None


@pytest.mark.parametrize("error", [ConnectionResetError(), psycopg.OperationalError(" ")])
def test_an_error_that_says_nothing_is_tried_again_by_its_name(monkeypatch, caplog, error):
    class Tried:
        number_of_retries = 0

    monkeypatch.setattr(job, "get_current_job", Tried)
    assert isinstance(job._try_later(error, RetryPolicy(max_attempts=3)), Retry)
    assert type(error).__name__ in caplog.text


def test_a_rescan_makes_waiting_retries_due(root, redis_client):
    mail_queue = queues.queue("mail")
    waiting = queues.put_import(mail_queue, "test", ["new/1"], at_front=True)
    redis_client.delete(mail_queue.key)
    registry = (
        waiting.scheduled_job_registry if hasattr(waiting, "scheduled_job_registry") else None
    )

    registry = ScheduledJobRegistry(queue=mail_queue)
    registry.schedule(waiting, datetime.now(UTC) + timedelta(hours=1))
    ledgers.unqueued("test", root)
    recovery.recover_imports()
    assert mail_queue.job_ids == [waiting.id]


def test_a_device_number_of_another_boot_says_nothing(root, database):
    maildir = Maildir.get()
    import_messages("test", [deliver(root, mail())])
    note_folders(models.db, maildir, {""})
    database.execute_sql("UPDATE mail_folder SET device = 'an-earlier-boot:1'")
    mounted = deliver(root, mail())
    (root / mounted).unlink()
    assert import_messages("test", [mounted]) == {}


def test_doctor_names_the_host_that_does_not_see_the_maildir(root):
    path = deliver(root, mail())
    assert list(check_sight(unseen_lately())) == []
    mount_away(root, "nothing")
    with pytest.raises(OutOfReach):
        import_messages("test", [path])
    [finding] = check_sight(unseen_lately())
    assert finding.level == "warning" and socket.gethostname() in finding.what
    assert "no such folder" in finding.what


def test_why_says_that_this_host_cannot_see_the_file(root):
    path = deliver(root, mail("<a@x>"))
    import_messages("test", [path])
    mount_away(root, "empty")
    [facts] = explain(path)["files"]
    assert "this host cannot see" in facts["answer"] and "cur/ and new/" in facts["answer"]


def test_an_old_root_that_cannot_be_read_may_hold_the_mail(root, tmp_path):
    """So a copy with half of the files is not a move."""
    import_messages("test", [deliver(root, mail(), f"new/{n}.a") for n in range(10)])
    half = make_maildir(tmp_path / "half")
    for n in range(6):
        shutil.copy(root / f"new/{n}.a", half / "new")
    (root / "new").chmod(0)
    root.chmod(0)
    with permissions_that_bind(tmp_path), pytest.raises(NameTaken):
        register_watched(models.db, "test", half)
    root.chmod(0o755)
