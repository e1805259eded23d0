"""Jobs for a Maildir that a worker's host has not wait for another host: soon again, and for as long as it takes."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from redis import Redis
from rq import Retry
from rq.job import Job
from rq.registry import FailedJobRegistry, ScheduledJobRegistry

from jobs import import_messages as job
from jobs.check_new_mail import MaildirsOutOfReach, check_new_mail
from jobs.import_messages import LEFT_SECONDS, NotHere, was_left
from jobs.workers import LEFT_PAUSE, MailWorker
from models import JobRun, Maildir, Message, Rejected
from mrilu.archive.registration import register_watched
from mrilu.queues.queues import queue, submit_import
from mrilu.runtime import heartbeat
from mrilu.runtime.database import database as process_database
from mrilu.runtime.host import service_name
from mrilu.runtime.rescans import asked_for
from mrilu.runtime.retry import RetryPolicy
from mrilu.settings.current import current_settings, use_settings
from mrilu.settings.table import Settings
from tests.factories import deliver, mail, make_maildir

pytestmark = pytest.mark.usefixtures("redis_client")


def become(settings: Settings, name: str, root: Path) -> Settings:
    chosen = replace(
        settings, data_dir=settings.data_dir / name, maildir_path=f"lists={root}", max_attempts=3
    )
    use_settings(chosen)
    process_database()
    return chosen


@pytest.fixture
def one(service_settings: Settings, database: object, tmp_path: Path) -> tuple[Settings, Path]:
    """A service that watches a Maildir with a mail that waits as a job."""
    root = make_maildir(tmp_path / "one")
    chosen = become(service_settings, "one", root)
    register_watched(process_database(), "lists", root)
    return chosen, root


def work() -> None:
    mails = queue("mail")
    worker = MailWorker([mails], connection=mails.connection, serializer=mails.serializer)
    worker.work(burst=True, logging_level="ERROR")


def test_a_job_left_to_another_host_is_done_there_and_no_failure_is_told(
    one: tuple[Settings, Path], service_settings: Settings, tmp_path: Path, redis_client: Redis
) -> None:
    settings, root = one
    submit_import("lists", [deliver(root, mail("<a@x>"))], live=True)
    (name,) = queue("mail").job_ids
    become(service_settings, "two", tmp_path / "nowhere")
    waiting = ScheduledJobRegistry(queue=queue("mail"))
    for _ in range(5):  # more often than any other error is tried
        work()
        assert waiting.get_job_ids() == [name] and not queue("mail").job_ids
        left = Job.fetch(name, connection=redis_client, serializer=queue("mail").serializer)
        assert was_left(left)
        waiting.remove(left)
        queue("mail").enqueue_job(left)
    assert not Message.select().exists() and not Rejected.select().exists()
    assert not FailedJobRegistry(queue=queue("mail")).get_job_ids()
    assert not JobRun.select().exists()
    use_settings(settings)
    process_database()
    work()
    assert Message.select().count() == 1


def test_a_worker_rests_after_a_job_that_it_leaves_and_after_no_other(
    one: tuple[Settings, Path],
    service_settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rests: list[float | None] = []

    class Rest(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            rests.append(timeout)
            return False

    monkeypatch.setattr(MailWorker, "_rest", Rest())
    settings, root = one
    submit_import("lists", [deliver(root, mail())], live=True)
    work()
    assert rests == []
    become(service_settings, "two", tmp_path / "nowhere")
    submit_import("lists", [deliver(root, mail())], live=True)
    work()
    assert rests == [LEFT_PAUSE]
    use_settings(settings)
    process_database()
    waiting = ScheduledJobRegistry(queue=queue("mail"))
    (name,) = waiting.get_job_ids()
    left = queue("mail").fetch_job(name)
    assert left is not None
    waiting.remove(left)
    queue("mail").enqueue_job(left)
    work()
    assert rests == [LEFT_PAUSE] and Message.select().count() == 2


def test_it_is_offered_again_within_seconds_however_often_it_was_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Tried:
        number_of_retries = 50

    monkeypatch.setattr(job, "get_current_job", Tried)
    policy = RetryPolicy(max_attempts=3, initial_delay=60, max_delay=900)
    retry = job._try_later(NotHere("/m", ["new/1"], "no such folder"), policy)
    assert isinstance(retry, Retry) and retry.max == 51
    assert 0 < retry.intervals[0] <= LEFT_SECONDS


def test_the_check_of_new_mail_is_left_to_the_watcher_that_has_the_maildir(
    one: tuple[Settings, Path], service_settings: Settings, tmp_path: Path
) -> None:
    settings, root = one
    become(service_settings, "two", tmp_path / "nowhere")
    with pytest.raises(MaildirsOutOfReach):  # nobody watches it
        check_new_mail()
    use_settings(settings)
    heartbeat.beat("watcher", {"maildirs": ["lists"]})
    become(service_settings, "two", tmp_path / "nowhere")
    assert check_new_mail() == {"left": 1}
    assert asked_for(service_name(current_settings())) == []
    assert asked_for(service_name(settings)) == ["lists"]
    assert asked_for(service_name(settings)) == []  # once


def test_beats_tell_the_services_of_a_program_apart(
    one: tuple[Settings, Path],
    service_settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings, _ = one
    heartbeat.beat("watcher", {"queued": 1})
    second = become(service_settings, "two", tmp_path)
    heartbeat.beat("watcher", {"queued": 2})
    found = {one["service"]: one["queued"] for one in heartbeat.beats("watcher")}
    assert found == {service_name(settings): 1, service_name(second): 2}
    assert heartbeat.beats("scheduler") == []
    late = (
        heartbeat.time.time() + heartbeat.TTL
    )  # one of them has gone, and the other keeps the hash
    monkeypatch.setattr(heartbeat.time, "time", lambda: late)
    heartbeat.beat("watcher", {"queued": 3})
    assert [one["queued"] for one in heartbeat.beats("watcher")] == [3]
    assert Maildir.select().count() == 1
