"""What takes long has a worker of its own: nothing else waits behind an export or a download."""

from __future__ import annotations

import multiprocessing
import re
from pathlib import Path
from types import FunctionType

import pytest
from redis import Redis
from rq import SimpleWorker

from jobs.schedule import SCHEDULE
from models import Maildir, Message
from mrilu.queues.enqueue import enqueue_now, pending_job
from mrilu.queues.queues import queue
from mrilu.service.programs import wanted
from mrilu.settings.table import PROJECT
from tests.factories import deliver, mail

DEADLINE = 20.0
ROWS = {row.id: row for row in SCHEDULE}
FORK = multiprocessing.get_context("fork")


def served() -> set[str]:
    """Return the queues for which a service has a worker, one each."""
    commands = [row.arguments for row in wanted(PROJECT)]
    return {found[1] for one in commands if (found := re.search(r" worker(?:-pool)? (\S+)", one))}


def work(name: str) -> None:
    """Do what waits in a queue, in this process."""
    holder = queue(name)
    worker = SimpleWorker([holder], connection=holder.connection, serializer=holder.serializer)
    worker.work(burst=True, logging_level="ERROR")


def stand_in(patch: pytest.MonkeyPatch, job: str, function: FunctionType) -> None:
    """Put a function in a job's place; rq runs none that does not call itself so (mrilu/service/rq_defaults.py)."""
    function.__module__, function.__name__ = f"jobs.{job}", job
    patch.setattr(f"jobs.{job}.{job}", function)


@pytest.mark.parametrize("long", ["export_dictionaries", "update_muplis"])
def test_new_mail_sync_and_notifications_do_not_wait_behind_what_takes_long(
    root: Path, redis_client: Redis, monkeypatch: pytest.MonkeyPatch, long: str
) -> None:
    begun, may_end, synced = FORK.Event(), FORK.Event(), []

    def block(**_: object) -> dict[str, int]:
        begun.set()
        return {"ended": int(may_end.wait(DEADLINE))}

    def sync(**_: object) -> dict[str, int]:
        synced.append(1)
        return {}

    stand_in(monkeypatch, long, block)
    stand_in(monkeypatch, "sync_dictionary", sync)
    enqueue_now(ROWS[long], f"{long}-now", redis_client)
    busy = FORK.Process(target=work, args=(ROWS[long].queue,))
    busy.start()
    try:
        assert begun.wait(DEADLINE)
        assert Maildir.get().watched
        deliver(root, mail("<a@x>"))
        others = [ROWS[one] for one in ("check_new_mail", "sync_dictionary", "send_notifications")]
        for row in others:
            enqueue_now(row, f"{row.id}-now", redis_client)
        for name in served() - {ROWS[long].queue}:
            work(name)
        work("mail")  # what check_new_mail enqueued
        assert [one.id for one in others if pending_job(one, redis_client)] == []
        assert synced == [1] and Message.select().count() == 1
        assert pending_job(ROWS[long], redis_client)
    finally:
        may_end.set()
        busy.join(DEADLINE)
    assert busy.exitcode == 0 and not pending_job(ROWS[long], redis_client)


def test_each_queue_of_the_schedule_has_a_worker() -> None:
    assert {row.queue for row in SCHEDULE} <= served()
