"""The watcher as a whole: observe first, then scan, and keep both going whatever happens to Redis or PostgreSQL."""

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mrilu.maildir.errors import MaildirError
from mrilu.maildir.names import Kind
from mrilu.runtime.resting import rest_after
from mrilu.runtime.steps import run_each
from watcher.batcher import Batcher
from watcher.observer import Observer, ObserverBroken
from watcher.rescan import Rescans

logger = logging.getLogger(__name__)

TICK = 1.0  # seconds
LAST_DELAY = 15.0  # the longest pause between attempts to reach Redis and PostgreSQL
FLUSH_SECONDS = 1.0  # for the buffer at the end; the supervisor kills after some more
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP)


@dataclass(frozen=True)
class Archive:
    """What the watcher needs of the rest of the system; each may raise when Redis or PostgreSQL are away."""

    register: Callable[[str, Path], Kind]  # name, root; the kind that it counts as
    missing: Callable[
        [str, Path], Iterable[str]
    ]  # paths where disk and database differ and that no job has
    submit: Callable[[str, list[str], bool], None]  # maildir, paths, live
    recover: Callable[[], int]  # jobs put back whose worker died
    beat: Callable[[dict[str, Any]], None]
    emptied: Callable[[], bool] = lambda: (
        False
    )  # whether the queue has lost what it held since the last call
    lost: Callable[[], list[str]] = list  # the Maildirs for which work was lost from the queue


class Refused(Exception):
    """The archive will not take a Maildir; the message says what to change."""


class Watcher:
    """One process: threads that observe, send, keep up and beat, and `run` for the signals."""

    def __init__(
        self, maildirs: dict[str, tuple[Path, str]], archive: Archive, settings: Any
    ) -> None:
        self._roots, self._archive = maildirs, archive
        size = settings.batch_size
        self._rescans = Rescans(self._missing, archive.submit, size, settings.rescan_seconds)
        self._batcher = Batcher(self._submit, rescan=self._rescans.want, batch_size=size)
        self.observer = Observer(self._batcher.offer, self._rescans.want, settings.poll_seconds)
        self._stopping = threading.Event()
        self._upkeep = threading.Thread(target=self._keep_up, name="upkeep", daemon=True)
        self._beating = threading.Thread(target=self._keep_beating, name="beat", daemon=True)
        self._unregistered = list(maildirs)
        self._registered = False
        self._missing_roots: dict[str, str] = {}
        self._try_after: dict[str, float] = {}
        self._refused = ""
        self._trouble = ""
        self._failures = 0

    def start(self) -> None:
        """Observe at once: what comes before the queue can be reached waits in the buffer, the rest is scanned.

        A Maildir that is not there is waited for; the others do not wait for it.
        """
        for name, (root, watch) in self._roots.items():
            try:
                self.observer.add(name, root, watch)
            except MaildirError as error:
                self._miss(name, error)
            else:
                self._rescans.want(name, "start")
        self._upkeep.start()

    def run(self) -> int:
        """Serve signals until SIGTERM or SIGINT; the exit code. SIGNALS must be blocked before a thread starts.

        Raises Refused, and ObserverBroken where a thread of this process has ended by itself.
        """
        while True:
            ended = self._ended()
            if self._refused:
                self.stop()
                raise Refused(self._refused)
            if ended:
                raise ObserverBroken(f"the watcher's thread {ended} has ended: start again")
            self.observer.check()
            # Waiting for signals instead of handling them: no handler can run into a lock that its thread holds.
            caught = signal.sigtimedwait(SIGNALS, TICK)
            # CPython gives a siginfo of garbage when its time ran out while the process was stopped (SIGSTOP).
            if caught is None or caught.si_signo not in SIGNALS:
                continue
            if caught.si_signo in (signal.SIGTERM, signal.SIGINT):
                return self.stop()
            # A running process's environment does not change: SIGHUP, too, can only mean "look again".
            for name in self._there():
                self._rescans.want(name, signal.Signals(caught.si_signo).name)

    def stop(self) -> int:
        """Stop observing and empty the buffer into the queue; what cannot be sent is found by the next start's scan."""
        self._stopping.set()
        self.observer.stop()
        left = self._batcher.close(FLUSH_SECONDS) if self._registered else self._batcher.pending()
        logger.info("stopped; %d paths were not sent and are left to the next start", left)
        return 0

    def _ended(self) -> str:
        """Which of the threads that are to run as long as this process has ended; "" for none."""
        alive = {"upkeep": self._upkeep.is_alive()}
        if self._registered:
            alive |= {"batcher": self._batcher.alive(), "beat": self._beating.is_alive()}
        return next((name for name, lives in alive.items() if not lives), "")

    def facts(self) -> dict[str, Any]:
        """The heartbeat's content."""
        return {
            "pending": self._batcher.pending(),
            "maildirs": self.observer.facts(),
            "last_event_at": self.observer.last_event_at,
            "rescans": self._rescans.done,
            "rescans_wanted": self._rescans.unfinished(),
            "trouble": self._trouble or "; ".join(self._missing_roots.values()),
        }

    def _there(self) -> list[str]:
        """The Maildirs that are watched; the others are scanned when they are taken up."""
        return [name for name in self._roots if name not in self._missing_roots]

    def _missing(self, name: str) -> Iterable[str]:
        if name in self._missing_roots:  # it may be another Maildir that lies there
            return []
        return self._archive.missing(name, self._roots[name][0])

    def _submit(self, name: str, paths: list[str], live: bool) -> None:
        """Enqueue paths, but not those of a folder that is not the Maildir: the scan finds what is there later."""
        if name not in self._missing_roots:
            self._archive.submit(name, paths, live)

    def _keep_up(self) -> None:
        """All that needs Redis or PostgreSQL, away from the threads that observe and that answer signals."""
        while not self._stopping.is_set():
            pause = TICK
            try:
                self._work()
            except MaildirError as error:  # unmounted or removed: the observer waits for its return
                self._recovered(f"cannot scan: {error}")
            except Refused as error:
                self._refused = str(error)
                return
            except Exception as error:
                logger.debug("upkeep failed", exc_info=True)
                self._failures += 1
                pause = min(LAST_DELAY, TICK * 2 ** min(self._failures, 10) / 2)
                self._complain(f"cannot go on: {type(error).__name__}: {str(error).strip()}")
            else:
                self._recovered()
            self._stopping.wait(pause)

    def _work(self) -> None:
        if self._unregistered:
            self._register()
        run_each((self._look_for_losses, self._archive.recover, self._rescans.run_due))

    def _keep_beating(self) -> None:
        """Beat in a thread of its own: a rescan of a million files takes longer than a beat lasts."""
        while True:
            try:
                self._archive.beat(self.facts())
            except Exception:  # upkeep meets the same, and complains
                logger.debug("no beat", exc_info=True)
            if self._stopping.wait(TICK):
                return

    def _look_for_losses(self) -> None:
        if self._archive.emptied():
            for name in self._there():
                self._rescans.want(name, "the queue was emptied")
        for name in set(self._archive.lost()) & set(self._there()):
            self._rescans.want(name, "work was lost from the queue")

    def _register(self) -> None:
        for name in list(self._unregistered):
            began = time.monotonic()
            if began < self._try_after.get(name, 0.0):
                continue
            try:
                self._take_up(name)
            except MaildirError as error:
                self._miss(name, error)
                # Whether it is another Maildir may have taken a look at each of its files.
                ended = time.monotonic()
                self._try_after[name] = ended + rest_after(ended - began)
        if not self._registered:
            self._batcher.start()
            self._beating.start()
            self._registered = True

    def _take_up(self, name: str) -> None:
        """Register a Maildir, and watch it as what it is registered as: it may look like another kind by now."""
        root, watch = self._roots[name]
        kind = self._archive.register(name, root)
        if self.observer.kind_of(name) != kind:
            self.observer.add(name, root, watch, kind)
            self._rescans.want(name, "taken up")
        self._unregistered.remove(name)
        if self._missing_roots.pop(name, None):
            logger.info("%s is there: %s", name, root)
            self._rescans.want(name, "taken up")

    def _miss(self, name: str, error: MaildirError) -> None:
        if self._missing_roots.get(name) != str(error):
            logger.warning("%s is not watched until it is there: %s", name, error)
        self._missing_roots[name] = str(error)

    def _complain(self, trouble: str) -> None:
        if trouble != self._trouble:
            logger.warning("%s; trying again", trouble)
        self._trouble = trouble

    def _recovered(self, trouble: str = "") -> None:
        """Go on as with servers that answer; `trouble` is what is wrong with a Maildir."""
        if self._failures:
            logger.info("Redis and PostgreSQL are back after %d attempts", self._failures)
            for name in self._there():
                self._rescans.want(name, "services are back")
        self._failures = 0
        if trouble:
            self._complain(trouble)
        else:
            self._trouble = ""
