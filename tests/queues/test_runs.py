"""Each run of a periodic job leaves its row, however it ends."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from peewee import PostgresqlDatabase
from redis import Redis
from rq import SimpleWorker, Worker
from rq.job import JobStatus
from rq.serializers import JSONSerializer

from models import JobRun
from mrilu.queues.enqueue import enqueue_now
from mrilu.queues.queues import queue
from mrilu.queues.runs import DIED, close_dead_runs
from mrilu.queues.table import Periodic
from mrilu.runtime.processes import this_process
from tests.queues.sample_jobs import count_up, fail_for_good, fail_for_now

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _clean(database: PostgresqlDatabase, redis_client: Redis) -> None:
    """Every test here works on both servers."""


@pytest.fixture
def other_process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def run_row(worker: str, rq_id: str = "") -> int:
    run = JobRun.claim("count_up", rq_id, None, worker, NOW)
    assert run is not None
    return run


def outcomes() -> list[tuple[str, str]]:
    return [(run.outcome, run.error) for run in JobRun.select().order_by(JobRun.id)]


def test_a_run_leaves_its_counts() -> None:
    assert count_up(force=True) == {"counted": 2}
    [run] = JobRun.select()
    assert (run.job, run.outcome, run.counts, run.error) == ("count_up", "done", {"counted": 2}, "")
    assert run.ended_at >= run.started_at and run.worker == this_process()


def test_a_failure_is_recorded_and_raised() -> None:
    with pytest.raises(ValueError, match="the data is wrong"):
        fail_for_good()
    assert outcomes() == [("failed", "ValueError: the data is wrong")]


def test_a_job_does_not_run_beside_itself() -> None:
    run_row(this_process())
    assert count_up() == {"refused": 1}
    assert outcomes() == [("running", "")]


def test_a_run_whose_process_is_gone_is_failed_and_makes_room(
    other_process: subprocess.Popen[bytes],
) -> None:
    other_process.kill()
    other_process.wait()
    run_row(f"{socket.gethostname()}:{other_process.pid}:12345")
    assert count_up() == {"counted": 1}
    assert outcomes() == [("failed", DIED), ("done", "")]


def test_a_process_that_got_the_number_of_a_dead_one_is_another() -> None:
    host, pid, start = this_process().rsplit(":", 2)
    run_row(f"{host}:{pid}:{int(start) - 1}")
    assert close_dead_runs() == 1


def test_a_run_of_another_machine_lives_as_long_as_rq_says_so() -> None:
    holder = queue("default")
    job = holder.enqueue("tests.queues.sample_jobs.count_up", job_id="elsewhere")
    job.set_status(JobStatus.STARTED)
    run_row("elsewhere.example:1:1", "elsewhere")
    assert close_dead_runs() == 0
    job.set_status(JobStatus.FAILED)
    assert close_dead_runs() == 1


def test_a_run_that_could_not_record_its_end_is_closed_when_rq_has_ended_it() -> None:
    job = queue("default").enqueue("tests.queues.sample_jobs.count_up", job_id="ended")
    run_row(this_process(), "ended")
    assert close_dead_runs() == 0
    job.set_status(JobStatus.FAILED)
    assert close_dead_runs() == 1


def row_of(function: str) -> Periodic:
    return Periodic(
        id=function, function=f"tests.queues.sample_jobs.{function}", interval=60, timeout=60
    )


def work_off(redis_client: Redis, worker_class: Any = SimpleWorker) -> None:
    worker_class([queue("default")], connection=redis_client, serializer=JSONSerializer).work(
        burst=True
    )


@pytest.mark.parametrize(
    ("function", "status"), [("fail_for_good", "failed"), ("fail_for_now", "scheduled")]
)
def test_only_what_time_may_cure_is_tried_again(
    redis_client: Redis, function: str, status: str
) -> None:
    enqueue_now(row_of(function), "one", redis_client)
    work_off(redis_client)
    job = queue("default").fetch_job("one")
    assert job is not None and job.get_status() == status
    assert [one[0] for one in outcomes()] == ["failed"]


def test_a_transient_failure_is_recorded_each_time() -> None:
    for _ in range(2):
        with pytest.raises(Exception, match="the server is away"):
            fail_for_now()
    assert [one[0] for one in outcomes()] == ["failed", "failed"]


def test_a_killed_work_horse_leaves_a_failed_run_and_rq_tries_again(redis_client: Redis) -> None:
    enqueue_now(row_of("die"), "fatal", redis_client)
    work_off(redis_client, Worker)
    assert [one[0] for one in outcomes()] == ["running"]
    assert close_dead_runs() == 1
    assert outcomes() == [("failed", DIED)]
    job = queue("default").fetch_job("fatal")
    assert job is not None and job.get_status() == JobStatus.SCHEDULED
    assert JobRun.get().rq_id == "fatal"
