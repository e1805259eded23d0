"""Import jobs whose worker died, or that failed, come back; the one file that kills workers is set aside.

rq notices a dead worker only after the job's time-out and a minute. The watchers and the scheduler that leads call
`recover_imports` and `recover_runs` each second instead, either in case the others' host is gone: they look whether the
process that runs a job is still there.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from redis import Redis, RedisError, WatchError
from rq import Queue
from rq.executions import Execution
from rq.job import Job, JobStatus
from rq.registry import FailedJobRegistry, ScheduledJobRegistry, StartedJobRegistry
from rq.serializers import JSONSerializer
from rq.utils import as_text

from models import JobRun, Maildir, Total
from mrilu.archive.plan import known_files, look_at, parse_path
from mrilu.archive.read import RETRY_ALWAYS, Rejection
from mrilu.archive.rejected_header import header_of
from mrilu.archive.store import store_rejections
from mrilu.mail.version import PARSER_VERSION
from mrilu.queues.alive import is_alive, is_idle
from mrilu.queues.blame import (
    KILLED,
    RAISED,
    Verdict,
    blames_a_file,
    end_of,
    judge,
    lost_the_link,
    pause_after,
)
from mrilu.queues.enqueue import LAST
from mrilu.queues.queues import (
    FAILURE_TTL,
    IMPORT_FUNCTION,
    MAIL,
    NAMES,
    RESULT_TTL,
    fetch_imports,
    put_import,
    queue,
    raw_job_ids,
    retry_policy,
)
from mrilu.queues.runs import DIED
from mrilu.runtime.database import database
from mrilu.runtime.reading import forget_note
from mrilu.runtime.retry import CONTENT, is_outside
from mrilu.settings.current import current_settings

logger = logging.getLogger(__name__)

# A batch is cut into this many jobs after a death: 250 files need two deaths, not eight as with halves.
PIECES = 16
IMPORT = IMPORT_FUNCTION.rpartition(".")[2]  # the job's name in job_run and total
MAX_RUN_DEATHS = 5  # of a run of another job, whoever killed it
OTHERS = tuple(name for name in NAMES if name != MAIL)
RETRY_GRACE = 3.0  # seconds that rq's own scheduler has for a retry
LINK_PAUSE = 5.0  # seconds that a job rests whose worker lost Redis in the middle of it
STRANDED = 5.0  # seconds from taking a job off its queue to its start, which takes a millisecond
TAKEN = "mrilu:taken:{}"  # when each job that was taken off a queue was first seen there
# Watchers, the scheduler or a waiting command may recover at once; after so many seconds a killed one does not count.
LOCK, LOCK_OF_RUNS, LOCK_SECONDS = "mrilu:recovering", "mrilu:recovering-runs", 20
TAKEN_SECONDS = 60  # that TAKEN is kept unseen


def recover_imports() -> int:
    """Put back the import jobs that no process works on any more; return how many there were.

    A job of several files is cut up, so that the one file that kills its worker ends up alone; a file
    killed its worker, by a crash or its time, twice is rejected with the reason "killed-worker".
    """
    mail = queue(MAIL)
    enqueue_overdue(mail)
    put_back_stranded(mail)
    if not _unfinished(mail):
        return 0
    with _alone(mail.connection, LOCK) as mine:
        # again: whoever had the lock may have put them back
        return sum(_recover(mail, job) for job in _unfinished(mail)) if mine else 0


@contextmanager
def _alone(client: Redis, lock: str) -> Iterator[bool]:
    """Hold a lock for the block, if no one else does; yields whether it is ours."""
    mine = bool(client.set(lock, socket.gethostname(), nx=True, ex=LOCK_SECONDS))
    try:
        yield mine
    finally:
        if mine:
            client.delete(lock)


def _recover(mail: Queue, job: Job) -> bool:
    """Put one job back; what is wrong with it alone keeps no other from coming back."""
    try:
        # Enqueue first, delete after: a crash between the two makes work twice, never loses it.
        _put_back(mail, job)
        _discard(mail, job)
    except Exception as error:
        if is_outside(type(error)) and not isinstance(error, CONTENT):
            raise
        logger.exception("import job cannot be put back id=%s", job.id)
        return False
    return True


def enqueue_overdue(holder: Queue) -> int:
    """Enqueue the retries that are overdue; return how many.

    rq's own scheduler leaves them for a minute when the worker that held its lock was killed, and a
    worker without --with-scheduler leaves them for good.
    """
    client, key = holder.connection, ScheduledJobRegistry(queue=holder).key
    raw = client.zrangebyscore(key, 0, time.time() - RETRY_GRACE)
    ids = [str(as_text(one)) for one in raw]  # type: ignore[arg-type]
    found = Job.fetch_many(ids, connection=client, serializer=JSONSerializer) if ids else []
    return sum(
        _enqueue_retry(holder, key, job_id, job) for job_id, job in zip(ids, found, strict=True)
    )


def _enqueue_retry(holder: Queue, key: str, job_id: str, job: Job | None) -> bool:
    """Move one retry (None: its job is gone) to the queue; False when another has, or may have."""
    with holder.connection.pipeline() as pipeline:
        pipeline.watch(key)
        if pipeline.zscore(key, job_id) is None:
            return False
        pipeline.multi()
        if job is not None:
            holder.enqueue_job(job, pipeline=pipeline)
        pipeline.zrem(key, job_id)
        try:
            pipeline.execute()
        except WatchError:
            return False
    return True


def put_back_stranded(holder: Queue) -> int:
    """Put jobs back that a worker took off the queue and did not start for STRANDED seconds; return how many.

    The worker was killed between the two. rq itself waits for a minute and calls that a failure. Should the
    worker only have been slow, the job runs twice, which changes nothing.
    """
    client, key = holder.connection, holder.intermediate_queue_key
    ids = [str(as_text(raw)) for raw in client.lrange(key, 0, -1)]
    seen_key = TAKEN.format(holder.name)
    if not ids:
        client.delete(seen_key)
        return 0
    since = {as_text(raw): float(at) for raw, at in client.hgetall(seen_key).items()}
    late = [one for one in ids if time.time() - since.get(one, time.time()) >= STRANDED]
    with client.pipeline() as pipeline:
        pipeline.delete(seen_key)
        pipeline.hset(seen_key, mapping={one: since.get(one, time.time()) for one in ids})
        pipeline.expire(seen_key, TAKEN_SECONDS)
        pipeline.execute()
    return sum(_put_back_taken(holder, job_id) for job_id in late)


def _put_back_taken(holder: Queue, job_id: str) -> bool:
    """Move one job from where workers take it to back to the queue's front; False when it has moved on."""
    client, key = holder.connection, holder.intermediate_queue_key
    with client.pipeline() as pipeline:
        pipeline.watch(key)
        if job_id.encode() not in client.lrange(key, 0, -1):
            return False
        pipeline.multi()
        pipeline.lrem(key, 0, job_id)
        pipeline.lpush(
            holder.key, job_id
        )  # one whose hash is gone is passed over by whoever takes it
        try:
            pipeline.execute()
        except WatchError:
            return False
    logger.warning("job was taken off the queue and not started id=%s", job_id)
    return True


def recover_runs() -> int:
    """Put back the runs of other jobs whose worker died, MAX_RUN_DEATHS times; return how many there were.

    What killed its worker so often waits for its next slot.
    """
    recovered = 0
    for name in OTHERS:
        holder = queue(name)
        enqueue_overdue(holder)
        put_back_stranded(holder)
        if _lost_runs(holder):
            with _alone(holder.connection, LOCK_OF_RUNS) as mine:
                jobs = _lost_runs(holder) if mine else []
                recovered += sum(_recover_run(holder, job) for job in jobs)
    return recovered


def _lost_runs(holder: Queue) -> list[Job]:
    ids = _abandoned_ids(holder)
    found = Job.fetch_many(ids, connection=holder.connection, serializer=JSONSerializer)
    return [
        job
        for job in found
        if job is not None and job.get_status(refresh=False) == JobStatus.STARTED
    ]


def _recover_run(holder: Queue, job: Job) -> bool:
    """Put one run back; what is wrong with it alone keeps no other from coming back."""
    try:
        _run_again(holder, job)
        _discard(holder, job)
    except Exception as error:
        if isinstance(error, RedisError):
            raise
        logger.exception("run cannot be put back id=%s", job.id)
        return False
    return True


def _run_again(holder: Queue, job: Job) -> None:
    deaths = int(job.meta.get("deaths", 0)) + 1
    logger.warning("worker died function=%s id=%s deaths=%d", job.func_name, job.id, deaths)
    if deaths > MAX_RUN_DEATHS:
        return
    again = holder.create_job(
        str(job.func_name),
        args=job.args,
        kwargs=job.kwargs,
        timeout=int(job.timeout or holder.DEFAULT_TIMEOUT),
        result_ttl=RESULT_TTL,
        failure_ttl=FAILURE_TTL,
        description=job.description,
        meta={**job.meta, "deaths": deaths},
        retry=retry_policy().for_rq(),
    )
    row = str(job.func_name).rpartition(".")[2]
    was_last = holder.connection.hget(LAST, row) == job.id.encode()
    due = datetime.now(UTC) + timedelta(seconds=pause_after(deaths))
    with holder.connection.pipeline() as pipeline:
        if due > datetime.now(UTC):
            holder.schedule_job(again, due, pipeline=pipeline)
        else:
            holder.enqueue_job(again, pipeline=pipeline, at_front=True)
        if was_last:
            pipeline.hset(LAST, row, again.id)
        pipeline.execute()


def _unfinished(mail: Queue) -> list[Job]:
    return [*_abandoned(mail), *_failed(mail)]


def _abandoned(mail: Queue) -> Iterator[Job]:
    """Yield the started jobs whose worker process no longer exists."""
    for job in fetch_imports(mail, _abandoned_ids(mail)):
        if job.get_status() == JobStatus.STARTED:
            yield job


def _abandoned_ids(holder: Queue) -> list[str]:
    registry, client = StartedJobRegistry(queue=holder), holder.connection
    executions = (Execution.from_composite_key(key, client) for key in _members(registry))
    return [execution.job_id for execution in executions if _is_dead(holder, execution)]


def _members(registry: StartedJobRegistry) -> list[str]:
    """Return the registry's "job:execution" keys, those of dead workers too."""
    return [str(as_text(key)) for key in registry.connection.zrange(registry.key, 0, -1)]  # type: ignore[arg-type]


def _is_dead(holder: Queue, execution: Execution) -> bool:
    """Tell whether the worker of an execution is gone or has ended it, or the execution itself has expired.

    A Redis that took a lost one's place may not know of the end that the lost one had acknowledged.
    """
    try:
        execution.refresh()
    except (ValueError, KeyError):
        return True
    name = execution.worker_name or ""
    # rq makes a worker busy in the transaction that begins the execution
    return not is_alive(name, holder.connection) or is_idle(name, holder.connection)


def _failed(mail: Queue) -> Iterator[Job]:
    """Yield the failed import jobs; one that no file of it is to blame for rests a while first."""
    ids = raw_job_ids(FailedJobRegistry(queue=mail))
    for job in fetch_imports(mail, ids):
        if blames_a_file(job) or _rested(job):
            yield job


def _rested(job: Job) -> bool:
    ended = job.ended_at
    if ended is None:
        return True
    # Redis itself says that it is back: the failure was recorded there
    seconds = LINK_PAUSE if lost_the_link(job) else current_settings().max_delay
    pause = timedelta(seconds=seconds)
    return datetime.now(UTC) - (ended if ended.tzinfo else ended.replace(tzinfo=UTC)) >= pause


def _put_back(mail: Queue, job: Job) -> None:
    maildir, paths = job.args
    if not blames_a_file(job):
        put_import(mail, maildir, paths, at_front=False)
        return
    database()
    if not Maildir.select().where(Maildir.name == maildir).exists():
        logger.error(
            "import job dropped: no Maildir is registered as %r files=%d", maildir, len(paths)
        )
        return
    end = end_of(job, current_settings().data_dir)
    if end.reason == KILLED:
        _record_death(job)
    verdict = judge(paths, job.meta, end)
    logger.warning(
        "import failed maildir=%s files=%d suspects=%d rejected=%s reason=%s id=%s",
        maildir,
        len(paths),
        len(end.suspects),
        verdict.rejected or "-",
        end.reason,
        job.id,
    )
    if verdict.rejected:
        quarantine(maildir, verdict.rejected, end.reason, end.error)
    if verdict.alone:
        _offer_again(mail, maildir, [verdict.alone], verdict)
    if verdict.together:
        _offer_again(mail, maildir, verdict.together, Verdict() if end.suspects else verdict)
    for piece in pieces(verdict.apart):
        put_import(mail, maildir, piece, at_front=False)
    forget_note(current_settings().data_dir, job.id)


def _offer_again(mail: Queue, maildir: str, paths: list[str], verdict: Verdict) -> None:
    put_import(mail, maildir, paths, at_front=False, counted=verdict.meta, wait=verdict.wait)


def _record_death(job: Job) -> None:
    """Write the row of a run that no one lived to record."""
    began, now = job.started_at or job.enqueued_at, datetime.now(UTC)
    started = now if began is None else began if began.tzinfo else began.replace(tzinfo=UTC)
    JobRun.record(IMPORT, job.id, started, now, {}, DIED)


def pieces(paths: list[str]) -> list[list[str]]:
    """Cut `paths` into at most PIECES lists of nearly equal length."""
    size = max(1, -(-len(paths) // PIECES))
    return [paths[start : start + size] for start in range(0, len(paths), size)]


def quarantine(name: str, path: str, reason: str, error: str) -> None:
    """Reject the file that failed so often alone; `./run.sh retry` and, after a while, a rescan try it again."""
    db = database()
    maildir = Maildir.get(Maildir.name == name)
    parts = parse_path(path)
    file = look_at(
        Path(maildir.place),
        path,
        known_files(db.connection(), maildir.id, [parts] if parts else []),
    )
    if file is None:
        return
    # An import-error may be the service's own fault after all: each rescan tries again.
    version = RETRY_ALWAYS if reason == RAISED else PARSER_VERSION
    with db.atomic():
        header = header_of(Path(maildir.place), path)
        rejection = Rejection(file, reason, error, version, header)
        stored = store_rejections(db, maildir.id, [rejection])
        Total.add("items", IMPORT, stored.counts)
    logger.error("file quarantined maildir=%s path=%s reason=%s", name, path, reason)


def _discard(holder: Queue, job: Job) -> None:
    registry = StartedJobRegistry(queue=holder)
    for key in _members(registry):
        if key.startswith(f"{job.id}:"):
            holder.connection.zrem(registry.key, key)
    holder.connection.lrem(holder.intermediate_queue_key, 0, job.id)
    # rq reads the executions of a job that it deletes, and raises when one has expired.
    holder.connection.delete(job.execution_registry.key)
    job.delete()
