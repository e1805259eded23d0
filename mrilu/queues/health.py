"""What keeps work from being done although every program runs: suspended, stalled or frozen workers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import cast

from redis import Redis, RedisError
from rq.job import Job
from rq.suspension import WORKERS_SUSPENDED
from rq.worker import BaseWorker, Worker

from mrilu.queues.alive import is_alive, is_frozen
from mrilu.queues.queues import EMBED, NAMES, queue
from mrilu.settings.current import current_settings

STALLED = 60.0  # seconds that the next job of a queue may lie there while none runs
PROBE = "mrilu:probe"


def is_suspended(connection: Redis) -> bool:
    """Tell whether `rq suspend` was called: all workers go on living and take nothing."""
    return bool(connection.exists(WORKERS_SUSPENDED))


def living_workers(connection: Redis) -> list[BaseWorker]:
    """Return the workers that live; rq itself lists dead ones until their entry expires."""
    return [one for one in Worker.all(connection=connection) if is_alive(one.name, connection)]


def frozen_workers(connection: Redis) -> list[str]:
    """Return the names of this host's workers that are stopped (SIGSTOP, a debugger): they live and do nothing."""
    return [one.name for one in living_workers(connection) if is_frozen(one.name, connection)]


def stalled_queues(connection: Redis) -> dict[str, float]:
    """Return the queues whose next job waits although none of theirs runs, and for how many seconds."""
    return dict(_stalled(connection))


def _stalled(connection: Redis) -> Iterator[tuple[str, float]]:
    # without embeddings no host need have a worker for them
    for name in (one for one in NAMES if one != EMBED or current_settings().embeddings):
        holder = queue(name, connection)
        head = cast(bytes | None, connection.lindex(holder.key, 0))
        if head is None or connection.zcard(f"rq:wip:{name}"):
            continue
        raw = cast(bytes | None, connection.hget(Job.key_for(head.decode()), "enqueued_at"))
        if raw is None:
            continue
        moment = datetime.fromisoformat(raw.decode())
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        waited = time.time() - moment.timestamp()
        if waited > STALLED:
            yield name, waited


def trouble_of(connection: Redis) -> list[str]:
    """Return what is wrong with the queues, each in a line with what to do; empty when nothing is."""
    told = []
    if is_suspended(connection):
        told.append("all workers are suspended (rq suspend): rq resume")
    told += [
        f"worker {name} is stopped (SIGSTOP): kill -CONT it, or kill it"
        for name in frozen_workers(connection)
    ]
    if not told:
        told += [
            f"queue {name} has waited for {waited:.0f} s with no job running: see data/log/{name}.log"
            for name, waited in stalled_queues(connection).items()
        ]
    return told


def refusal_of(connection: Redis) -> str:
    """Return why Redis takes no new work: full, read-only, its disk full; "" when it does."""
    try:
        connection.set(PROBE, 1, ex=10)
    except RedisError as error:
        return str(error)
    return ""
