"""rq-scheduler's Scheduler over one table of periodic jobs, with the gaps closed that running it showed.

What it adds: each slot is an rq job of its own; enqueueing it and setting the next slot are one transaction;
a job that is pending is not enqueued again; the table is asserted each second; one bad entry stops nothing;
one of several schedulers leads, and the next takes over when its lock ends. Times in Redis are UTC.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import FrameType
from typing import Any
from zoneinfo import ZoneInfo

from redis import Redis, RedisError, WatchError
from rq.job import Job
from rq.serializers import JSONSerializer
from rq_scheduler import Scheduler

from mrilu.queues.enqueue import enqueue_now, pending_job, put_run
from mrilu.queues.table import Periodic
from mrilu.runtime.heartbeat import beat

logger = logging.getLogger(__name__)

PREFIX = "mrilu-"  # of our entries' ids: others in the same Redis are theirs who made them
LOCK_TTL = 10  # seconds; renewed each second, so a scheduler that is killed is replaced after 10
TICK = 1.0  # seconds between two looks at the clock
SAVE_EVERY = 60.0  # seconds between two times that the entries' descriptions are written anew
START_PAUSE = 60.0  # seconds within which a restart does not run the at_start jobs again
START_GRACE = 30.0  # seconds after its start until which leading means that the service starts, not that it goes on

LastRuns = Callable[[], Mapping[str, datetime]]


class JsonJob(Job):
    """An rq job that is JSON whoever fetches it: unpickling runs code."""

    def __init__(
        self, id: str | None = None, connection: Redis | None = None, serializer: Any = None
    ) -> None:
        super().__init__(id, connection, JSONSerializer)


class TableScheduler(Scheduler):
    """Schedules the rows of one table. `last_runs` gives the last run's time by job, `now` the time (UTC)."""

    job_class = JsonJob

    def __init__(
        self,
        table: Sequence[Periodic],
        zone: ZoneInfo,
        connection: Redis,
        last_runs: LastRuns,
        upkeep: Callable[[], object] = lambda: None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        super().__init__(connection=connection, interval=TICK, job_class=JsonJob)
        self.rows = {PREFIX + row.id: row for row in table}
        self.zone, self.now = zone, now
        self.stopping = threading.Event()
        self._last_runs, self._upkeep = last_runs, upkeep
        self._began, self._saved_at = time.monotonic(), float("-inf")
        self._leads, self._starts = False, True
        self._complained: set[str] = set()

    # -- one leader

    def acquire_lock(self) -> bool:
        """Take or renew the lead; False while another scheduler has it."""
        taken = self.connection.set(self.scheduler_lock_key, self.name, nx=True, ex=LOCK_TTL)
        if not taken and self._holds_lock():
            # Should the lock end between the two calls, WATCH in `fire` keeps two leaders from firing one slot.
            self.connection.expire(self.scheduler_lock_key, LOCK_TTL)
            taken = True
        self._lock_acquired = bool(taken)
        return self._lock_acquired

    def remove_lock(self) -> None:
        """Give the lead away, so that the next scheduler need not wait for the lock to end."""
        if self._lock_acquired and self._holds_lock():
            self.connection.delete(self.scheduler_lock_key)
        self._lock_acquired = False

    def _holds_lock(self) -> bool:
        return self.connection.get(self.scheduler_lock_key) == self.name.encode()

    # -- the table in Redis

    def assert_table(self) -> None:
        """Make the entries in Redis those of the table: add, correct, prune."""
        entries = self.connection.zrange(self.scheduled_jobs_key, 0, -1, withscores=True)
        scores = {key.decode(errors="replace"): score for key, score in entries}
        for entry in [one for one in scores if one.startswith(PREFIX) and one not in self.rows]:
            self._prune(entry)
        wrong = self._corrections(scores)
        if wrong:
            self.connection.zadd(self.scheduled_jobs_key, wrong)
            logger.info("schedule entries set: %s", " ".join(sorted(wrong)))
        self._save_entries()

    def _corrections(self, scores: Mapping[str, float]) -> dict[str, float]:
        """Return the entries that are missing or have a wrong time. An overdue one stays: it fires first.

        A missing entry is due when its last run says so: what Redis forgot is made up for.
        """
        now = self.now()
        last_runs = self._last_runs() if self.rows.keys() - scores.keys() else {}
        wrong = {}
        for entry, row in self.rows.items():
            known = scores.get(entry)
            since = now if known is not None else min(now, last_runs.get(row.id, now))
            due = row.next_slot(self.zone, since).timestamp()
            if known is None or (known > now.timestamp() and known != due):
                wrong[entry] = due
        return wrong

    def _prune(self, entry: str) -> None:
        self.connection.zrem(self.scheduled_jobs_key, entry)
        self.connection.delete(JsonJob.key_for(entry))
        logger.info("schedule entry pruned: %s", entry)

    def _save_entries(self) -> None:
        """Describe each entry as an rq job, as rq-scheduler's own tools read it; what was there is overwritten."""
        if time.monotonic() - self._saved_at < SAVE_EVERY:
            return
        for entry, row in self.rows.items():
            job = self._create_job(
                row.function,
                id=entry,
                queue_name=row.queue,
                timeout=row.timeout,
                commit=False,
                description=row.id,
                result_ttl=-1,
                meta={"interval": row.interval} if row.interval else {"cron_string": row.cron},
            )
            with self.connection.pipeline() as pipe:
                pipe.delete(job.key)
                job.save(pipeline=pipe)
                pipe.execute()
        self._saved_at = time.monotonic()

    # -- firing

    def enqueue_jobs(self) -> None:
        """Fire every entry that is due; an entry that cannot be read or fired is complained of once."""
        due = self.connection.zrangebyscore(
            self.scheduled_jobs_key, 0, self.now().timestamp(), withscores=True
        )
        for key, score in due:
            entry = key.decode(errors="replace")
            try:
                self._fire_due(entry, score)
            except RedisError:
                raise
            except Exception:
                if entry not in self._complained:
                    logger.exception(
                        "schedule entry cannot be fired, and is left where it is: %s", entry
                    )
                self._complained.add(entry)
            else:
                self._complained.discard(entry)

    def _fire_due(self, entry: str, score: float) -> None:
        if entry in self.rows:
            self.fire(entry, score)
        elif not entry.startswith(PREFIX):
            self.enqueue_job(JsonJob.fetch(entry, connection=self.connection))

    def fire(self, entry: str, score: float) -> bool:
        """Enqueue the slot at `score` and set the entry to its next one, both or none; False when nothing was enqueued.

        A slot is passed over while the row's last run is pending.
        """
        row, slot = self.rows[entry], datetime.fromtimestamp(score, UTC)
        following = row.next_slot(self.zone, self.now()).timestamp()
        with self.connection.pipeline() as pipe:
            pipe.watch(self.scheduled_jobs_key)
            if pipe.zscore(self.scheduled_jobs_key, entry) != score:
                return False
            pending = pending_job(row, self.connection)
            pipe.multi()
            if pending is None:
                put_run(row, f"{row.id}-{slot:%Y%m%dT%H%M%SZ}", self.connection, pipe, slot=slot)
            pipe.zadd(self.scheduled_jobs_key, {entry: following})
            try:
                pipe.execute()
            except (
                WatchError
            ):  # the schedule was changed: the next pass, a second from now, looks anew
                return False
        late = self.now().timestamp() - score
        if pending is not None:
            logger.info(
                "slot passed over: pending job=%s slot=%s id=%s", row.id, slot.isoformat(), pending
            )
        else:
            logger.info("slot enqueued job=%s slot=%s late=%.1f", row.id, slot.isoformat(), late)
        return pending is None

    def run_start_jobs(self) -> None:
        """Enqueue the at_start jobs, but those that are pending or began a moment ago (a scheduler that crashes)."""
        now, last_runs = self.now(), self._last_runs()
        for row in self.rows.values():
            last = last_runs.get(row.id)
            if row.at_start and (last is None or abs((now - last).total_seconds()) >= START_PAUSE):
                enqueue_now(row, f"{row.id}-start-{now:%Y%m%dT%H%M%SZ}", self.connection)

    # -- the loop

    def run(self, burst: bool = False) -> None:
        """Schedule until SIGTERM or SIGINT; with `burst` for one pass. Redis and PostgreSQL may come and go."""
        self._install_signal_handlers()
        try:
            while not self.stopping.is_set():
                self.guarded_pass()
                if burst:
                    break
                # Slots are whole seconds: looking right after each one is looking in time.
                self.stopping.wait(TICK - time.time() % TICK)
        finally:
            self._leave()

    def _install_signal_handlers(self) -> None:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, self._stop)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.stopping.set()

    def guarded_pass(self) -> None:
        """One pass; what goes wrong is complained of once, and tried again a second later."""
        try:
            self.one_pass()
        except Exception as error:
            if "pass" not in self._complained:
                logger.exception("scheduling is held up, trying again: %s", type(error).__name__)
            self._complained.add("pass")
        else:
            if "pass" in self._complained:
                logger.info("scheduling goes on")
            self._complained.discard("pass")

    def one_pass(self) -> None:
        """Lead if no one else does: fire what is due, assert the table. Raises redis and database errors."""
        leads = self.acquire_lock()
        self._note_lead(leads)
        if not leads:
            return
        if self._starts:
            self.run_start_jobs()
            self._starts = False
        self.enqueue_jobs()
        self.assert_table()
        self._upkeep()

    def _note_lead(self, leads: bool) -> None:
        if leads != self._leads:
            logger.info("leadership scheduler=%s leads=%s", self.name, leads)
        self._leads = leads
        if not leads and time.monotonic() - self._began > START_GRACE:
            self._starts = False
        facts = {"host": socket.gethostname(), "pid": os.getpid(), "jobs": len(self.rows)}
        facts["trouble"] = sorted(self._complained)
        beat("scheduler" if leads else "scheduler-standby", facts, self.connection)

    def _leave(self) -> None:
        try:
            self.remove_lock()
        except RedisError:
            logger.warning("Redis is away: the lock ends by itself within %d s", LOCK_TTL)
