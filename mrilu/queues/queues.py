"""The queues: import jobs go in here, and what waits in them can be listed for the ledger."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import cast
from uuid import uuid4

from redis import Redis
from rq import Queue
from rq.job import Job
from rq.registry import BaseRegistry, FailedJobRegistry, ScheduledJobRegistry, StartedJobRegistry
from rq.serializers import JSONSerializer
from rq.utils import as_text

from mrilu.runtime.redis import redis_connection
from mrilu.runtime.retry import RetryPolicy
from mrilu.settings.current import current_settings

logger = logging.getLogger(__name__)

MAIL = "mail"
DEFAULT = "default"
# Of its own: a source whose server never answers may hold "default" up for an hour.
NOTIFY = "notify"
EMBED = "embed"
LONG = "long"  # exports and downloads that may take an hour: what "default" has does not wait behind them
NAMES = (MAIL, DEFAULT, LONG, NOTIFY, EMBED)
IMPORT_FUNCTION = "jobs.import_messages.import_messages"
IMPORT = IMPORT_FUNCTION.rpartition(".")[2]  # the job's name in job_run and total
# Long enough to look at with rq info; job_run keeps the record for good.
RESULT_TTL = 300
LIVE = "live-"  # begins the ids of jobs that were put to the front
LOOKED_AT = 5_000  # jobs of a queue among which the oldest is looked for
FAILURE_TTL = 7 * 24 * 3600


def queue(name: str, connection: Redis | None = None) -> Queue:
    """Return the rq queue `name`, which speaks JSON: whoever reaches Redis must not run code."""
    return Queue(name, connection=connection or redis_connection(), serializer=JSONSerializer)


def submit_import(maildir: str, paths: list[str], live: bool) -> None:
    """Enqueue one import job for `paths` (relative to the Maildir's root).

    Live mail goes to the front, so that it does not wait behind a first import's backlog.
    Raises redis.ConnectionError when Redis is away: the caller keeps the paths.
    """
    put_import(queue(MAIL), maildir, paths, at_front=live)


def submit_backlog(maildir: str, paths: list[str], batch_size: int) -> None:
    """Enqueue import jobs for `paths` behind what waits, `batch_size` paths each; raise as `submit_import`."""
    for start in range(0, len(paths), batch_size):
        submit_import(maildir, paths[start : start + batch_size], live=False)


def put_import(
    mail: Queue,
    maildir: str,
    paths: list[str],
    *,
    at_front: bool,
    counted: Mapping[str, int] | None = None,
    wait: float = 0.0,
) -> Job:
    """Enqueue one import job, to be run in `wait` seconds.

    `counted` is how often its worker died over these paths (mrilu/queues/blame.py).

    It has no rq retries of its own: the job asks for them when an error is transient, and any other
    end is for mrilu.queues.recovery to look into at once.
    """
    job = mail.create_job(
        IMPORT_FUNCTION,
        job_id=f"{LIVE if at_front else ''}{uuid4()}",
        args=(maildir, paths),
        timeout=current_settings().import_timeout,
        result_ttl=RESULT_TTL,
        failure_ttl=FAILURE_TTL,
        meta={"deaths": 0} | {key: number for key, number in (counted or {}).items() if number},
        description=describe_import(maildir, paths),
    )
    if wait > 0:
        due = datetime.now(UTC) + timedelta(seconds=wait)
        return mail.schedule_job(job, due)
    return mail.enqueue_job(job, at_front=at_front)


# Take one job from where it waits to the front, unless another worker has taken it by now.
TO_FRONT = """
if redis.call('LREM', KEYS[1], 1, ARGV[1]) == 1 then return redis.call('LPUSH', KEYS[1], ARGV[1]) end
return 0
"""


def give_turn(mail: Queue, *, backlog: bool) -> str | None:
    """Move the oldest job of the backlog, or the oldest live one, to the front; return its id, None if there is none.

    Live mail goes to the front, and the last comes first: under a load that the workers cannot keep up with,
    neither the backlog nor the first of the live mail would ever be reached.
    """
    client = mail.connection
    ids = [as_text(raw) for raw in cast(list[bytes], client.lrange(mail.key, 0, LOOKED_AT - 1))]
    live = [one for one in ids if one.startswith(LIVE)]
    others = (one for one in ids if not one.startswith(LIVE))
    oldest = next(others, None) if backlog else live[-1] if len(live) > 1 else None
    if oldest is None or oldest == ids[0]:
        return None
    moved = client.register_script(TO_FRONT)(keys=[mail.key], args=[oldest])
    return oldest if moved else None


def describe_import(maildir: str, paths: list[str]) -> str:
    """Return what rq info and the worker's log show: never the whole list."""
    return f"import_messages({maildir}, {len(paths)} files)"


def retry_policy() -> RetryPolicy:
    """Return the policy of the settings MAX_ATTEMPTS, INITIAL_DELAY and MAX_DELAY."""
    settings = current_settings()
    return RetryPolicy(settings.max_attempts, settings.initial_delay, settings.max_delay)


def queued_paths(connection: Redis | None = None) -> dict[str, set[str]]:
    """Return the paths of all import jobs that wait, run or will be retried, by Maildir."""
    waiting: dict[str, set[str]] = defaultdict(set)
    for job in import_jobs(queue(MAIL, connection)):
        maildir, paths = job.args
        waiting[maildir].update(paths)
    return waiting


def import_jobs(mail: Queue) -> Iterator[Job]:
    """Yield the import jobs of the queue and of its started, scheduled and failed registries."""
    ids = list(mail.job_ids)
    for registry in (
        StartedJobRegistry(queue=mail),
        ScheduledJobRegistry(queue=mail),
        FailedJobRegistry(queue=mail),
    ):
        ids += raw_job_ids(registry)
    ids += [as_text(raw) for raw in mail.connection.lrange(mail.intermediate_queue_key, 0, -1)]
    yield from fetch_imports(mail, ids)


def is_drained(holder: Queue) -> bool:
    """Tell whether the queue has no job that waits, runs or will be tried again; one round trip."""
    with holder.connection.pipeline(transaction=False) as pipe:
        pipe.llen(holder.key)
        pipe.llen(holder.intermediate_queue_key)
        pipe.zcard(StartedJobRegistry(queue=holder).key)
        pipe.zcard(ScheduledJobRegistry(queue=holder).key)
        return not any(pipe.execute())


def raw_job_ids(registry: BaseRegistry) -> list[str]:
    """Return the registry's job ids without rq's clean-up, which would move jobs about as we look."""
    return list(dict.fromkeys(registry.get_job_ids(cleanup=False)))


def fetch_imports(mail: Queue, ids: Iterable[str]) -> Iterator[Job]:
    """Yield the import jobs among `ids`; what is gone or no import job is passed over."""
    wanted = list(dict.fromkeys(ids))
    for start in range(0, len(wanted), 100):
        some = wanted[start : start + 100]
        for job in Job.fetch_many(some, connection=mail.connection, serializer=JSONSerializer):
            if job is not None and _is_import(job):
                yield job


def _is_import(job: Job) -> bool:
    try:
        return job.func_name == IMPORT_FUNCTION and _are_arguments(*job.args)
    except Exception:  # noqa: BLE001 - an unreadable payload must not hide the others
        logger.warning("queue holds an unreadable job id=%s", job.id)
        return False


def _are_arguments(maildir: object, paths: object) -> bool:
    """Tell whether a job's arguments are of the right types; whoever reaches Redis can write others."""
    return (
        isinstance(maildir, str)
        and isinstance(paths, list)
        and all(isinstance(path, str) for path in paths)
    )
