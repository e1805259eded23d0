"""Import jobs whose worker died, or that failed, come back; the one file that kills workers is set aside.

rq notices a dead worker only after the job's time-out and a minute. The watcher calls `recover_imports`
each second instead: it looks whether the process that runs a job is still there.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rq import Queue
from rq.executions import Execution
from rq.job import Job, JobStatus
from rq.registry import FailedJobRegistry, ScheduledJobRegistry, StartedJobRegistry
from rq.serializers import JSONSerializer
from rq.timeouts import JobTimeoutException
from rq.utils import as_text

from models import JobRun, Maildir, Total
from mrilu.archive.plan import known_files, look_at, parse_path
from mrilu.archive.read import RETRY_ALWAYS, Rejection
from mrilu.archive.store import store_rejections
from mrilu.mail.parse import PARSER_VERSION
from mrilu.queues.alive import is_alive
from mrilu.queues.enqueue import LAST
from mrilu.queues.queues import (
    DEFAULT,
    EMBED,
    FAILURE_TTL,
    IMPORT_FUNCTION,
    MAIL,
    RESULT_TTL,
    fetch_imports,
    put_import,
    queue,
    raw_job_ids,
    retry_policy,
)
from mrilu.queues.runs import DIED
from mrilu.runtime.database import database
from mrilu.runtime.reading import file_read_by, forget_note
from mrilu.runtime.retry import CONTENT, is_outside, raised_by
from mrilu.settings.current import current_settings

logger = logging.getLogger(__name__)

# A batch is cut into this many jobs after a death: 250 files need two deaths, not eight as with halves.
PIECES = 16
MAX_DEATHS = 2
MAX_UNEXPLAINED = 5  # deaths while no file was read, after which the batch is cut up all the same
KILLED = "killed-worker"
IMPORT = IMPORT_FUNCTION.rpartition(".")[2]  # the job's name in job_run and total
RETRY_GRACE = 3.0  # seconds that rq's own scheduler has for a retry
# Another watcher or a waiting command may recover, too; after this many seconds a killed one does not count.
LOCK, LOCK_SECONDS = "mrilu:recovering", 60


def recover_imports() -> int:
    """Put back the import jobs that no process works on any more; return how many there were.

    A job of several files is cut up, so that the one file that kills its worker ends up alone; a file
    that killed its worker twice when alone is rejected with the reason "killed-worker".
    """
    mail = queue(MAIL)
    enqueue_overdue(mail)
    if not _unfinished(mail) or not mail.connection.set(
        LOCK, socket.gethostname(), nx=True, ex=LOCK_SECONDS
    ):
        return 0
    recovered = 0
    try:
        for job in _unfinished(mail):  # again: whoever had the lock may have put them back
            recovered += _recover(mail, job)
    finally:
        mail.connection.delete(LOCK)
    return recovered


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
    for job_id, job in zip(ids, found, strict=True):
        with client.pipeline() as pipeline:
            if job is not None:
                holder.enqueue_job(job, pipeline=pipeline)
            pipeline.zrem(key, job_id)
            pipeline.execute()
    return len(ids)


def recover_runs() -> int:
    """Put back the runs of other jobs whose worker died, MAX_DEATHS times; return how many there were.

    What killed its worker so often waits for its next slot.
    """
    recovered = 0
    for name in (DEFAULT, EMBED):
        holder = queue(name)
        enqueue_overdue(holder)
        ids = _abandoned_ids(holder)
        for job in Job.fetch_many(ids, connection=holder.connection, serializer=JSONSerializer):
            if job is not None and job.get_status(refresh=False) == JobStatus.STARTED:
                _run_again(holder, job)
                _discard(holder, job)
                recovered += 1
    return recovered


def _run_again(holder: Queue, job: Job) -> None:
    deaths = int(job.meta.get("deaths", 0)) + 1
    logger.warning("worker died function=%s id=%s deaths=%d", job.func_name, job.id, deaths)
    if deaths > MAX_DEATHS:
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
    with holder.connection.pipeline() as pipeline:
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
    """Tell whether the worker of an execution is gone, or the execution itself has expired."""
    try:
        execution.refresh()
    except (ValueError, KeyError):
        return True
    return not is_alive(execution.worker_name or "", holder.connection)


def _failed(mail: Queue) -> Iterator[Job]:
    """Yield the failed import jobs; one that no file of it is to blame for rests a while first."""
    ids = raw_job_ids(FailedJobRegistry(queue=mail))
    for job in fetch_imports(mail, ids):
        if _blames_a_file(job) or _rested(job):
            yield job


def _blames_a_file(job: Job) -> bool:
    """Tell whether this end counts against the job's files: not what failed outside, such as a full database."""
    if job.number_of_retries:
        return False
    trace = _trace_of(job).rpartition("Traceback (most recent call last)")[2]
    kind = raised_by(trace)
    if kind is not None and issubclass(kind, JobTimeoutException):
        return f"{os.sep}psycopg{os.sep}" not in trace  # it waited for the database, on a lock, say
    return kind is None or not is_outside(kind)


def _trace_of(job: Job) -> str:
    result = job.latest_result()
    return (result.exc_string if result else None) or ""


def _rested(job: Job) -> bool:
    ended = job.ended_at
    if ended is None:
        return True
    pause = timedelta(seconds=current_settings().max_delay)
    return datetime.now(UTC) - (ended if ended.tzinfo else ended.replace(tzinfo=UTC)) >= pause


def _put_back(mail: Queue, job: Job) -> None:
    maildir, paths = job.args
    if not _blames_a_file(job):
        put_import(mail, maildir, paths, at_front=False)
        return
    database()
    if not Maildir.select().where(Maildir.name == maildir).exists():
        logger.error(
            "import job dropped: no Maildir is registered as %r files=%d", maildir, len(paths)
        )
        return
    reason, error = cause_of(job)
    if reason == KILLED and _explained(mail, job):
        return
    deaths = int(job.meta.get("deaths", 0)) + 1 if len(paths) == 1 else 0
    if reason == KILLED:
        _record_death(job)
    facts = (maildir, len(paths), deaths, reason, job.id)
    logger.warning("import failed maildir=%s files=%d deaths=%d reason=%s id=%s", *facts)
    if deaths >= MAX_DEATHS:
        quarantine(maildir, paths[0], reason, error)
        return
    for piece in pieces(paths):
        put_import(mail, maildir, piece, at_front=False, attempts=deaths)


def _explained(mail: Queue, job: Job) -> bool:
    """Put the files back of a job whose note says what its worker read when it died; False without a note."""
    maildir, paths = job.args
    read = file_read_by(current_settings().data_dir, job.id)
    unexplained = int(job.meta.get("unexplained", 0)) + 1
    if read is None or (read not in paths and unexplained > MAX_UNEXPLAINED):
        return False
    _record_death(job)
    facts = (maildir, len(paths), read, job.id)
    logger.warning("worker died maildir=%s files=%d path=%s id=%s", *facts)
    forget_note(current_settings().data_dir, job.id)
    deaths = int(job.meta.get("deaths", 0))
    if read not in paths:  # it read none: what killed it is not in a mail
        more = {"attempts": deaths, "unexplained": unexplained}
        put_import(mail, maildir, paths, at_front=False, **more)
        return True
    others = [path for path in paths if path != read]
    if others:
        put_import(mail, maildir, others, at_front=False)
    deaths = 1 if others else deaths + 1
    if deaths >= MAX_DEATHS:
        quarantine(maildir, read, *cause_of(job))
    else:
        put_import(mail, maildir, [read], at_front=False, attempts=deaths)
    return True


def _record_death(job: Job) -> None:
    """Write the row of a run that nobody lived to record."""
    began, now = job.started_at or job.enqueued_at, datetime.now(UTC)
    started = now if began is None else began if began.tzinfo else began.replace(tzinfo=UTC)
    JobRun.record(IMPORT, job.id, started, now, {}, DIED)


def cause_of(job: Job) -> tuple[str, str]:
    """Return the rejection's reason and sentence, from what rq recorded of the job's end."""
    trace = _trace_of(job)
    last = trace.strip().splitlines()[-1][:500] if trace.strip() else ""
    if "JobTimeoutException" in last:
        return (
            "too-slow",
            f"importing this file alone took more than IMPORT_TIMEOUT ({job.timeout} s)",
        )
    if last and "Work-horse terminated" not in last and "AbandonedJobError" not in last:
        return "import-error", last
    return (
        KILLED,
        f"its worker died {MAX_DEATHS} times while importing this file alone (memory or crash)",
    )


def pieces(paths: list[str]) -> list[list[str]]:
    """Cut `paths` into at most PIECES lists of nearly equal length."""
    size = -(-len(paths) // PIECES)
    return [paths[start : start + size] for start in range(0, len(paths), size)]


def quarantine(name: str, path: str, reason: str, error: str) -> None:
    """Reject the file that failed MAX_DEATHS times alone; `./run.sh retry` gives it another chance."""
    db = database()
    maildir = Maildir.get(Maildir.name == name)
    parts = parse_path(path)
    file = look_at(
        Path(maildir.root), path, known_files(db.connection(), maildir.id, [parts] if parts else [])
    )
    if file is None:
        return
    # An import-error may be the service's own fault after all: each rescan tries again.
    version = RETRY_ALWAYS if reason == "import-error" else PARSER_VERSION
    with db.atomic():
        stored = store_rejections(db, maildir.id, [Rejection(file, reason, error, version)])
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
