import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from rq.worker import Worker

import models
from jobs.import_messages import import_messages
from models import JobRun, Message, Rejected
from mrilu.archive.ledger import balance
from mrilu.queues import recovery
from mrilu.queues.alive import PROCESS
from mrilu.queues.blame import MAX_DEATHS, MAX_KILLS
from mrilu.queues.queues import queue, queued_paths, submit_import
from mrilu.queues.recovery import pieces, recover_imports
from mrilu.runtime.database import database as process_database
from mrilu.runtime.processes import this_process
from mrilu.settings.table import PROJECT
from mrilu.web import facts_postgresql
from tests.factories import deliver, mail, make_maildir, register

DEADLINE = 30.0

# Stands for a mail that crashes, hangs or eats the worker: what matters is how the process ends.
KILLER = """
import os, signal, sys
from mrilu.archive import read
real = read.parse_message
def deadly(raw, **more):
    if b"deadly" in raw:
        os.kill(os.getpid(), signal.SIGSEGV)
    return real(raw, **more)
read.parse_message = deadly
from rq.cli import main
sys.argv = ["rq", "worker", "mail", "--burst", "--serializer", "json", *sys.argv[1:]]
main()
"""


pytestmark = pytest.mark.usefixtures("redis_client")


@pytest.fixture
def work(service_settings) -> Callable[..., int]:
    """Run a real `rq worker mail --burst` in a process of its own; return its exit code."""

    service_settings.data_dir.mkdir()

    def run(*arguments: str, python: str = KILLER) -> int:
        urls = {
            "DATABASE_URL": service_settings.database_url,
            "RQ_REDIS_URL": service_settings.redis_url,
        }
        environ = {
            **os.environ,
            **urls,
            "REDIS_URL": urls["RQ_REDIS_URL"],
            "DATA_DIR": str(service_settings.data_dir),
            "PYTHONPATH": str(PROJECT),
        }
        command = [sys.executable, "-c", python, *arguments]
        return subprocess.run(
            command, env=environ, cwd=PROJECT, capture_output=True, timeout=60
        ).returncode

    return run


def until_idle(work: Callable[..., int], *arguments: str) -> None:
    deadline = time.monotonic() + DEADLINE
    while queued_paths():
        work(*arguments)
        recover_imports()
        assert time.monotonic() < deadline, queued_paths()


@pytest.mark.parametrize("kind", ["rq.worker.SimpleWorker", "rq.worker.Worker"])
def test_a_file_that_kills_its_worker_is_set_aside_and_the_rest_goes_in(root, work, kind):
    paths = [deliver(root, mail(body="wholesome\n")) for _ in range(20)]
    deadly = deliver(root, mail(body="deadly\n"))
    submit_import("test", [*paths, deadly], live=False)
    until_idle(work, "--worker-class", kind)
    assert Message.select().count() == 20
    (rejected,) = Rejected.select()
    assert (rejected.path(), rejected.reason) == (deadly, "killed-worker")
    found = balance(models.db, register(root), set())
    assert found.level and (found.imported, found.rejected) == (20, 1)
    counted = facts_postgresql.gather(process_database().connection())
    assert (("rejected",), 1) in counted["mails_total"] and (("imported",), 20) in counted[
        "mails_total"
    ]
    deaths = JobRun.select().where(JobRun.outcome == "failed")
    assert [run.error for run in deaths] == ["worker died"] * MAX_DEATHS
    assert (("import_messages", "failed"), MAX_DEATHS) in counted["job_runs_total"]


@pytest.mark.parametrize("kind", ["rq.worker.SimpleWorker", "rq.worker.Worker"])
def test_a_death_counts_against_the_file_that_was_read_alone(root, work, redis_client, kind):
    paths = [deliver(root, mail(body="wholesome\n")) for _ in range(40)]
    deadly = deliver(root, mail(body="deadly\n"))
    submit_import("test", [*paths, deadly], live=False)
    work("--worker-class", kind)
    assert recover_imports() == 1
    found = sorted((len(job.args[1]), job.meta["deaths"]) for job in queue("mail").jobs)
    assert found == [(1, 1), (40, 0)]
    until_idle(work, "--worker-class", kind)
    assert Message.select().count() == 40
    assert [row.path() for row in Rejected.select()] == [deadly]
    assert JobRun.select().where(JobRun.outcome == "failed").count() == MAX_DEATHS


def test_a_death_while_no_file_was_read_counts_against_none(root, work, redis_client):
    paths = [deliver(root, mail()) for _ in range(3)]
    submit_import("test", paths, live=False)
    between = KILLER.replace(
        "from mrilu.archive import read", "from jobs import import_messages as read"
    )
    between = between.replace("parse_message", "store_mails").replace('b"deadly" in raw', "True")
    between = killed_by_others(between.replace("def deadly(raw, **more)", "def deadly(raw, *more)"))
    for _ in range(MAX_KILLS * 2):
        due_at_once(redis_client)
        work("--worker-class", "rq.worker.SimpleWorker", python=between)
        assert recover_imports() >= 1
        assert queued_paths() == {"test": set(paths)} and Rejected.select().count() == 0
    due_at_once(redis_client)
    work()
    assert Message.select().count() == 3


def killed_by_others(script: str) -> str:
    """Return the script of a worker that is killed, and does not crash."""
    return script.replace("SIGSEGV", "SIGKILL")


def due_at_once(client) -> None:
    """Make the tries that wait due."""
    mail_queue = queue("mail")
    for raw in client.zrange(mail_queue.scheduled_job_registry.key, 0, -1):
        client.zadd(mail_queue.scheduled_job_registry.key, {raw: 1})
    recovery.enqueue_overdue(mail_queue)


@pytest.mark.parametrize("kind", ["rq.worker.SimpleWorker", "rq.worker.Worker"])
def test_a_kill_from_outside_counts_against_no_mail_unless_it_goes_on(
    root, work, redis_client, kind
):
    path = deliver(root, mail(body="deadly\n"))
    submit_import("test", [path], live=True)
    for kills in range(1, MAX_KILLS + 1):
        due_at_once(redis_client)
        work("--worker-class", kind, python=killed_by_others(KILLER))
        assert Rejected.select().count() == 0
        assert recover_imports() == 1
        if kills < MAX_KILLS:
            assert queued_paths() == {"test": {path}}
    assert queued_paths() == {} and Rejected.get().reason == "killed-worker"


def test_a_kill_that_ends_lets_the_mail_in(root, work, redis_client):
    path = deliver(root, mail(body="deadly\n"))
    submit_import("test", [path], live=True)
    for _ in range(MAX_KILLS - 1):
        due_at_once(redis_client)
        work("--worker-class", "rq.worker.SimpleWorker", python=killed_by_others(KILLER))
        recover_imports()
    due_at_once(redis_client)
    work(python=KILLER.replace('b"deadly" in raw', "False"))
    assert Message.select().count() == 1 and Rejected.select().count() == 0


def test_a_job_that_was_taken_and_never_started_comes_back(root, redis_client, monkeypatch):
    submit_import("test", [deliver(root, mail())], live=True)
    mail_queue = queue("mail")
    [job_id] = mail_queue.job_ids
    redis_client.lmove(mail_queue.key, mail_queue.intermediate_queue_key)
    assert recovery.put_back_stranded(mail_queue) == 0  # its worker has a moment
    assert mail_queue.job_ids == []
    now = time.time() + recovery.STRANDED
    monkeypatch.setattr("mrilu.queues.recovery.time.time", lambda: now)
    assert recovery.put_back_stranded(mail_queue) == 1
    assert mail_queue.job_ids == [job_id]
    assert recovery.put_back_stranded(mail_queue) == 0 and mail_queue.job_ids == [job_id]
    assert mail_queue.jobs[0].meta == {"deaths": 0}  # it counts against no one


def test_one_death_is_forgiven(root, work):
    path = deliver(root, mail(body="deadly\n"))
    submit_import("test", [path], live=True)
    assert work("--worker-class", "rq.worker.SimpleWorker") == -signal.SIGSEGV
    assert queued_paths() == {"test": {path}}
    assert recover_imports() == 1
    assert work(python=KILLER.replace('b"deadly" in raw', "False")) == 0
    assert Message.select().count() == 1 and Rejected.select().count() == 0


def test_a_job_whose_worker_lives_is_left_alone(root, redis_client):
    path = deliver(root, mail())
    submit_import("test", [path], live=True)
    mail_queue = queue("mail")
    worker = Worker([mail_queue], connection=redis_client, serializer=mail_queue.serializer)
    worker.register_birth()
    job = mail_queue.jobs[0]
    redis_client.delete(mail_queue.key)
    worker.prepare_execution(job)
    job.set_status("started")
    assert recover_imports() == 0
    gone = f"{this_process().rpartition(':')[0]}:1"  # its number is another process's by now
    redis_client.set(PROCESS.format(worker.name), gone)
    assert recover_imports() == 1
    assert queued_paths() == {"test": {path}} and len(mail_queue) == 1


def test_a_job_that_fails_for_another_reason_is_rejected_with_that_reason(root, redis_client, work):
    path = deliver(root, mail())
    broken = (
        KILLER.replace("os.kill(os.getpid(), signal.SIGSEGV)", "raise SystemError('out of luck')")
        .replace("parse_message", "read_mails")
        .replace('b"deadly" in raw', "True")
        .replace("def deadly(raw, **more)", "def deadly(raw, *more)")
    )
    script = broken.replace(
        "from mrilu.archive import read", "from jobs import import_messages as read"
    )
    submit_import("test", [path], live=False)
    for _ in range(MAX_DEATHS):
        work(python=script)
        recover_imports()
    (rejected,) = Rejected.select()
    assert (rejected.reason, rejected.error) == ("import-error", "SystemError: out of luck")
    runs = [(run.outcome, run.error.partition(":")[0]) for run in JobRun.select()]
    assert runs == [("failed", "SystemError")] * MAX_DEATHS  # each once, by the job itself


def test_a_job_for_a_maildir_that_nobody_registered_ends(database, redis_client, work):
    submit_import("nowhere", ["new/1", "new/2"], live=False)
    work()
    assert recover_imports() == 1
    assert queued_paths() == {} and Rejected.select().count() == 0


def test_paths_that_lead_elsewhere_or_are_no_text_are_passed_over(root, redis_client, work):
    outside = deliver(make_maildir(root.parent / "other"), mail(), "new/1.a")
    absolute = str(root.parent / "other" / outside)
    forged = [absolute, f"../other/{outside}", "new/\0", "new/\ud800", "", "/", "cur/..", "."]
    submit_import("test", [*forged, deliver(root, mail("<a@x>"))], live=False)
    until_idle(work)
    assert [row.message_id for row in Message.select()] == ["a@x"]
    assert Rejected.select().count() == 0


def test_only_one_of_several_puts_a_job_back(root, redis_client, monkeypatch):
    submit_import("test", [deliver(root, mail())], live=False)
    mail_queue = queue("mail")
    job = mail_queue.jobs[0]
    redis_client.delete(mail_queue.key)
    redis_client.zadd(mail_queue.failed_job_registry.key, {job.id: 9e9})
    others = []
    real = recovery._put_back
    monkeypatch.setattr(
        recovery, "_put_back", lambda *one: (others.append(recover_imports()), real(*one))
    )
    assert recover_imports() == 1 and others == [0]
    assert len(mail_queue) == 1 and not redis_client.exists(recovery.LOCK)


def test_a_batch_that_ran_out_of_tries_rests_and_comes_back_whole(root, redis_client, monkeypatch):
    path = deliver(root, mail())
    submit_import("test", [path], live=False)
    mail_queue = queue("mail")
    job = mail_queue.jobs[0]
    job.number_of_retries = 7
    job.save()
    redis_client.delete(mail_queue.key)
    redis_client.zadd(mail_queue.failed_job_registry.key, {job.id: 9e9})
    monkeypatch.setattr(recovery, "_rested", lambda job: False)
    assert recover_imports() == 0
    monkeypatch.undo()
    assert recover_imports() == 1
    (again,) = mail_queue.jobs
    assert again.args == ("test", [path]) or again.args == ["test", [path]]
    assert not again.number_of_retries and again.meta == {"deaths": 0}


@pytest.mark.parametrize("error", ["ConnectionError", "TimeoutError", "ResponseError"])
def test_a_job_whose_worker_lost_redis_in_the_middle_comes_back_within_seconds(
    root, redis_client, error
):
    submit_import("test", [deliver(root, mail())], live=False)
    mail_queue = queue("mail")
    (job,) = mail_queue.jobs
    redis_client.delete(mail_queue.key)
    trace = f'Traceback (most recent call last):\n  File "x", line 1, in x\n    y\nredis.exceptions.{error}: z'
    job.ended_at = datetime.now(UTC) - timedelta(seconds=recovery.LINK_PAUSE + 1)
    job.save()
    with redis_client.pipeline() as pipeline:
        job._handle_failure(trace, pipeline, "worker")
        pipeline.execute()
    assert recover_imports() == (error != "ResponseError") == len(mail_queue)


def test_importing_the_pieces_is_importing_the_whole():
    paths = [str(number) for number in range(250)]
    cut = pieces(paths)
    assert len(cut) == 16 and sum(cut, []) == paths
    assert pieces(["a"]) == [["a"]]


def test_import_messages_is_what_the_queue_names():
    module, _, name = queue.__globals__["IMPORT_FUNCTION"].rpartition(".")
    assert (import_messages.__module__, import_messages.__name__) == (module, name)
