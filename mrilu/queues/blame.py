"""Whose fault it is that an import job ended: a mail's, or nobody's among its files.

Only what a mail does itself counts against it: a crash of the parser, the processor's time, an error that it
raised. A worker that was killed (an orderly stop that took too long, `docker kill`, the OOM killer) may have
been killed for any reason: that counts only once it happened again and again while this one file was read.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import redis
from rq.job import Job
from rq.timeouts import JobTimeoutException

from mrilu.runtime.reading import last_note
from mrilu.runtime.retry import is_outside, raised_by

KILLED, TOO_SLOW, RAISED = "killed-worker", "too-slow", "import-error"
MAX_DEATHS = 2  # with a cause in the mail
MAX_KILLS = 5  # without one, all while the same file was read
PATIENCE = 2  # ends without a cause after which the next try waits

# What is counted in a job's meta, each about its one file, or about its batch as a whole.
DEATHS, KILLS, RESTARTS = "deaths", "kills", "restarts"
_CRASHES = tuple(f"(signal {number})" for number in (4, 6, 7, 8, 11, 27))  # ILL, ABRT, BUS ... PROF


@dataclass(frozen=True)
class End:
    """How a job ended. `suspects` are the files of it that may have done it, `caused` whether one certainly did."""

    reason: str
    error: str
    suspects: list[str]
    caused: bool


@dataclass(frozen=True)
class Verdict:
    """What becomes of a job's files: those to try again together, in parts, or alone; the one to reject."""

    together: list[str] = field(default_factory=list)
    apart: list[str] = field(default_factory=list)
    alone: str = ""
    meta: Mapping[str, int] = field(default_factory=dict)
    wait: float = 0.0  # seconds before `together` or `alone` is tried again
    rejected: str = ""


def blames_a_file(job: Job) -> bool:
    """Tell whether a file may be to blame for this end: not for what failed outside, such as a full database."""
    if job.number_of_retries:
        return False
    trace = trace_of(job).rpartition("Traceback (most recent call last)")[2]
    kind = raised_by(trace)
    if kind is not None and issubclass(kind, JobTimeoutException):
        return f"{os.sep}psycopg{os.sep}" not in trace  # it waited for the database, on a lock, say
    return kind is None or not is_outside(kind)


def lost_the_link(job: Job) -> bool:
    """Tell whether a job failed since its worker could not reach Redis for a moment."""
    kind = raised_by(trace_of(job))
    return kind is not None and issubclass(kind, redis.ConnectionError | redis.TimeoutError)


def trace_of(job: Job) -> str:
    """Return what rq recorded of a job's end, "" when it recorded nothing."""
    result = job.latest_result()
    return (result.exc_string if result else None) or ""


def end_of(job: Job, data_dir: Path) -> End:
    """Find out how a job ended, from rq's record and from the note that its process left below `data_dir`."""
    paths: list[str] = job.args[1]
    trace = trace_of(job).strip()
    last = trace.splitlines()[-1][:500] if trace else ""
    if "JobTimeoutException" in last:
        # The clock's time: a slow disk, a machine that swaps. The processor's time has a bound of its own.
        told = f"importing this file alone took more than IMPORT_TIMEOUT ({job.timeout} s)"
        return End(TOO_SLOW, told, paths, caused=False)
    if last and "Work-horse terminated" not in last and "AbandonedJobError" not in last:
        return End(RAISED, last, paths, caused=True)
    note = last_note(data_dir, job.id)
    crash = (note.crash if note else "") or (last if any(one in last for one in _CRASHES) else "")
    if note and note.path in paths:
        suspects = [note.path]
    else:  # without a note all of them may have done it; a kill while none was read was none's doing
        suspects = paths if note is None or crash else []
    times = f"its worker died {MAX_DEATHS if crash else MAX_KILLS} times while importing this file"
    return End(
        KILLED, f"{times}: {crash or 'killed, for lack of memory, say'}", suspects, bool(crash)
    )


def judge(paths: list[str], meta: Mapping[str, int], end: End) -> Verdict:
    """Decide what becomes of the files of a job that ended like this; `meta` is what was counted before."""
    if not end.suspects:
        return _none_to_blame(paths, meta)
    if len(end.suspects) > 1:
        return Verdict(apart=paths)
    [suspect] = end.suspects
    others = [path for path in paths if path != suspect]
    counts = {key: 0 if others else int(meta.get(key, 0)) for key in (DEATHS, KILLS, RESTARTS)}
    counts[DEATHS if end.caused else KILLS] += 1
    if counts[DEATHS] >= MAX_DEATHS or counts[KILLS] >= MAX_KILLS:
        return Verdict(together=others, rejected=suspect)
    wait = 0.0 if end.caused else pause_after(counts[KILLS])
    return Verdict(together=others, alone=suspect, meta=counts, wait=wait)


def _none_to_blame(paths: list[str], meta: Mapping[str, int]) -> Verdict:
    """Try all again: with pauses that grow, in parts when it goes on, since a batch can be too much for a machine."""
    restarts = int(meta.get(RESTARTS, 0)) + 1
    if restarts > MAX_KILLS and len(paths) > 1:
        return Verdict(apart=paths)
    return Verdict(together=paths, meta={**meta, RESTARTS: restarts}, wait=pause_after(restarts))


def pause_after(ends: int) -> float:
    """Return the seconds to wait after so many ends without a cause: none at first, then up to five minutes."""
    return 0.0 if ends <= PATIENCE else float(min(300, 2 ** min(ends, 9)))
