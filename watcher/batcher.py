"""Coalescing: a lone mail goes to the queue at once, a flood in batches; nothing is lost while Redis is away."""

import logging
import threading
import time
from collections.abc import Callable
from itertools import islice

logger = logging.getLogger(__name__)

Submit = Callable[[str, list[str], bool], None]
FIRST_DELAY, LAST_DELAY = 0.1, 5.0  # seconds between attempts while the queue cannot be reached


def _ignore(_maildir: str, _reason: str) -> None:
    pass


class Batcher:
    """A bounded buffer of paths between the event threads and the queue; `offer` never blocks and never raises.

    `submit(maildir, paths, live)` is called in one thread of the batcher's own. If it raises, its paths stay here and
    are tried again with back-off. `rescan(maildir, reason)` is called when paths were dropped because the buffer is
    full, and for each Maildir once the queue is back: the scan then finds what the buffer could not keep.

    - rest, quiet, gather: a path that comes `rest` seconds after the last submission waits for nothing. Before that,
      wait for `quiet` seconds without a new path, `gather` seconds at most.
    - burst: as many paths as may go to the front of the queue in one go (a tenth of them comes back each second).
      What exceeds it is a flood, and goes to the back of the queue, so that a lone mail can still overtake it.
    - limit: the most paths kept (100 bytes each, about).
    """

    def __init__(
        self,
        submit: Submit,
        *,
        rescan: Callable[[str, str], None] = _ignore,
        batch_size: int = 200,
        rest: float = 0.008,
        quiet: float = 0.002,
        gather: float = 0.05,
        burst: int = 500,
        limit: int = 100_000,
    ) -> None:
        self._submit, self._rescan = submit, rescan
        self._batch_size, self._rest, self._quiet, self._gather = batch_size, rest, quiet, gather
        self._burst, self._limit = burst, limit
        self._tokens, self._refilled_at, self._sent_at = float(burst), time.monotonic(), 0.0
        self._waiting: dict[
            str, dict[str, None]
        ] = {}  # dicts as ordered sets: duplicates collapse, order stays
        self._count = 0
        self._failures = 0
        self._overfull: set[str] = set()
        self._maildirs: set[str] = set()
        self._closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="batcher", daemon=True)

    def start(self) -> None:
        """Start sending."""
        self._thread.start()

    def offer(self, maildir: str, path: str) -> None:
        """Take one path; a path that waits already is taken once."""
        with self._changed:
            self._maildirs.add(maildir)
            paths = self._waiting.setdefault(maildir, {})
            if path in paths:
                return
            full = self._count >= self._limit
            if full and maildir in self._overfull:
                return
            if full:
                self._overfull.add(maildir)
            else:
                paths[path] = None
                self._count += 1
                self._changed.notify()
        if full:
            self._rescan(maildir, f"more than {self._limit} paths wait for the queue")

    def pending(self) -> int:
        """How many paths wait here."""
        return self._count

    def failing(self) -> bool:
        """Tell whether the last submission failed."""
        return self._failures > 0

    def alive(self) -> bool:
        """Tell whether the sending thread lives."""
        return self._thread.is_alive()

    def close(self, timeout: float) -> int:
        """Send what waits, for `timeout` seconds at most; the number of paths that could not be sent."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(timeout)
        return self._count

    def _run(self) -> None:
        while batch := self._next():
            maildir, paths, live = batch
            try:
                self._submit(maildir, list(paths), live)
            except Exception as error:  # whatever it is, these paths must not be lost
                self._put_back(maildir, paths, error)
                if self._back_off():
                    return
            else:
                self._succeeded()

    def _next(self) -> tuple[str, dict[str, None], bool] | None:
        """Wait for paths and take a batch of one Maildir; None when closing and nothing is left."""
        with self._changed:
            self._changed.wait_for(lambda: self._count or self._closing)
            if time.monotonic() - self._sent_at < self._rest:
                self._wait_for_quiet()
            if not self._count:
                return None
            maildir, paths = self._take()
            return maildir, paths, self._is_live(len(paths))

    def _wait_for_quiet(self) -> None:
        deadline, before = time.monotonic() + self._gather, -1
        while (
            before < self._count < self._batch_size
            and time.monotonic() < deadline
            and not self._closing
        ):
            before = self._count
            self._changed.wait_for(
                lambda: self._count >= self._batch_size or self._closing, self._quiet
            )

    def _take(self) -> tuple[str, dict[str, None]]:
        """The next batch; the Maildirs take turns."""
        maildir = next(name for name, paths in self._waiting.items() if paths)
        paths = self._waiting.pop(maildir)
        if len(paths) > self._batch_size:
            self._waiting[maildir] = paths
            first = list(islice(paths, self._batch_size))
            for path in first:
                del paths[path]
            paths = dict.fromkeys(first)
        self._count -= len(paths)
        if not self._count:
            self._overfull.clear()
        return maildir, paths

    def _is_live(self, size: int) -> bool:
        """A token bucket: a flood empties it, a lone mail finds it filled again soon."""
        now = time.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._refilled_at) * self._burst / 10)
        self._refilled_at = now
        live = size <= self._tokens
        self._tokens = self._tokens - size if live else 0
        return live

    def _put_back(self, maildir: str, paths: dict[str, None], error: Exception) -> None:
        with self._changed:
            later = self._waiting.pop(maildir, {})
            self._count -= len(later)
            self._waiting[maildir] = (
                paths | later
            )  # behind the other Maildirs: a batch that never goes blocks none
            self._count += len(self._waiting[maildir])
            self._failures += 1
        if self._failures == 1:
            reason = f"{type(error).__name__}: {error}"
            logger.warning(
                "cannot reach the queue, paths are kept error=%s paths=%d", reason, self._count
            )

    def _back_off(self) -> bool:
        """Back off after a failure; whether to give up because of closing."""
        # The exponent is bounded, too: 2 ** 1024 is no float, and its error would end the thread.
        delay = min(LAST_DELAY, FIRST_DELAY * 2 ** min(self._failures - 1, 10))
        with self._changed:
            return self._changed.wait_for(lambda: self._closing, delay)

    def _succeeded(self) -> None:
        self._sent_at = time.monotonic()
        if not self._failures:
            return
        logger.info(
            "the queue is back after %d attempts; %d paths wait", self._failures, self._count
        )
        self._failures = 0
        for name in list(self._maildirs):  # the queue may have come back empty
            self._rescan(name, "the queue is back")
