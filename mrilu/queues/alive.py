"""The sign of life of each worker of each queue, which recovery, the schedule and `status` trust.

rq's own heartbeat lasts as long as the job's time-out: a killed worker's job would look alive for an hour.
"""

from __future__ import annotations

import os
import threading
from typing import cast

from redis import ConnectionPool, Redis, RedisError
from rq.connections import get_connection_kwargs
from rq.worker import BaseWorker, WorkerStatus

from mrilu.runtime.processes import is_running, is_stopped, this_process

BEAT = "mrilu:alive:{}"
BEAT_SECONDS = 15  # how long a beat lasts
EVERY_SECONDS = 4.0
# A beat that finds no answer is tried again on another connection, as long as the last one lasts.
PATIENCE = {"socket_timeout": 3.0, "socket_connect_timeout": 3.0}
# Which process a worker is: it outlives the beats, since a look at the process itself is surer and quicker.
PROCESS = "mrilu:process:{}"
PROCESS_SECONDS = 24 * 3600


def start_beating(worker: BaseWorker) -> None:
    """Leave the worker's signs in Redis and renew them, from a thread, as long as this process lives."""
    pool = worker.connection.connection_pool
    # A client of its own: a horse that is forked must share no connection and no lock with the thread.
    options = get_connection_kwargs(worker.connection) | PATIENCE
    client = Redis(connection_pool=ConnectionPool(pool.connection_class, **options))
    beat(worker.name, client)
    threading.Thread(
        target=_keep_beating, args=(worker.name, client), name="sign of life", daemon=True
    ).start()


def _keep_beating(name: str, client: Redis) -> None:
    pause = threading.Event()
    while not pause.wait(EVERY_SECONDS):
        try:
            beat(name, client)
        except (RedisError, OSError):
            continue  # the next one may get through


def beat(name: str, client: Redis) -> None:
    """Say once that the worker `name` lives, and which process it is."""
    with client.pipeline() as pipeline:
        pipeline.set(BEAT.format(name), os.getpid(), ex=BEAT_SECONDS)
        pipeline.set(PROCESS.format(name), this_process(), ex=PROCESS_SECONDS)
        pipeline.execute()


def is_frozen(name: str, client: Redis) -> bool:
    """Tell whether the worker `name` is a process of this host that was stopped and not continued."""
    process = cast(bytes | None, client.get(PROCESS.format(name)))
    return process is not None and is_stopped(process.decode())


def is_alive(name: str, client: Redis) -> bool:
    """Tell whether the worker `name` lives: its process, on this host; its last beat, on another."""
    signs = cast(list[bytes | None], client.mget(BEAT.format(name), PROCESS.format(name)))
    last_beat, process = signs
    running = is_running(process.decode()) if process else None
    return last_beat is not None if running is None else running


def is_idle(name: str, client: Redis) -> bool:
    """Tell whether the worker `name` said last that it has nothing to do."""
    state = cast(
        bytes | None, client.hget(f"{BaseWorker.redis_worker_namespace_prefix}{name}", "state")
    )
    return state is not None and state.decode() == WorkerStatus.IDLE
