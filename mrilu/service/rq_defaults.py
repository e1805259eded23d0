"""Make RQ's defaults ours in every Python of this .venv, so that a plain `rq worker mail` does the right thing.

Setup copies this file into the .venv's site-packages, where a .pth line imports it at each start of Python. It
imports nothing of RQ by itself: it waits for RQ's modules and changes five defaults, one fallback, what a job may
name, and what a lost link to Redis does.

- `rq -u` takes the URL of a Sentinel, too.
- JSON payloads instead of pickle: unpickling runs whatever code someone with access to Redis put there.
- A worker that died is noticed after 30 s, not 7 minutes, and its job is taken up within 30 s, not 10 minutes;
  `rq worker-pool` has no option for either. A link that went silent is given up after 25 s.
- A worker that has lost Redis tries again every 5 s at most, not after up to a minute, and one that starts waits for
  Redis, or for `rq resume`, instead of ending: supervisor would start it again after ever longer pauses.
- A job runs `jobs.NAME.NAME` and nothing else, for the same reason: a JSON job may name os.system. What is refused is
  not imported, and the job fails. No web hook of a job is called.
- A worker imports nothing from the caller's folder.
- A worker, or a pool of them, that root starts by hand becomes SERVER_USER, which `./run.sh env` sets, before its first
  job.
- A job that a worker forks for has WORKER_MEMORY, unless it embeds: a source that fills it fails its job, and nothing
  else.
"""

import re
import sys
import time
from collections.abc import Callable
from importlib.machinery import ModuleSpec, PathFinder
from types import FunctionType, ModuleType
from typing import Any


def _set_defaults(module: ModuleType) -> None:
    module.__dict__.update(
        DEFAULT_SERIALIZER_CLASS="rq.serializers.JSONSerializer",
        DEFAULT_CONNECTION_CLASS="mrilu.runtime.redis_url.RedisClient",
        DEFAULT_WORKER_TTL=30,
        DEFAULT_MAINTENANCE_TASK_INTERVAL=30,
    )


def _set_serializer(module: ModuleType) -> None:
    # resolve_serializer(None) reads these names: what names no serializer fails closed, instead of unpickling
    json = module.__dict__["JSONSerializer"]
    module.__dict__.update(DefaultSerializer=json, PickleSerializer=json)


# A job is the function of its module's name. jobs.schedule.schedule is the one such function that is not a job.
_JOB = re.compile(r"jobs\.(?!schedule\.)([a-z][a-z0-9_]*)\.\1")
_CALLBACKS = ("success", "failure", "stopped")


def _guard_jobs(module: ModuleType) -> None:
    """Let rq.job find only our jobs. Tests name theirs in rq.job.ALSO_JOBS, in their own process."""
    find: Callable[[str], Any] = module.__dict__["import_attribute"]
    also: set[str] = set()

    def import_job(name: Any) -> Any:
        return find(name) if isinstance(name, str) and name in also else _job_named(name, find)

    module.__dict__.update(import_attribute=import_job, ALSO_JOBS=also)
    module.Job.func = property(lambda job: import_job(_name_alone(job)))
    module.Job.send_webhooks = lambda *_args, **_more: None  # to whatever address the job names
    for when in _CALLBACKS:  # a worker that reports the refusal looks for them again
        setattr(module.Job, f"{when}_callback", property(lambda job: None))


def _job_named(name: Any, find: Callable[[str], Any]) -> Any:
    match = _JOB.fullmatch(name) if isinstance(name, str) else None
    if match is None:
        raise ValueError(f"{name!r} is no job of ours, and is not run")
    job = find(name)
    if not isinstance(job, FunctionType) or (job.__module__, job.__name__) != (
        f"jobs.{match[1]}",
        match[1],
    ):
        raise ValueError(f"{name!r} is no function of that module, and is not run")
    return job


def _name_alone(job: Any) -> Any:
    """Return the name of the job's function, if nothing else is to be called."""
    if job.instance is not None:
        raise ValueError(f"{job.func_name!r} of an instance is not a job of ours, and is not run")
    for when in _CALLBACKS:
        if callback := getattr(job, f"_{when}_callback_name"):
            raise ValueError(
                f"{callback!r}, to be called on {when}, is refused: a job of ours has no callbacks"
            )
    return job.func_name


def _guard_queue_class(module: ModuleType) -> None:
    # rq-scheduler imports whatever class a job's meta names
    def refuse(name: str) -> Any:
        raise ValueError(f"{name!r}: a job names no class of its queue")

    module.__dict__["import_attribute"] = refuse


def _give_signs_of_life(module: ModuleType) -> None:
    register: Callable[[Any], None] = module.BaseWorker.register_birth

    def register_birth(worker: Any) -> None:
        # rq's own default, -P ".": a module that is missing elsewhere would be looked for in the caller's folder
        sys.path[:] = [folder for folder in sys.path if folder not in ("", ".")]
        from mrilu.service.program import leave_root

        leave_root()
        register(worker)
        from mrilu.queues.alive import start_beating  # the project is in the path of its .venv

        start_beating(worker)

    module.BaseWorker.register_birth = register_birth


def _bound_memory(module: ModuleType) -> None:
    run: Callable[[Any, Any, Any], None] = module.BaseWorker.main_work_horse

    def main_work_horse(worker: Any, job: Any, queue: Any) -> None:
        if queue.name != "embed":  # models take address space that they never fill
            from mrilu.runtime.memory import limit_memory
            from mrilu.settings.current import current_settings

            limit_memory(current_settings().worker_memory)
        run(worker, job, queue)

    module.BaseWorker.main_work_horse = main_work_horse


PAUSE = 5.0  # seconds between two tries to reach Redis


def _wait_for_redis(work: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that does `work` as soon as Redis answers."""

    def wait(*args: Any, **more: Any) -> Any:
        from redis.exceptions import AuthenticationError, TimeoutError
        from redis.exceptions import ConnectionError as Disconnected

        told = False
        while True:
            try:
                return work(*args, **more)
            except (Disconnected, TimeoutError) as error:
                if isinstance(error, AuthenticationError):
                    raise
                if not told:
                    print(f"Redis is away, waiting for it: {type(error).__name__}", file=sys.stderr)
                told = True
                time.sleep(PAUSE / 5)

    return wait


def _outlive_redis(module: ModuleType) -> None:
    worker = module.BaseWorker
    worker.max_connection_wait_time = PAUSE
    ask, complain = worker._set_ip_address, worker._pubsub_exception_handler

    def ask_when_there(one: Any, connection: Any) -> None:
        import multiprocessing
        import signal

        if multiprocessing.parent_process() is not None:
            # one of a pool: until it works, it had the pool's handlers and would ignore being stopped
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _wait_for_redis(ask)(one, connection)

    def complain_and_go_on(one: Any, error: Exception, *args: Any) -> None:
        # rq ends the thread that hears commands at a link that went silent, but not at one that was closed
        from redis.exceptions import ConnectionError as Disconnected
        from redis.exceptions import TimeoutError

        silent = isinstance(error, TimeoutError)
        complain(one, Disconnected(*error.args) if silent else error, *args)

    worker._set_ip_address = ask_when_there
    worker._pubsub_exception_handler = complain_and_go_on


def _start_when_redis_is_there(module: ModuleType) -> None:
    ask = _wait_for_redis(module.__dict__["is_suspended"])

    def ends_at_once(connection: Any) -> bool:
        # rq would end a worker that starts while all are suspended; one that works waits for the end of that
        ask(connection)
        return False

    module.__dict__["is_suspended"] = ends_at_once


def _change_workers(module: ModuleType) -> None:
    _give_signs_of_life(module)
    _bound_memory(module)
    _outlive_redis(module)


def _drop_pools(module: ModuleType) -> None:
    start: Callable[..., None] = module.WorkerPool.start

    def start_dropped(pool: Any, *args: Any, **more: Any) -> None:
        from mrilu.service.program import leave_root

        leave_root()
        start(pool, *args, **more)

    module.WorkerPool.start = start_dropped


_CHANGES = {
    "rq.defaults": _set_defaults,
    "rq.serializers": _set_serializer,
    "rq.job": _guard_jobs,
    "rq_scheduler.scheduler": _guard_queue_class,
    "rq.worker.base": _change_workers,
    "rq.worker_pool": _drop_pools,
    "rq.cli.workers": _start_when_redis_is_there,
}


class _Finder:
    """Finds RQ's modules as usual and changes them right after they have run."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name not in _CHANGES:
            return None
        spec = PathFinder.find_spec(name, path, target)  # type: ignore[arg-type]
        if spec is None or spec.loader is None:
            return spec
        run = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            run(module)
            _CHANGES[name](module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


if _Finder not in sys.meta_path:
    sys.meta_path.insert(0, _Finder)
