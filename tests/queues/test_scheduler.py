"""The scheduler on a real Valkey: crashes, rivals, workers that are away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from peewee import PostgresqlDatabase
from redis import Redis
from redis.client import Pipeline
from rq import SimpleWorker
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer

from jobs.schedule import SCHEDULE
from models import JobRun
from mrilu.queues import scheduler as module
from mrilu.queues.queues import queue
from mrilu.queues.scheduler import PREFIX, TableScheduler
from mrilu.queues.table import Periodic
from mrilu.runtime.heartbeat import last_beat
from mrilu.settings.table import Settings
from tests.jobs.test_schedule import ROW

PROJECT = Path(__file__).resolve().parents[2]
KEY = TableScheduler.scheduled_jobs_key
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


class Killed(BaseException):
    """Stands for kill -9: nothing below runs any more."""


def wait_for(condition: Callable[[], Any], seconds: float = 30.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
    return found


def make(connection: Redis, *rows: Periodic, now: datetime = NOON) -> TableScheduler:
    return TableScheduler(rows, ZoneInfo("UTC"), connection, dict, now=lambda: now)


def due_at(connection: Redis, row: Periodic, slot: datetime) -> None:
    connection.zadd(KEY, {PREFIX + row.id: slot.timestamp()})


def work_off(connection: Redis) -> None:
    SimpleWorker(
        [queue("default", connection)], connection=connection, serializer=JSONSerializer
    ).work(burst=True)


def queued(connection: Redis) -> list[str]:
    return queue("default", connection).job_ids


def test_killed_before_the_transaction_the_next_scheduler_fires_the_slot(
    redis_client: Redis,
) -> None:
    original = Pipeline.execute

    def killed_before(self: Pipeline, raise_on_error: bool = True) -> list[Any]:
        if threading.current_thread() is threading.main_thread():
            raise Killed
        return original(self, raise_on_error)  # the sign of life of another test's worker

    due_at(redis_client, ROW, NOON)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Pipeline, "execute", killed_before)
        make(redis_client, ROW).enqueue_jobs()
    assert queued(redis_client) == []
    make(redis_client, ROW).enqueue_jobs()
    assert queued(redis_client) == ["count_up-20261124T120000Z"]


def test_killed_after_the_transaction_the_next_scheduler_does_not_fire_it_again(
    redis_client: Redis,
) -> None:
    due_at(redis_client, ROW, NOON)
    dying = make(redis_client, ROW)
    original = Pipeline.execute

    def killed_after(self: Pipeline, raise_on_error: bool = True) -> list[Any]:
        done = original(self, raise_on_error)
        if threading.current_thread() is threading.main_thread():
            raise Killed
        return done

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Pipeline, "execute", killed_after)
        dying.enqueue_jobs()
    make(redis_client, ROW).enqueue_jobs()
    assert queued(redis_client) == ["count_up-20261124T120000Z"]
    assert redis_client.zscore(KEY, PREFIX + ROW.id) == (NOON + timedelta(hours=1)).timestamp()


CHILD = """
import sys
from datetime import UTC, datetime
from zoneinfo import ZoneInfo
from mrilu.runtime.redis import redis_connection
from mrilu.queues.scheduler import TableScheduler
from mrilu.queues.table import Periodic

now = datetime(2026, 11, 24, 12, 0, 1, tzinfo=UTC)
table = [Periodic(id=f"row_{n}", function="x.y", interval=3600, timeout=60) for n in range(300)]
one = TableScheduler(table, ZoneInfo("UTC"), redis_connection(), dict, now=lambda: now)
one.enqueue_jobs()
"""


def _has_come_to(connection: Redis, child: subprocess.Popen[bytes], number: int) -> bool:
    return len(queued(connection)) >= number or child.poll() is not None


def test_killed_at_any_moment_of_a_pass_no_slot_is_lost_or_doubled(
    redis_client: Redis, service_settings: Settings
) -> None:
    entries = {f"{PREFIX}row_{n}": NOON.timestamp() for n in range(300)}
    redis_client.zadd(KEY, entries)
    environment = {
        **os.environ,
        "REDIS_URL": service_settings.redis_url or "",
        "PYTHONPATH": str(PROJECT),
    }
    for kill_at in (17, 113, 211, 400):
        with subprocess.Popen([sys.executable, "-c", CHILD], env=environment) as child:
            wait_for(partial(_has_come_to, redis_client, child, kill_at))
            child.kill()
    jobs = queued(redis_client)
    assert sorted(jobs) == sorted(f"row_{n}-20261124T120000Z" for n in range(300))
    after: Any = redis_client.zrange(KEY, 0, -1, withscores=True)
    assert dict(after) == {key.encode(): score + 3600 for key, score in entries.items()}


def test_two_schedulers_that_both_believe_to_lead_fire_a_slot_once(redis_client: Redis) -> None:
    due_at(redis_client, ROW, NOON)
    one, other = make(redis_client, ROW), make(redis_client, ROW)
    entry, score = PREFIX + ROW.id, NOON.timestamp()
    assert [one.fire(entry, score), other.fire(entry, score)] == [True, False]
    assert len(queued(redis_client)) == 1


def test_a_rival_between_look_and_transaction_makes_the_transaction_fail(
    redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    due_at(redis_client, ROW, NOON)
    rival = make(redis_client, ROW)
    look = module.pending_job

    def rival_first(row: Periodic, connection: Redis) -> str | None:
        monkeypatch.setattr(module, "pending_job", look)
        rival.enqueue_jobs()
        return None

    monkeypatch.setattr(module, "pending_job", rival_first)
    assert make(redis_client, ROW).fire(PREFIX + ROW.id, NOON.timestamp()) is False
    assert len(queued(redis_client)) == 1


def test_one_scheduler_leads_and_the_next_leads_at_once_when_it_leaves(redis_client: Redis) -> None:
    one, other = make(redis_client, ROW), make(redis_client, ROW)
    assert (one.acquire_lock(), other.acquire_lock(), one.acquire_lock()) == (True, False, True)
    other.remove_lock()
    assert one.acquire_lock()
    one.remove_lock()
    assert other.acquire_lock()


def test_only_the_leader_fires(redis_client: Redis) -> None:
    leader, standby = make(redis_client), make(redis_client, ROW)
    leader.one_pass()
    due_at(redis_client, ROW, NOON)
    standby.one_pass()
    assert queued(redis_client) == []
    assert last_beat("scheduler-standby", redis_client) and last_beat("scheduler", redis_client)


def test_workers_away_for_a_day_do_one_run_each(
    redis_client: Redis, database: PostgresqlDatabase
) -> None:
    rows = [
        ROW,
        Periodic(id="second", function="tests.queues.sample_jobs.second", interval=60, timeout=60),
    ]
    clock = [NOON]
    one = TableScheduler(rows, ZoneInfo("UTC"), redis_client, dict, now=lambda: clock[0])
    one.assert_table()
    for _ in range(24 * 12):
        clock[0] += timedelta(minutes=5)
        one.enqueue_jobs()
    work_off(redis_client)
    assert sorted((run.job, run.outcome) for run in JobRun.select()) == [
        ("count_up", "done"),
        ("second", "done"),
    ]
    one.enqueue_jobs()
    clock[0] += timedelta(hours=1)
    one.enqueue_jobs()
    assert len(queued(redis_client)) == 2


def test_a_scheduler_away_for_a_day_makes_up_for_one_slot(redis_client: Redis) -> None:
    make(redis_client, ROW).assert_table()
    late = make(redis_client, ROW, now=NOON + timedelta(days=1, minutes=1))
    late.enqueue_jobs()
    late.enqueue_jobs()
    assert queued(redis_client) == ["count_up-20261124T130000Z"]


def test_a_running_job_is_not_started_again(redis_client: Redis) -> None:
    due_at(redis_client, ROW, NOON)
    make(redis_client, ROW).enqueue_jobs()
    holder = queue("default", redis_client)
    worker = SimpleWorker([holder], connection=redis_client, serializer=JSONSerializer)
    worker.register_birth()
    job = holder.fetch_job(holder.job_ids[0])
    assert job is not None
    redis_client.delete(holder.key)
    worker.prepare_execution(job)
    for hours, status in (
        (1, JobStatus.QUEUED),
        (2, JobStatus.STARTED),
    ):  # taken by a worker, then running
        job.set_status(status)
        make(redis_client, ROW, now=NOON + timedelta(hours=hours)).enqueue_jobs()
        assert queued(redis_client) == []
    assert redis_client.zscore(KEY, PREFIX + ROW.id) == (NOON + timedelta(hours=3)).timestamp()


def test_a_retry_that_nobody_will_enqueue_blocks_nothing(redis_client: Redis) -> None:
    due_at(redis_client, ROW, NOON)
    make(redis_client, ROW).enqueue_jobs()
    holder = queue("default", redis_client)
    job = holder.fetch_job(holder.job_ids[0])
    assert job is not None
    redis_client.delete(holder.key)
    job.set_status(JobStatus.SCHEDULED)
    redis_client.zadd(holder.scheduled_job_registry.key, {job.id: time.time() + 5})
    make(redis_client, ROW, now=NOON + timedelta(hours=1)).enqueue_jobs()
    assert queued(redis_client) == []
    redis_client.zadd(holder.scheduled_job_registry.key, {job.id: time.time() - 600})
    make(redis_client, ROW, now=NOON + timedelta(hours=2)).enqueue_jobs()
    assert queued(redis_client) == ["count_up-20261124T140000Z"]


def test_the_database_refuses_a_slot_that_redis_hands_out_twice(
    redis_client: Redis, database: PostgresqlDatabase
) -> None:
    due_at(redis_client, ROW, NOON)
    make(redis_client, ROW).enqueue_jobs()
    [job_id] = queued(redis_client)
    queue("default", redis_client).push_job_id(job_id)
    work_off(redis_client)
    assert [(run.outcome, run.slot, run.rq_id) for run in JobRun.select()] == [
        ("done", NOON, job_id)
    ]
    # A clock that was set back offers the slot again.
    due_at(redis_client, ROW, NOON)
    make(redis_client, ROW).enqueue_jobs()
    work_off(redis_client)
    assert JobRun.select().count() == 1


def test_a_job_whose_function_was_renamed_meanwhile_fails_and_its_next_slot_runs(
    redis_client: Redis, database: PostgresqlDatabase
) -> None:
    old = replace(ROW, function="tests.queues.sample_jobs.counted_up")
    due_at(redis_client, ROW, NOON)
    make(redis_client, old).enqueue_jobs()
    [failing] = queued(redis_client)
    work_off(redis_client)
    assert JobRun.select().count() == 0
    # Its retries end like this one.
    job = Job.fetch(failing, connection=redis_client, serializer=JSONSerializer)
    job.retries_left = 0
    job.set_status(JobStatus.FAILED)
    make(redis_client, ROW, now=NOON + timedelta(hours=1)).enqueue_jobs()
    work_off(redis_client)
    assert [run.outcome for run in JobRun.select()] == ["done"]


def test_at_start_jobs_run_when_the_service_starts_and_not_again_in_a_crash_loop(
    redis_client: Redis,
) -> None:
    row = replace(ROW, at_start=True)
    make(redis_client, row).run(burst=True)
    assert queued(redis_client) == ["count_up-start-20261124T120000Z"]
    make(redis_client, row, now=NOON + timedelta(seconds=70)).run(burst=True)
    assert len(queued(redis_client)) == 1, "it is pending"
    redis_client.delete("rq:queue:default")
    last = {"count_up": NOON}
    TableScheduler([row], ZoneInfo("UTC"), redis_client, lambda: last, now=lambda: NOON).run(
        burst=True
    )
    assert queued(redis_client) == [], "it ran a moment ago"


def test_taking_over_later_is_no_start_of_the_service(
    redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    leader, standby = make(redis_client), make(redis_client, replace(ROW, at_start=True))
    leader.one_pass()
    monkeypatch.setattr(module, "START_GRACE", -1.0)
    standby.one_pass()
    leader.remove_lock()
    standby.one_pass()
    assert queued(redis_client) == []


def test_what_goes_wrong_is_said_once_and_scheduling_goes_on(
    redis_client: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    broken = [True]

    def last_runs() -> dict[str, datetime]:
        if broken[0]:
            raise OSError("the database is away")
        return {}

    one = TableScheduler([ROW], ZoneInfo("UTC"), redis_client, last_runs, now=lambda: NOON)
    for _ in range(3):
        one.guarded_pass()
    broken[0] = False
    one.guarded_pass()
    assert redis_client.zscore(KEY, PREFIX + ROW.id)
    assert sum("held up" in record.message for record in caplog.records) == 1


@pytest.fixture
def scheduler_process(
    service_settings: Settings, redis_client: Redis, database: PostgresqlDatabase, tmp_path: Path
) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    environment = {
        **os.environ,
        "DATABASE_URL": service_settings.database_url or "",
        "REDIS_URL": service_settings.redis_url or "",
        "PYTHONPATH": str(PROJECT),
        "TZ": "America/New_York",
    }
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "jobs.schedule"]
        with (tmp_path / f"scheduler-{len(started)}.log").open("wb") as log:
            started.append(
                subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=log, stderr=log)
            )
        return started[-1]

    yield start
    for one in started:
        one.kill()
        one.wait()


def beating(name: str, pid: int, connection: Redis) -> bool:
    facts = last_beat(name, connection)
    return facts is not None and facts["pid"] == pid


def test_the_second_scheduler_takes_over_within_30_s_of_a_kill_9(
    redis_client: Redis, scheduler_process: Callable[[], subprocess.Popen[bytes]]
) -> None:
    first = scheduler_process()
    wait_for(lambda: beating("scheduler", first.pid, redis_client))
    second = scheduler_process()
    wait_for(lambda: beating("scheduler-standby", second.pid, redis_client))
    assert set(queued(redis_client)[0].split("-")[1:2]) == {"start"}
    first.send_signal(signal.SIGKILL)
    killed = time.monotonic()
    wait_for(lambda: beating("scheduler", second.pid, redis_client))
    assert time.monotonic() - killed < 30
    redis_client.flushall()
    wait_for(lambda: redis_client.zcard(KEY) == len(SCHEDULE))
    second.terminate()
    assert second.wait(10) == 0
    assert not redis_client.exists(TableScheduler.scheduler_lock_key)
