"""The daily check finds and heals every difference between disk and database."""

from __future__ import annotations

from pathlib import Path

import pytest
from peewee import PostgresqlDatabase
from redis import Redis
from rq import SimpleWorker
from rq.serializers import JSONSerializer

import models
from jobs.check_new_mail import MaildirsOutOfReach, check_new_mail
from models import JobRun, Maildir, Message
from mrilu.archive.ledger import balance
from mrilu.queues.queues import MAIL, queue, queued_paths
from mrilu.runtime.heartbeat import beat
from tests.factories import deliver, mail, make_maildir, register


@pytest.fixture
def maildir(tmp_path: Path, database: PostgresqlDatabase, redis_client: Redis) -> Maildir:
    """A registered Maildir that nothing watches."""
    return register(make_maildir(tmp_path / "mail"), "test")


def work_off(redis_client: Redis) -> None:
    SimpleWorker([queue(MAIL)], connection=redis_client, serializer=JSONSerializer).work(burst=True)


def test_a_mail_that_no_watcher_saw_is_found_and_imported(
    maildir: Maildir, redis_client: Redis
) -> None:
    for _ in range(3):
        deliver(Path(maildir.root), mail())
    counts = check_new_mail()
    assert (counts["on_disk"], counts["missing"], counts["enqueued"]) == (3, 3, 3)
    work_off(redis_client)
    assert Message.select().count() == 3
    assert balance(models.db, maildir, set()).level
    assert check_new_mail()["enqueued"] == 0


def test_the_gap_is_logged_by_name(maildir: Maildir, caplog: pytest.LogCaptureFixture) -> None:
    path = deliver(Path(maildir.root), mail())
    check_new_mail()
    assert f"ledger gap maildir=test gap=missing path={path}" in [
        record.message for record in caplog.records
    ]


def test_what_is_queued_is_not_enqueued_again(maildir: Maildir) -> None:
    deliver(Path(maildir.root), mail())
    assert check_new_mail()["enqueued"] == 1
    counts = check_new_mail()
    assert (counts["missing"], counts["enqueued"]) == (1, 0)


def test_a_maildir_that_its_watcher_compares_at_the_moment_is_left_to_it(
    maildir: Maildir, redis_client: Redis
) -> None:
    deliver(Path(maildir.root), mail())
    beat("watcher", {"maildirs": {"test": {}}, "rescans_wanted": {"test": "start"}}, redis_client)
    assert check_new_mail() == {"left": 1}
    assert not queued_paths()


@pytest.mark.parametrize(
    "facts",
    [{"rescans_wanted": {}}, {"rescans_wanted": {"test": "start"}, "trouble": "cannot go on"}],
)
def test_a_maildir_is_not_left_to_a_watcher_that_is_done_or_cannot(
    maildir: Maildir, redis_client: Redis, facts: dict[str, object]
) -> None:
    deliver(Path(maildir.root), mail())
    beat("watcher", {"maildirs": {"test": {}}, **facts}, redis_client)
    assert check_new_mail()["enqueued"] == 1


def test_a_file_that_is_gone_is_marked(
    maildir: Maildir, redis_client: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    path = deliver(Path(maildir.root), mail())
    check_new_mail()
    work_off(redis_client)
    (Path(maildir.root) / path).unlink()
    assert check_new_mail()["gone"] == 1
    assert f"ledger gap maildir=test gap=gone path={path}" in [
        record.message for record in caplog.records
    ]
    work_off(redis_client)
    assert maildir.file_counts().imported == 0 and Message.select().count() == 1


def test_a_flood_goes_out_in_batches(maildir: Maildir, redis_client: Redis) -> None:
    for _ in range(510):
        deliver(Path(maildir.root), mail())
    check_new_mail()
    assert len(queue(MAIL)) == 2


def test_a_maildir_out_of_reach_marks_nothing_and_keeps_no_other_from_its_check(
    maildir: Maildir, tmp_path: Path, redis_client: Redis
) -> None:
    deliver(Path(maildir.root), mail())
    check_new_mail()
    work_off(redis_client)
    other = register(make_maildir(tmp_path / "other"), "zother")
    deliver(Path(other.root), mail())
    Path(maildir.root).rename(tmp_path / "unmounted")
    with pytest.raises(MaildirsOutOfReach, match="test: "):
        check_new_mail()
    assert len(queue(MAIL)) == 1
    work_off(redis_client)
    assert maildir.file_counts().imported == 1 and other.file_counts().imported == 1
    run = JobRun.select().where(JobRun.job == "check_new_mail").order_by(JobRun.id.desc()).get()
    assert run.outcome == "failed" and str(maildir.root) in run.error


def test_an_unwatched_maildir_is_let_be(maildir: Maildir) -> None:
    Maildir.update(watched=False).execute()
    deliver(Path(maildir.root), mail())
    assert check_new_mail() == {}


def test_the_run_is_recorded_with_its_counts(maildir: Maildir) -> None:
    deliver(Path(maildir.root), mail())
    check_new_mail()
    run = JobRun.get(JobRun.job == "check_new_mail")
    assert run.outcome == "done" and run.counts["missing"] == 1
