"""The record of each run of a periodic job: claimed before it works, closed when it ends, whoever ends it."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import ParamSpec

from rq import get_current_job
from rq.exceptions import NoSuchJobError
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer

from models import JobRun
from mrilu.queues.alive import is_alive
from mrilu.runtime.database import database
from mrilu.runtime.logs import log_as, run_of
from mrilu.runtime.processes import is_running, this_process
from mrilu.runtime.redis import redis_connection
from mrilu.runtime.retry import is_transient
from mrilu.settings.current import current_settings
from mrilu.settings.load import secrets_of
from mrilu.settings.secrets import hidden

logger = logging.getLogger(__name__)

P = ParamSpec("P")
Counts = dict[str, int]

DIED = "worker died"
MAX_ERROR = 2000  # characters of an error that are kept
_ENDED = (JobStatus.FINISHED, JobStatus.FAILED, JobStatus.STOPPED, JobStatus.CANCELED)


def recorded(function: Callable[P, Counts]) -> Callable[P, Counts]:
    """Make each call of a job a job_run row under the function's name; the counts it returns are kept.

    A call is refused, with {"refused": 1}, while the job runs elsewhere or when its slot is done. What the
    job raises is recorded and raised on; rq tries again only after errors that time can cure.
    """
    name = function.__name__

    @functools.wraps(function)
    def run_recorded(*args: P.args, **kwargs: P.kwargs) -> Counts:
        log_as(current_settings())
        run = _claim(name)
        if run is None:
            return {"refused": 1}
        with run_of(run):
            return _run_claimed(name, run, lambda: function(*args, **kwargs))

    return run_recorded


def _run_claimed(name: str, run: int, work: Callable[[], Counts]) -> Counts:
    started = datetime.now(UTC)
    try:
        counts = work()
    except BaseException as error:
        _record_failure(name, run, error)
        raise
    database()
    JobRun.close(run, "done", datetime.now(UTC), counts, "")
    seconds = (datetime.now(UTC) - started).total_seconds()
    logger.info("job ended job=%s run=%d outcome=done seconds=%.1f %s", name, run, seconds, counts)
    return counts


def _claim(name: str) -> int | None:
    """Open this run's row; a row that a dead worker left open is closed first."""
    database()
    job = get_current_job()
    rq_id, slot = (job.id, _slot_of(job)) if job else ("", None)
    for _ in range(2):
        run = JobRun.claim(name, rq_id, slot, this_process(), datetime.now(UTC))
        if run is not None:
            return run
        if not close_dead_runs(name):
            break
    logger.warning(
        "job=%s refused: it runs already, or its slot is done slot=%s id=%s", name, slot, rq_id
    )
    return None


def _slot_of(job: Job) -> datetime | None:
    slot = job.meta.get("slot")
    return datetime.fromisoformat(slot) if slot else None


def _record_failure(name: str, run: int, error: BaseException) -> None:
    """Close the row as failed. When even that fails, `close_dead_runs` does it later."""
    job = get_current_job()
    if job is not None and not may_pass(error):
        job.retries_left = 0
    try:
        database()
        told = hidden(f"{type(error).__name__}: {error}", secrets_of(current_settings()))[
            :MAX_ERROR
        ]
        JobRun.close(run, "failed", datetime.now(UTC), {}, told)
    except Exception:
        logger.exception("job=%s run=%d its failure could not be recorded", name, run)
    logger.error("job ended job=%s run=%d outcome=failed error=%s", name, run, type(error).__name__)


def may_pass(error: BaseException) -> bool:
    """Tell whether time may cure this error: a server or the network is away."""
    return is_transient(error) or isinstance(error, ConnectionError | TimeoutError)


def close_dead_runs(name: str | None = None) -> int:
    """Mark the running rows, of one job or of all, whose worker is gone as failed; return how many."""
    closed = 0
    for run in JobRun.running(name):
        if _is_dead(run) and JobRun.close(run.id, "failed", datetime.now(UTC), {}, DIED):
            logger.warning(
                "job ended job=%s run=%d outcome=failed error=%r worker=%s",
                run.job,
                run.id,
                DIED,
                run.worker,
            )
            closed += 1
    return closed


def _is_dead(run: JobRun) -> bool:
    """Tell whether no one works on this run: its process is gone, or rq says that its job has ended."""
    running = is_running(run.worker)
    if running is False:
        return True
    job = _rq_job(run.rq_id)
    status = job.get_status(refresh=False) if job else None
    if running:
        return status in _ENDED
    if job and status == JobStatus.STARTED:  # on another host: its worker's beat decides
        name = job.worker_name
        return name is not None and not is_alive(name, redis_connection())
    return bool(run.rq_id)


def _rq_job(rq_id: str) -> Job | None:
    if not rq_id:
        return None
    try:
        return Job.fetch(rq_id, connection=redis_connection(), serializer=JSONSerializer)
    except NoSuchJobError:
        return None
