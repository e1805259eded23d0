"""Reads again what an older parser read, newest first, a little at a time, while no mail waits to be imported."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

from peewee import PostgresqlDatabase
from redis import Redis
from rq.utils import as_text

from mrilu.archive.outdated import next_outdated
from mrilu.archive.read_again import read_again
from mrilu.queues.queues import DEFAULT, FAILURE_TTL, MAIL, RESULT_TTL, queue
from mrilu.queues.rules import limits_of, news_rules_of
from mrilu.queues.runs import recorded
from mrilu.queues.wake import wake_embedding
from mrilu.runtime.database import database
from mrilu.runtime.memory import limit_memory
from mrilu.runtime.reading import note_for
from mrilu.runtime.redis import redis_connection
from mrilu.runtime.retry import is_transient
from mrilu.settings.current import current_settings

logger = logging.getLogger(__name__)

FUNCTION = "jobs.reread_messages.reread_messages"
RUN_SECONDS = 10.0  # then other work of the queue gets its turn, and another run goes on
BATCH = 50  # messages of one transaction: whoever imports live mail waits for it
TIMEOUT = 600  # seconds; a run stops by itself long before
MARGIN_SECONDS = 5.0  # after MAX_PARSE_SECONDS, until the process is ended
# One row of runs that follow each other at a time; when one of them is lost, the schedule begins another.
GOING_ON, GOING_ON_SECONDS = "mrilu:reread:going-on", 120
NEWEST = 2**62


@recorded
def reread_messages(more: bool = False) -> dict[str, int]:
    """Read some messages again that an older parser read; return how many files, messages ...

    `more` continues the run before it; the schedule's own runs begin when none does.
    """
    settings, client = current_settings(), redis_connection()
    if not more and not client.set(GOING_ON, 1, nx=True, ex=GOING_ON_SECONDS):
        return {"going_on": 1}
    limit_memory(settings.worker_memory)
    db, limits = database(), limits_of(settings)
    rules = news_rules_of(settings)
    try:
        with note_for(settings.data_dir, "", settings.max_parse_seconds + MARGIN_SECONDS) as note:
            read = partial(read_again, db, limits=limits, rules=rules, note=note)
            run = Run(db, read, Position(client), lambda: queue(MAIL).count)
            complete = run.work()
    except Exception:
        client.delete(GOING_ON)  # or the next try would leave it to a run that is gone
        raise
    if run.counts["updated"]:
        wake_embedding(recent=False)
    if complete:
        client.delete(GOING_ON)
    else:
        ask_for_more(client)
    return {key: number for key, number in run.counts.items() if number}


def ask_for_more(client: Redis) -> None:
    """Enqueue the next run. Raises redis.RedisError."""
    client.set(GOING_ON, 1, ex=GOING_ON_SECONDS)
    queue(DEFAULT).enqueue(
        FUNCTION,
        more=True,
        job_timeout=TIMEOUT,
        result_ttl=RESULT_TTL,
        failure_ttl=FAILURE_TTL,
        description="reread_messages(more)",
    )


class Position:
    """How far the runs have come, in Redis: lost, they begin at the newest message again, and find most of it done.

    `before`: messages from that id on are done. `trying`: the oldest one of the batch that was begun, and `size`, how
    many it has: a run that died over it is followed by one that takes them one by one, and passes over the one that
    killed it. `careful`: down to which id that is.
    """

    KEY = "mrilu:reread:position"

    def __init__(self, client: Redis) -> None:
        self._client = client
        known = {as_text(key): int(value) for key, value in client.hgetall(self.KEY).items()}
        self.before = known.get("before", NEWEST)
        self.skipped = 0
        self._careful = known.get("careful", 0)
        if "trying" in known and known["size"] == 1:
            self.skipped = known["trying"]
            self.done(known["trying"])
        elif "trying" in known:
            self._careful = known["trying"]
            client.hset(self.KEY, "careful", self._careful)

    @property
    def batch(self) -> int:
        """How many messages are to be taken at once."""
        return 1 if self._careful and self.before > self._careful else BATCH

    def begin(self, messages: list[int]) -> None:
        """Note which messages, newest first, are read now."""
        self._client.hset(self.KEY, mapping={"trying": messages[-1], "size": len(messages)})

    def done(self, oldest: int) -> None:
        """Note that all messages from that one on are done."""
        self.before = oldest
        self._client.hset(self.KEY, "before", oldest)
        self.end_blameless()

    def end_blameless(self) -> None:
        """Note that what was begun is over, and ended no process: a database that goes away is no mail's fault."""
        self._client.hdel(self.KEY, "trying", "size")

    def forget(self) -> None:
        """Begin at the newest message next time."""
        self._client.delete(self.KEY)


class Run:
    """One run: batches in turn, as long a rest after each as it took, and none while mail waits."""

    def __init__(
        self,
        db: PostgresqlDatabase,
        read: Callable[[Sequence[int]], Counter[str]],
        position: Position,
        mail_waiting: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
        rest: Callable[[float], None] = time.sleep,
    ) -> None:
        self._db, self._read, self._position = db, read, position
        self._mail_waiting, self._clock, self._rest = mail_waiting, clock, rest
        self.counts: Counter[str] = Counter()

    def work(self) -> bool:
        """Read batches until RUN_SECONDS are over; return whether none is left."""
        if self._position.skipped:
            self.counts["skipped"] += 1
            logger.error("message=%d ended the process that read it", self._position.skipped)
        ends = self._clock() + RUN_SECONDS
        while (began := self._clock()) < ends:
            if self._mail_waiting():
                self.counts["waited"] += 1
                self._rest(1.0)
                continue
            messages = next_outdated(self._db, self._position.before, self._position.batch)
            if not messages:
                self._position.forget()
                return True
            self._position.begin(messages)
            self._read_begun(messages)
            self._position.done(messages[-1])
            self._rest(min(1.0, self._clock() - began))
        return False

    def _read_begun(self, messages: Sequence[int]) -> None:
        try:
            self.counts.update(self._read(messages))
        except Exception as error:
            if is_transient(error):
                self._position.end_blameless()
            raise
