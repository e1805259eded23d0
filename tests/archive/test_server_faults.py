"""A fault of the servers is tried again through real rq, and never counts against a mail."""

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from rq.registry import ScheduledJobRegistry

import models
from jobs.check_new_mail import check_maildir
from jobs.import_messages import import_messages
from models import JobRun, Maildir, Message, Rejected
from mrilu.archive.ledger import balance, difference
from mrilu.queues import recovery
from mrilu.queues.blame import MAX_DEATHS
from mrilu.queues.quarantine import quarantine
from mrilu.queues.queues import queue, queued_paths, submit_import
from mrilu.queues.recovery import recover_imports
from mrilu.settings.table import PROJECT
from tests.factories import deliver, mail, register

DEADLINE = 60.0


pytestmark = pytest.mark.usefixtures("redis_client")


@pytest.fixture
def worker(service_settings) -> Callable[..., subprocess.Popen]:
    """Start a real `rq worker mail` in a process of its own."""

    def start(*arguments: str, **environ: str) -> subprocess.Popen:
        urls = {
            "DATABASE_URL": service_settings.database_url,
            "REDIS_URL": service_settings.redis_url,
        }
        more = {"RQ_REDIS_URL": urls["REDIS_URL"], "PYTHONPATH": str(PROJECT)}
        command = [
            sys.executable,
            "-m",
            "rq.cli",
            "worker",
            "mail",
            "--serializer",
            "json",
            *arguments,
        ]
        return subprocess.Popen(command, env={**os.environ, **urls, **more, **environ}, cwd=PROJECT)

    return start


@contextmanager
def read_only(database) -> Iterator[None]:
    """What a failover does: the server answers, and takes no writes from new sessions."""
    (name,) = database.execute_sql("SELECT current_database()").fetchone()
    database.execute_sql(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    try:
        yield
    finally:
        database.execute_sql(f"ALTER DATABASE {name} RESET default_transaction_read_only")


def until(ready: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not ready():
        assert time.monotonic() < deadline


def test_an_import_that_meets_a_standby_is_scheduled_runs_again_and_commits(root, database, worker):
    path = deliver(root, mail("<a@x>"))
    submit_import("test", [path], live=True)
    with read_only(database):
        assert worker("--burst", INITIAL_DELAY="1").wait(DEADLINE) == 0
    assert len(ScheduledJobRegistry(queue=queue("mail"))) == 1 and queued_paths() == {
        "test": {path}
    }
    assert Message.select().count() == 0
    running = worker("--with-scheduler")
    try:
        until(lambda: JobRun.select().count())
    finally:
        running.terminate()
        running.wait(DEADLINE)
    assert [row.message_id for row in Message.select()] == ["a@x"]
    assert Rejected.select().count() == 0 and balance(models.db, Maildir.get(), set()).level


def test_a_schema_that_is_not_there_yet_rejects_no_mail(root, database, worker, monkeypatch):
    path = deliver(root, mail("<a@x>"))
    submit_import("test", [path], live=True)
    database.execute_sql("ALTER TABLE location RENAME TO elsewhere")
    try:
        for _ in range(MAX_DEATHS + 1):
            worker("--burst", MAX_ATTEMPTS="1").wait(DEADLINE)
            assert recover_imports() == 0  # it rests first
            with monkeypatch.context() as patch:
                patch.setattr(recovery, "_rested", lambda job: True)
                assert recover_imports() == 1
    finally:
        database.execute_sql("ALTER TABLE elsewhere RENAME TO location")
    assert Rejected.select().count() == 0 and queued_paths() == {"test": {path}}
    worker("--burst").wait(DEADLINE)
    assert Message.select().count() == 1


def test_a_time_out_while_the_database_is_locked_rejects_no_mail(
    root, database, worker, monkeypatch
):
    path = deliver(root, mail("<a@x>"))
    submit_import("test", [path], live=True)
    (job,) = queue("mail").jobs
    job.timeout = 5  # what the job needs is loaded within that, too
    job.save()
    with database.atomic():
        database.execute_sql("LOCK TABLE location IN ACCESS EXCLUSIVE MODE")
        worker("--burst").wait(DEADLINE)
    for rested in (False, True):  # how long that is depends on what else the machine does
        monkeypatch.setattr(recovery, "_rested", lambda job, rested=rested: rested)
        assert recover_imports() == rested
    (again,) = queue("mail").jobs
    assert again.meta == {"deaths": 0}


def test_what_was_set_aside_for_an_unknown_error_is_tried_again_at_each_rescan(root, redis_client):
    path = deliver(root, mail("<a@x>"))
    quarantine("test", path, "import-error", "KeyError: 'x'")
    assert difference(models.db, root, "test").paths == [path]
    quarantine("test", path, "killed-worker", "its worker died")
    assert difference(models.db, root, "test").paths == []


DEEP = "/".join(hashlib.sha512(str(n).encode()).hexdigest() for n in range(26))  # 3,353 bytes


def test_a_path_too_long_for_an_index_is_accounted_for_and_holds_nothing_up(root, redis_client):
    descriptor = os.open(root, os.O_RDONLY)
    for part in (
        *DEEP.split("/"),
        "cur",
    ):  # a path of its length cannot be given to the kernel at once
        os.mkdir(part, dir_fd=descriptor)
        inner = os.open(part, os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    with open(os.open("1.deep:2,S", os.O_WRONLY | os.O_CREAT, dir_fd=descriptor), "wb") as file:
        file.write(mail("<deep@x>"))
    os.close(descriptor)
    paths = [deliver(root, mail()) for _ in range(3)]
    import_messages("test", [*paths, f"{DEEP}/cur/1.deep:2,S"])
    found = balance(models.db, register(root), set())
    assert (found.imported, found.rejected, found.lost) == (3, 1, []) and found.level
    quarantine("test", f"{DEEP}/cur/1.deep:2,S", "killed-worker", "its worker died")
    assert Rejected.get().attempts == 2 and Rejected.get().path() == f"{DEEP}/cur/1.deep:2,S"


def test_what_was_set_aside_for_a_workers_end_is_tried_again_after_a_while(root, redis_client):
    path = deliver(root, mail())
    quarantine("test", path, "killed-worker", "its worker died")
    check_maildir(register(root), 100)
    assert queued_paths() == {}  # not at once: it may do it again
    models.db.execute_sql("UPDATE rejected SET last_seen = last_seen - interval '2 hours'")
    assert check_maildir(register(root), 100)["enqueued"] == 1
    import_messages("test", [path])
    assert Message.select().count() == 1 and Rejected.select().count() == 0
