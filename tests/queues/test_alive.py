"""Who lives is told by one sign, for each worker of each queue."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from redis import Redis
from rq import Queue
from rq.executions import Execution
from rq.job import Job, JobStatus
from rq.registry import ScheduledJobRegistry
from rq.serializers import JSONSerializer
from rq.worker import SimpleWorker

from mrilu.queues import recovery
from mrilu.queues.alive import BEAT, PROCESS, beat, is_alive
from mrilu.queues.enqueue import LAST, enqueue_now, pending_job
from mrilu.queues.queues import queue
from mrilu.queues.recovery import MAX_RUN_DEATHS, enqueue_overdue, recover_runs
from mrilu.runtime.processes import this_process
from tests.queues.test_runs import row_of

ROW = row_of("count_up")


def test_every_worker_of_rq_gives_the_sign(redis_client: Redis) -> None:
    worker = SimpleWorker(
        [queue("default")], connection=redis_client, serializer=JSONSerializer, name="one"
    )
    worker.register_birth()
    assert is_alive("one", redis_client) and 0 < redis_client.ttl(BEAT.format("one")) <= 15


def test_a_worker_of_another_host_lives_as_long_as_it_beats(redis_client: Redis) -> None:
    beat("one", redis_client)
    redis_client.set(PROCESS.format("one"), "elsewhere@boot:1:1")
    assert is_alive("one", redis_client)
    redis_client.delete(BEAT.format("one"))
    assert not is_alive("one", redis_client)


def test_a_process_of_this_host_that_is_gone_is_dead_at_once(redis_client: Redis) -> None:
    beat("one", redis_client)
    redis_client.set(PROCESS.format("one"), f"{this_process().rpartition(':')[0]}:1")
    assert not is_alive("one", redis_client)


def test_a_process_that_is_too_busy_to_beat_is_alive(redis_client: Redis) -> None:
    beat("one", redis_client)
    redis_client.delete(BEAT.format("one"))
    assert is_alive("one", redis_client)


def start(client: Redis, job_id: str, worker: str, name: str = "default") -> None:
    """Leave Redis as a worker does that has begun with a job of this queue."""
    holder = queue(name)
    job = Job.fetch(job_id, connection=client, serializer=JSONSerializer)
    client.lrem(holder.key, 0, job_id)
    with client.pipeline() as pipeline:
        job.set_status(JobStatus.STARTED, pipeline=pipeline)
        Execution.create(job, ttl=3600, pipeline=pipeline, worker_name=worker)
        pipeline.execute()


def test_a_run_whose_worker_was_killed_blocks_its_row_no_longer(redis_client: Redis) -> None:
    beat("one", redis_client)
    job_id = enqueue_now(ROW, "first", redis_client)
    start(redis_client, job_id, "one")
    assert pending_job(ROW, redis_client) == "first" and recover_runs() == 0
    redis_client.delete(BEAT.format("one"), PROCESS.format("one"))
    assert pending_job(ROW, redis_client) is None


@pytest.mark.usefixtures("database")
def test_a_run_whose_worker_was_killed_is_run_again_a_bounded_number_of_times(
    redis_client: Redis,
) -> None:
    job_id = enqueue_now(ROW, "first", redis_client, {"force": True})
    for deaths in range(1, MAX_RUN_DEATHS + 1):
        start(redis_client, job_id, "dead")
        assert recover_runs() == 1
        waiting = queue("default").scheduled_job_registry.key
        for raw in redis_client.zrange(waiting, 0, -1):  # the later tries have a pause before them
            redis_client.zadd(waiting, {raw: 1})
        enqueue_overdue(queue("default"))
        (again,) = queue("default").jobs
        assert again.meta["deaths"] == deaths and again.kwargs == {"force": True}
        assert not Job.exists(job_id, connection=redis_client)
        job_id = again.id
        assert redis_client.hget(LAST, ROW.id) == job_id.encode()
    start(redis_client, job_id, "dead")
    assert recover_runs() == 1 and queue("default").jobs == []
    assert recover_runs() == 0


def test_a_run_that_its_worker_has_ended_is_run_again_where_redis_does_not_know_of_it(
    redis_client: Redis,
) -> None:
    """A replica that took the lost master's place may lack what that one had acknowledged last."""
    beat("one", redis_client)
    start(redis_client, enqueue_now(ROW, "first", redis_client), "one")
    redis_client.hset("rq:worker:one", "state", "busy")
    assert recover_runs() == 0
    redis_client.hset("rq:worker:one", "state", "idle")
    assert recover_runs() == 1 and len(queue("default")) == 1


def test_only_one_of_several_puts_a_run_back(
    redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(redis_client, enqueue_now(ROW, "first", redis_client), "dead")
    real, others = recovery._run_again, []

    def meanwhile(holder: Queue, job: Job) -> None:
        others.append(recover_runs())
        real(holder, job)

    monkeypatch.setattr(recovery, "_run_again", meanwhile)
    assert recover_runs() == 1 and others == [0] and len(queue("default")) == 1
    assert not redis_client.exists(recovery.LOCK_OF_RUNS)


def test_a_retry_that_another_has_enqueued_meanwhile_is_not_enqueued_twice(
    redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder = queue("embed")
    holder.enqueue_in(timedelta(hours=1), "tests.queues.sample_jobs.count_up", job_id="late")
    key = ScheduledJobRegistry(queue=holder).key
    redis_client.zadd(key, {"late": time.time() - 10})
    real, others = recovery._enqueue_retry, []

    def meanwhile(*one: Any) -> bool:
        monkeypatch.undo()
        others.append(enqueue_overdue(holder))
        return real(*one)

    monkeypatch.setattr(recovery, "_enqueue_retry", meanwhile)
    assert enqueue_overdue(holder) == 0 and others == [1]
    assert holder.job_ids == ["late"]


def test_a_job_whose_execution_expired_is_put_back_and_leaves_nothing(redis_client: Redis) -> None:
    job_id = enqueue_now(ROW, "first", redis_client)
    start(redis_client, job_id, "dead")
    for key in redis_client.keys("rq:execution:*"):
        redis_client.delete(key)
    assert recover_runs() == 1
    assert not Job.exists(job_id, connection=redis_client) and len(queue("default")) == 1


def test_a_retry_that_nobody_enqueues_is_enqueued_when_it_is_overdue(redis_client: Redis) -> None:
    holder = queue("embed")
    for number in range(2):
        holder.enqueue_in(
            timedelta(hours=1), "tests.queues.sample_jobs.count_up", job_id=f"j{number}"
        )
    registry = ScheduledJobRegistry(queue=holder)
    redis_client.zadd(registry.key, {"j0": time.time() - 10, "vanished": time.time() - 10})
    assert recover_runs() == 0
    assert holder.job_ids == ["j0"] and registry.get_job_ids() == ["j1"]
    job = holder.fetch_job("j0")
    assert job is not None and job.get_status() == JobStatus.QUEUED
    assert enqueue_overdue(holder) == 0
