"""The import job: files of a Maildir into the archive, each exactly once."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from peewee import PostgresqlDatabase
from rq import Retry, get_current_job
from rq.job import Job

from models import Hour, JobRun, Maildir, Total
from mrilu.archive.folders import doubts
from mrilu.archive.places import absence
from mrilu.archive.plan import FoundFile, Plan, known_files, make_plan, outdated, parts_of
from mrilu.archive.read import portions, read_mails, rejection_of
from mrilu.archive.store import Stored, store_changes, store_mails, store_rejections
from mrilu.mail.message import Limits
from mrilu.mail.version import PARSER_VERSION
from mrilu.maildir.presence import OutOfReach
from mrilu.notifications.events import NewsRules
from mrilu.notifications.news import match_if_possible
from mrilu.queues.lag import lag_buckets
from mrilu.queues.queues import retry_policy
from mrilu.queues.rules import limits_of, news_rules_of
from mrilu.queues.runs import MAX_ERROR
from mrilu.queues.wake import wake_embedding, wake_quotes
from mrilu.runtime.database import database
from mrilu.runtime.errors import first_line
from mrilu.runtime.logs import brief, log_as, run_of
from mrilu.runtime.memory import collector_paused, limit_memory
from mrilu.runtime.reading import NO_NOTE, Note, note_for
from mrilu.runtime.retry import RetryPolicy, is_outside, is_transient
from mrilu.runtime.sight import note_unseen
from mrilu.settings.current import current_settings
from mrilu.settings.load import secrets_of
from mrilu.settings.secrets import hidden

logger = logging.getLogger(__name__)

NAME = "import_messages"
# The parser looks at MAX_PARSE_SECONDS itself, wherever it runs Python code; so much later its process is ended.
MARGIN_SECONDS = 5.0
MAILS = ("imported", "copies", "rejected")  # what the hours are counted of
LEFT = "left"  # in a job's meta: whether its last run was left to another host
LEFT_SECONDS = 15  # until a job that is for another host is offered again, at most
MOST_LOOKS = 5  # at files that change while they are stored
STILL_CHANGING = "they are being written"


class UnknownMaildir(LookupError):
    """No Maildir of this name is registered; `./run.sh status` lists those that are."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Maildir {name!r}: {self.__doc__}")


class NotHere(OutOfReach):
    """This host has not the Maildir: the job is for another one."""


def was_left(job: Job) -> bool:
    """Tell whether the last run of a job was left to a host that has the Maildir."""
    return bool(job.meta.get(LEFT))


def import_messages(maildir: str, paths: list[str]) -> dict[str, int] | Retry:
    """Bring the archive level with these files of the Maildir `maildir`; return the counts.

    `paths` are relative to its root (see mrilu.maildir.names). Running it again changes nothing. When the
    database is away the result is rq's Retry, until MAX_ATTEMPTS is reached and the error is raised.
    Raises UnknownMaildir.
    """
    started = datetime.now(UTC)
    settings = current_settings()
    log_as(settings)
    limit_memory(settings.worker_memory)
    lags: dict[str, float] = {}
    job, seconds = get_current_job(), settings.max_parse_seconds + MARGIN_SECONDS
    if job and was_left(job):
        _note_left(job, left=False)
    try:
        with note_for(settings.data_dir, job.id if job else "", seconds) as note:
            counts = import_paths(
                database(), maildir, paths, limits_of(settings), news_rules_of(settings), lags, note
            )
        run = record_run(counts, started, lags)
    except Exception as error:
        if isinstance(error, OutOfReach):
            if job and isinstance(error, NotHere):
                _note_left(job, left=True)
            if error.reason != STILL_CHANGING:
                note_unseen(maildir, error.reason)
            if error.done:
                record_run(error.done, started, lags)
                _wake(error.done)
        if retry := _try_later(error, retry_policy()):
            return retry
        _record_failure(error, started)
        raise
    _wake(counts)
    with run_of(run):
        logger.info("imported maildir=%s %s", maildir, counts)
    return counts


def _note_left(job: Job, *, left: bool) -> None:
    """Keep in the job whether it was left to another host, for `was_left`; rq saves it with the retry."""
    job.meta[LEFT] = left
    job.save_meta()


def _wake(counts: Mapping[str, int]) -> None:
    if counts.get("imported") or counts.get("updated"):
        wake_embedding()
        wake_quotes()


def import_paths(
    db: PostgresqlDatabase,
    name: str,
    paths: list[str],
    limits: Limits,
    rules: NewsRules,
    lags: dict[str, float] | None = None,
    note: Note = NO_NOTE,
) -> dict[str, int]:
    """Plan, read and store one batch; return how many files were imported, copies, rejected, moved, gone ...

    `lags` is given how long the mails had waited (mrilu/queues/lag.py); `note` tells which file is read.
    Raises UnknownMaildir; and OutOfReach, when all is done but the files that cannot be seen or do not rest: try again.
    """
    maildir = Maildir.get_or_none(Maildir.name == name)
    if maildir is None:
        raise UnknownMaildir(name)
    if reason := absence(db, maildir, paths):
        raise NotHere(maildir.place, paths, reason)
    batch = _Batch(db, maildir, limits, rules, note)
    left: Iterable[str] = paths
    for _ in range(MOST_LOOKS):
        left = batch.import_once(left)
        if not left:
            break
    else:
        logger.info("maildir=%s files keep changing: %d", name, len(list(left)))
        batch.unseen.update(dict.fromkeys(left, STILL_CHANGING))
    if lags is not None:
        lags.update(lag_buckets(batch.arrivals, maildir.awaited_since.timestamp(), time.time()))
    counts = {key: number for key, number in batch.counts.items() if number}
    if batch.unseen:
        reason = next(iter(batch.unseen.values()))
        raise OutOfReach(maildir.place, sorted(batch.unseen), reason, counts)
    return counts


@dataclass
class _Batch:
    """Files of one Maildir on their way into the archive; `counts` and `arrivals` grow as they go in.

    `unseen` are the paths that could not be looked at, with why.
    """

    db: PostgresqlDatabase
    maildir: Maildir
    limits: Limits
    rules: NewsRules
    note: Note
    counts: Counter[str] = field(default_factory=Counter)
    arrivals: list[float] = field(default_factory=list)
    unseen: dict[str, str] = field(default_factory=dict)

    def import_once(self, paths: Iterable[str]) -> set[str]:
        """Plan, read and store; return the paths to look at again.

        Those are files that moved or left, and rows that another worker wrote, between our look and our commit.
        """
        root = Path(self.maildir.place)
        parts = [one for one in map(parts_of, paths) if one is not None]
        known = known_files(self.db.connection(), self.maildir.id, parts)
        plan = make_plan(root, paths, known, PARSER_VERSION)
        # After the look: a root that is there and the right one now is not proof that it was before.
        if plan.absent and (reason := doubts(self.db, self.maildir)):
            plan.doubt_absence(reason)
        self.unseen.update(plan.unseen)
        again = store_changes(self.db, plan.moved, plan.gone)
        stored = Stored()
        for files in portions(plan.read):
            stored += self._take_in(files)
        if not plan.read:  # what a worker that was killed after its commit left
            match_if_possible(self.db, self.rules)
        self.counts.update(_counts(plan) + stored.counts)
        return (again | stored.again | outdated(root, plan)) - self.unseen.keys()

    def _take_in(self, files: list[FoundFile]) -> Stored:
        """Read these files and store them; when memory runs out, one at a time, rejecting those still too large."""
        try:
            return self._read_and_store(files)
        except MemoryError:
            total, name = sum(file.size for file in files), self.maildir.name
            logger.warning("memory ran out maildir=%s files=%d bytes=%d", name, len(files), total)
        # After the handler: while it runs, its traceback holds what was read.
        if len(files) == 1:
            rejection = rejection_of(files[0], MemoryError())
            return store_rejections(self.db, self.maildir.id, [rejection])
        stored = Stored()
        for file in files:
            stored += self._take_in([file])
        return stored

    def _read_and_store(self, files: list[FoundFile]) -> Stored:
        root = Path(self.maildir.place)
        with collector_paused():
            mails, rejections, vanished = read_mails(
                root, files, self.limits, self.note, self.unseen
            )
        stored = store_mails(self.db, self.maildir.id, mails, self.rules)
        stored += store_rejections(self.db, self.maildir.id, rejections)
        self.arrivals += (mail.file.arrived for mail in mails)
        stored.counts["vanished"] += len(vanished)
        return stored


def _counts(plan: Plan) -> Counter[str]:
    moved = {(row.table, row.id) for row, _ in plan.moved}
    gone = sum(
        (row.table, row.id) not in moved for row in plan.gone
    )  # the old name of a file that moved is not
    return Counter(moved=len(plan.moved), gone=gone, known=plan.unchanged, ignored=plan.ignored)


def record_run(counts: dict[str, int], started: datetime, lags: Mapping[str, float]) -> int:
    """Write this run's job_run row, and how long its mails had waited; return the row's id."""
    job = get_current_job()
    mails = {label: float(counts[label]) for label in MAILS if label in counts}
    with database().atomic():
        Total.add("lag", NAME, lags)
        Hour.add({"lag": lags, "mails": mails})
        return JobRun.record(NAME, job.id if job else "", started, datetime.now(UTC), counts)


def _record_failure(error: Exception, started: datetime) -> None:
    """Write the row of a run that failed for good; the error's text is kept only where it cannot quote a mail."""
    job = get_current_job()
    told = brief(error, quoting=is_transient(error) or isinstance(error, UnknownMaildir))
    shown = hidden(told, secrets_of(current_settings()))[:MAX_ERROR]
    try:
        database()
        JobRun.record(NAME, job.id if job else "", started, datetime.now(UTC), {}, shown)
    except Exception:
        logger.exception("a failed import could not be recorded")


def _try_later(error: Exception, policy: RetryPolicy) -> Retry | None:
    """Return rq's Retry for an error that no mail caused, while tries are left, otherwise None.

    Files out of reach are tried again for as long as it takes, by whichever worker is free.
    """
    job = get_current_job()
    retry = policy.for_rq()
    if job is None or retry is None or not is_outside(type(error)):
        return None
    tries = job.number_of_retries or 0
    if isinstance(error, OutOfReach):
        waits = list(retry.intervals)
        wait = waits[min(tries, len(waits) - 1)]
        # The host that has the Maildir works on what it can reach: live mail must not wait for minutes.
        most = LEFT_SECONDS if isinstance(error, NotHere) else wait
        retry = Retry(max=tries + 1, interval=min(wait, most))
    elif tries >= retry.max:
        # rq's own end of retries would store the Retry object, which is not JSON.
        return None
    logger.warning("import will be tried again error=%s", first_line(error))
    return retry
