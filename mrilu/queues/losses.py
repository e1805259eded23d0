"""Work that was lost from Redis: emptied queues, evicted jobs. The disk and the database show it by numbers.

A flush of all of Redis is noticed at once (mrilu.runtime.heartbeat.kept_nothing); `rq empty`, "Empty" in /rq or a
maxmemory-policy that evicts take only a part. The watcher asks here every few seconds.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from redis import Redis
from rq import Queue
from rq.job import Job, JobStatus

from models import Maildir, Rejected
from mrilu.archive.ledger import files_of
from mrilu.maildir.errors import FolderUnreadable, MaildirError
from mrilu.maildir.names import to_disk
from mrilu.queues.enqueue import LAST, enqueue_now
from mrilu.queues.queues import EMBED, MAIL, is_drained, queue
from mrilu.queues.table import Periodic
from mrilu.queues.wake import WAKE_ALL_KEY, WAKE_KEY, ask_for_run
from mrilu.runtime.database import database
from mrilu.runtime.redis import redis_connection
from mrilu.runtime.resting import rest_after

logger = logging.getLogger(__name__)

ENDED = {
    str(one.value)
    for one in (JobStatus.FINISHED, JobStatus.FAILED, JobStatus.STOPPED, JobStatus.CANCELED)
}
EVERY = 15.0  # seconds between two looks, of which two must agree
LOOKED_AT = 10_000  # jobs of a queue whose hashes are looked for


@dataclass
class Losses:
    """Looks now and then; keeps what the last look found, and what a rescan could not change."""

    next_look: float = 0.0
    before: dict[str, tuple[int, int]] = field(default_factory=dict)
    reported: dict[str, tuple[int, int]] = field(default_factory=dict)
    opened: dict[str, set[str]] = field(default_factory=dict)

    def maildirs(self) -> list[str]:
        """Return the watched Maildirs that need a rescan because work for them was lost."""
        began = time.monotonic()
        if began < self.next_look:
            return []
        try:
            return self._look(redis_connection())
        finally:
            ended = time.monotonic()
            self.next_look = ended + max(EVERY, rest_after(ended - began))

    def _look(self, connection: Redis) -> list[str]:
        heal_wakes(connection)
        mail = queue(MAIL, connection)
        watched = list(_watched())
        opened = [one.name for one in watched if self._was_opened(one)]
        if not is_drained(mail):
            self.before = {}
            return [one.name for one in watched] if drop_hollow(mail) else opened
        found = {
            one.name: sides for one in watched if (sides := _sides(one)) and sides[0] != sides[1]
        }
        # What is on its way between disk and queue differs, too, but not twice by the same numbers.
        lost = [name for name, sides in found.items() if self.before.get(name) == sides]
        fresh = [name for name in lost if self.reported.get(name) != found[name]]
        self.before = found
        self.reported = {name: found[name] for name in lost}
        return list({*fresh, *opened})

    def _was_opened(self, maildir: Maildir) -> bool:
        """Tell whether a file that could not be read can be by now; where there are events, the watcher sees it too."""
        root = Path(maildir.place)
        rows = Rejected.unreadable(maildir.id, LOOKED_AT)
        found = {path for row in rows if os.access(root / to_disk(path := row.path()), os.R_OK)}
        fresh = found - self.opened.get(maildir.name, set())
        self.opened[maildir.name] = found
        return bool(fresh)


@dataclass
class LostRuns:
    """Notices runs of the schedule that were lost from Redis before they ended, and asks for them again."""

    table: Sequence[Periodic]
    pending: dict[str, str] = field(default_factory=dict)

    def put_back(self) -> int:
        """Enqueue what was pending at the last look and is gone now; return how many.

        Call it more often than RESULT_TTL: a job that has ended stays in Redis so long.
        """
        connection = redis_connection()
        known = {
            raw.decode(): job_id.decode()
            for raw, job_id in cast(dict[bytes, bytes], connection.hgetall(LAST)).items()
        }
        return sum(self._look(row, known.get(row.id, ""), connection) for row in self.table)

    def _look(self, row: Periodic, job_id: str, connection: Redis) -> bool:
        status = connection.hget(Job.key_for(job_id), "status") if job_id else None
        if status is None:
            was_pending = self.pending.pop(row.id, "") == job_id != ""
            if was_pending:
                enqueue_now(row, f"{row.id}-again-{time.time_ns()}", connection)
                logger.warning("run was lost from its queue job=%s id=%s", row.id, job_id)
            return was_pending
        if status.decode() in ENDED:  # type: ignore[union-attr]
            self.pending.pop(row.id, None)
        else:
            self.pending[row.id] = job_id
        return False


def _watched() -> Iterator[Maildir]:
    database()
    yield from Maildir.select().where(Maildir.watched).order_by(Maildir.name)


def _sides(maildir: Maildir) -> tuple[int, int] | None:
    """Return how many files are on disk and how many the database knows; None when that cannot be told."""
    unreadable: list[FolderUnreadable] = []
    known = sum(maildir.file_counts())
    try:
        on_disk = sum(1 for _ in files_of(maildir, unreadable))
    except MaildirError:
        return None
    return None if unreadable else (on_disk, known)


def drop_hollow(holder: Queue) -> int:
    """Take the ids of jobs that are gone from the queue's first LOOKED_AT; return how many: their work was lost."""
    client = holder.connection
    ids = cast(list[bytes], client.lrange(holder.key, 0, LOOKED_AT - 1))
    if not ids:
        return 0
    with client.pipeline(transaction=False) as pipe:
        for one in ids:
            pipe.exists(Job.key_for(one.decode()))
        hollow = [one for one, exists in zip(ids, pipe.execute(), strict=True) if not exists]
    for one in hollow:
        client.lrem(holder.key, 0, one.decode())
    return len(hollow)


def heal_wakes(connection: Redis) -> None:
    """Ask for embedding again when it was asked for and that run is no longer in the queue."""
    wanted = [key for key in (WAKE_KEY, WAKE_ALL_KEY) if connection.exists(key)]
    if wanted and is_drained(queue(EMBED, connection)):
        for key in wanted:
            if connection.exists(key):  # still: the run that was just taken has removed it
                ask_for_run(recent=key == WAKE_KEY)
