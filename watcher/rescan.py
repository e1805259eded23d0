"""Rescans: which Maildirs have to be compared with the database, and sending what the comparison finds."""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from itertools import islice

from mrilu.maildir.errors import MaildirError
from mrilu.runtime.resting import rest_after

logger = logging.getLogger(__name__)

AWAY_SECONDS = 5.0  # between two tries of a Maildir that is out of reach
REST_SHARE = 5  # after a rescan, rest five times as long as it took: a storm of overflows must not eat the machine


class Rescans:
    """The wanted rescans. `missing(maildir)` gives the paths to offer, `submit(maildir, paths, live)` queues a batch.

    `want` may be called from any thread; `run_due` from one. A rescan that fails stays wanted.
    """

    def __init__(
        self,
        missing: Callable[[str], Iterable[str]],
        submit: Callable[[str, list[str], bool], None],
        batch_size: int,
        every: float,
    ) -> None:
        self.done = 0
        self._missing, self._submit, self._batch_size, self._every = (
            missing,
            submit,
            batch_size,
            every,
        )
        self._wanted: dict[str, str] = {}
        self._running: dict[str, str] = {}
        self._not_before: dict[str, float] = {}
        self._last: dict[str, float] = {}
        self._out_of_reach: dict[str, MaildirError] = {}
        self._lock = threading.Lock()

    def want(self, maildir: str, reason: str) -> None:
        """Ask for a rescan; several reasons make one rescan."""
        with self._lock:
            if maildir not in self._wanted:
                self._wanted[maildir] = reason

    def wanted(self) -> dict[str, str]:
        """Which Maildirs wait for a rescan, and why."""
        with self._lock:
            return dict(self._wanted)

    def unfinished(self) -> dict[str, str]:
        """Which Maildirs wait for a rescan or are being compared, and why."""
        with self._lock:
            return self._running | self._wanted

    def run_due(self) -> None:
        """Run the rescans that are wanted or due by the clock.

        A Maildir out of reach does not keep the others from theirs. Its MaildirError is raised at the end, also while
        it rests before the next try.
        """
        now = time.monotonic()
        for maildir, last in list(self._last.items()):
            if now - last >= self._every:
                self.want(maildir, "periodic")
        for maildir, reason in self.wanted().items():
            if now < self._not_before.get(maildir, 0.0):
                continue
            try:
                self._run(maildir, reason)
            except MaildirError as error:
                self._out_of_reach[maildir] = error
                self._not_before[maildir] = time.monotonic() + AWAY_SECONDS
            else:
                self._out_of_reach.pop(maildir, None)
        for away in self._out_of_reach.values():
            raise away.with_traceback(None)  # else it would grow with each time that it is raised

    def _run(self, maildir: str, reason: str) -> None:
        with self._lock:  # before the scan: an overflow while it runs needs another one
            self._wanted.pop(maildir, None)
            self._running = {maildir: reason}
        began = time.monotonic()
        try:
            count = self._send(maildir)
        except Exception:
            self.want(maildir, reason)
            raise
        finally:
            self._running = {}
        ended = self._last[maildir] = time.monotonic()
        self._not_before[maildir] = ended + rest_after(ended - began, REST_SHARE)
        self.done += 1
        logger.info(
            "rescan maildir=%s reason=%s queued=%d seconds=%.3f",
            maildir,
            reason,
            count,
            ended - began,
        )

    def _send(self, maildir: str) -> int:
        """Queue what is missing, in batches at the back of the queue."""
        count, rest = 0, iter(self._missing(maildir))
        while batch := list(islice(rest, self._batch_size)):
            self._submit(maildir, batch, False)
            count += len(batch)
        return count
