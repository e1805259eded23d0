"""The workers' own classes."""

from __future__ import annotations

import resource
from dataclasses import replace

from peewee import PostgresqlDatabase
from redis import Redis
from rq.serializers import JSONSerializer

from jobs.workers import DefaultWorker
from models import JobRun
from mrilu.queues.queues import queue
from mrilu.settings.current import use_settings
from mrilu.settings.table import Settings

LIMIT = 64 * 1024**3


def test_a_job_of_the_default_queue_has_its_memory_bounded(
    database: PostgresqlDatabase, redis_client: Redis, service_settings: Settings
) -> None:
    use_settings(replace(service_settings, worker_memory=LIMIT))
    queue("default").enqueue("tests.queues.sample_jobs.memory_limit")
    database.close()
    DefaultWorker([queue("default")], connection=redis_client, serializer=JSONSerializer).work(
        burst=True
    )
    assert JobRun.get().counts == {"bytes": LIMIT}
    assert resource.getrlimit(resource.RLIMIT_AS)[0] != LIMIT
