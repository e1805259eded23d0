"""What keeps work from being done is seen."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from redis import Redis
from rq.job import Job
from rq.suspension import resume, suspend
from rq.worker import Worker

from mrilu.queues.alive import PROCESS
from mrilu.queues.health import (
    STALLED,
    frozen_workers,
    living_workers,
    refusal_of,
    stalled_queues,
    trouble_of,
)
from mrilu.queues.queues import queue, submit_import
from mrilu.runtime.processes import start_of, this_process
from mrilu.settings.current import use_settings
from mrilu.settings.table import Settings

pytestmark = pytest.mark.usefixtures("redis_client")


def test_suspended_workers_are_told(redis_client: Redis) -> None:
    assert trouble_of(redis_client) == []
    suspend(redis_client)
    assert "rq resume" in trouble_of(redis_client)[0]
    resume(redis_client)
    assert trouble_of(redis_client) == []


def test_a_queue_whose_workers_take_nothing_is_told(root: Path, redis_client: Redis) -> None:
    submit_import("test", ["new/1"], live=True)
    assert stalled_queues(redis_client) == {}
    [job_id] = queue("mail").job_ids
    redis_client.hset(Job.key_for(job_id), "enqueued_at", "2026-01-01T00:00:00.000000Z")
    [(name, waited)] = stalled_queues(redis_client).items()
    assert name == "mail" and waited > STALLED
    assert "queue mail has waited" in trouble_of(redis_client)[0]


@pytest.mark.parametrize("embeddings", [True, False])
def test_what_waits_to_be_embedded_is_no_trouble_where_nothing_is_to_be(
    service_settings: Settings, redis_client: Redis, embeddings: bool
) -> None:
    """No host need have the role `embed` then."""
    use_settings(replace(service_settings, embeddings=embeddings))
    job = queue("embed").enqueue("jobs.embed_missing.embed_missing")
    redis_client.hset(Job.key_for(job.id), "enqueued_at", "2026-01-01T00:00:00.000000Z")
    assert list(stalled_queues(redis_client)) == (["embed"] if embeddings else [])


def test_a_stopped_worker_lives_and_is_told(redis_client: Redis) -> None:
    worker = Worker([queue("mail")], connection=redis_client)
    worker.register_birth()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        place = this_process().rsplit(":", 2)[0]
        redis_client.set(PROCESS.format(worker.name), f"{place}:{other.pid}:{start_of(other.pid)}")
        assert frozen_workers(redis_client) == []
        other.send_signal(signal.SIGSTOP)
        os.waitpid(other.pid, os.WUNTRACED)
        assert frozen_workers(redis_client) == [worker.name]
        assert [one.name for one in living_workers(redis_client)] == [worker.name]
        other.kill()
    assert frozen_workers(redis_client) == [] and living_workers(redis_client) == []


def test_a_redis_that_takes_no_work_is_told(redis_client: Redis) -> None:
    assert refusal_of(redis_client) == ""
    redis_client.config_set("maxmemory", 1)
    try:
        assert "maxmemory" in refusal_of(redis_client)
    finally:
        redis_client.config_set("maxmemory", 0)
