"""Putting one run of a periodic job on its queue, unless one is pending; the same for the scheduler and a person."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import datetime
from typing import cast

from redis import Redis
from redis.client import Pipeline
from rq import Queue
from rq.exceptions import NoSuchJobError
from rq.executions import Execution
from rq.job import Job, JobStatus
from rq.registry import ScheduledJobRegistry, StartedJobRegistry
from rq.serializers import JSONSerializer

from mrilu.queues.alive import is_alive
from mrilu.queues.queues import FAILURE_TTL, RESULT_TTL, queue, retry_policy
from mrilu.queues.table import Periodic

# Hash of the last rq job of each row: what tells that a job is still waiting or running.
LAST = "mrilu:schedule:last"
OVERDUE = 60.0  # seconds after which a retry that no one enqueued is given up


def pending_job(row: Periodic, connection: Redis) -> str | None:
    """Return the id of the row's rq job that waits, runs or will be tried again; None when there is none.

    The status alone is not believed: a job that a worker lost on the way, or that was cleared from its
    queue, would block its row for good.
    """
    raw = cast(bytes | None, connection.hget(LAST, row.id))
    if raw is None:
        return None
    job_id = raw.decode()
    try:
        job = Job.fetch(job_id, connection=connection, serializer=JSONSerializer)
    except NoSuchJobError:
        return None
    return job_id if _is_pending(job, queue(job.origin, connection)) else None


def _is_pending(job: Job, holder: Queue) -> bool:
    status = job.get_status(refresh=False)
    if status == JobStatus.SCHEDULED:
        return _will_be_tried(job, ScheduledJobRegistry(queue=holder))
    if status == JobStatus.QUEUED and _waits(job, holder):
        return True
    # A job keeps the status "queued" from when a worker takes it until its horse has started.
    return status in (JobStatus.QUEUED, JobStatus.STARTED) and _is_worked_on(
        job, StartedJobRegistry(queue=holder)
    )


def _waits(job: Job, holder: Queue) -> bool:
    if holder.get_job_position(job.id) is not None:
        return True
    return job.id.encode() in holder.connection.lrange(holder.intermediate_queue_key, 0, -1)


def _is_worked_on(job: Job, registry: StartedJobRegistry) -> bool:
    """Tell whether a worker that lives has started the job."""
    for key in cast(list[bytes], registry.connection.zrange(registry.key, 0, -1)):
        execution = Execution.from_composite_key(key.decode(), registry.connection)
        if execution.job_id == job.id:
            with suppress(ValueError, KeyError):  # it has expired
                execution.refresh()
                if is_alive(execution.worker_name or "", registry.connection):
                    return True
    return False


def _will_be_tried(job: Job, registry: ScheduledJobRegistry) -> bool:
    """Tell whether the job's next try is to come: one long overdue has no worker that would enqueue it."""
    due = registry.connection.zscore(registry.key, job.id)
    return due is not None and due > time.time() - OVERDUE


def put_run(
    row: Periodic,
    job_id: str,
    connection: Redis,
    pipeline: Pipeline,
    *,
    slot: datetime | None = None,
    arguments: dict[str, object] | None = None,
) -> Job:
    """Add to the (buffered) pipeline one run of the row as rq job `job_id`; nothing is sent before `execute`."""
    target = queue(row.queue, connection)
    job = target.create_job(
        row.function,
        kwargs=arguments or {},
        timeout=row.timeout,
        result_ttl=RESULT_TTL,
        failure_ttl=FAILURE_TTL,
        job_id=job_id,
        description=f"{row.id}({', '.join(arguments or {})})",
        meta={"slot": slot.isoformat()} if slot else {},
        retry=retry_policy().for_rq(),
    )
    target.enqueue_job(job, pipeline=pipeline)
    pipeline.hset(LAST, row.id, job.id)
    return job


def enqueue_now(
    row: Periodic, job_id: str, connection: Redis, arguments: dict[str, object] | None = None
) -> str:
    """Enqueue a run that no slot asks for and return its id, or the id of the run that is pending already."""
    pending = pending_job(row, connection)
    if pending is not None:
        return pending
    with connection.pipeline() as pipe:
        put_run(row, job_id, connection, pipe, arguments=arguments)
        pipe.execute()
    return job_id
