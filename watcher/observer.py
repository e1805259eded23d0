"""All watched Maildirs: each by inotify or by polling, repaired or moved to polling when inotify cannot go on."""

import logging
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from mrilu.maildir import names as maildir
from mrilu.maildir.file_systems import without_events
from watcher.inotify import WatchedMaildir
from watcher.limits import WatchLimit
from watcher.poll import PolledMaildir

logger = logging.getLogger(__name__)

MAX_FAILURES = (
    10  # checks in a row that may fail before the supervisor has to start the process again
)
MOUNTS_SECONDS = 15.0  # between two looks at what is mounted


class ObserverBroken(RuntimeError):
    """watching cannot be repaired from inside; the process has to be started again"""


class Observer:
    """Feeds `offer(maildir, path)` with whatever comes or goes, `rescan(maildir, reason)` when events may be lost.

    Both are called in the observing threads: they must return at once. `add` may be called in another thread than
    `check`, so a part is among those that are checked only once it has started.
    """

    def __init__(
        self,
        offer: Callable[[str, str], None],
        rescan: Callable[[str, str], None],
        poll_seconds: float,
    ) -> None:
        self.last_event_at: float | None = None  # UTC, seconds
        self._offer, self._rescan, self._poll_seconds = offer, rescan, poll_seconds
        self._parts: dict[str, WatchedMaildir | PolledMaildir] = {}
        self._failures = 0
        self._look_at_mounts = time.monotonic() + MOUNTS_SECONDS

    def add(self, name: str, root: Path, watch: str, kind: maildir.Kind | None = None) -> None:
        """Start to watch a Maildir by "inotify" or "poll"; one that is watched as another kind is watched anew.

        Raises MaildirError if it is none and no `kind` is given.
        """
        kind = kind or maildir.kind_of(root)
        former = self._parts.get(name)
        if former is not None and former.kind == kind:
            return
        if watch == "poll" or self._sends_no_events(name, root):
            self._poll(name, root, kind)
        else:
            self._watch(name, root, kind)
        if former is not None:
            former.stop()
        part = self._parts[name]
        logger.info(
            "watching maildir=%s root=%s kind=%s mode=%s folders=%d",
            name,
            root,
            kind,
            part.mode,
            part.folder_count(),
        )

    def _sends_no_events(self, name: str, root: Path) -> bool:
        found = without_events(root)
        if found:
            logger.warning(
                "maildir=%s lies on %s, which sends no events: looking every %g s",
                name,
                found,
                self._poll_seconds,
            )
        return bool(found)

    def _watch(self, name: str, root: Path, kind: maildir.Kind) -> None:
        part = WatchedMaildir(
            name, root, kind, partial(self._seen, name), partial(self._rescan, name)
        )
        try:
            part.start()
        except WatchLimit as limit:
            self._fall_back(part, limit)
        else:
            self._parts[name] = part

    def kind_of(self, name: str) -> maildir.Kind | None:
        """As what a Maildir is watched; None if it is not."""
        part = self._parts.get(name)
        return part.kind if part else None

    def check(self) -> None:
        """Repair what is broken; to be called about once a second. Raises ObserverBroken when that keeps failing."""
        healthy = all([self._check_part(part) for part in list(self._parts.values())])
        if time.monotonic() >= self._look_at_mounts:
            self._look_at_mounts = time.monotonic() + MOUNTS_SECONDS
            self._poll_what_was_mounted()
        self._failures = 0 if healthy else self._failures + 1
        if self._failures >= MAX_FAILURES:
            raise ObserverBroken(ObserverBroken.__doc__)

    def _poll_what_was_mounted(self) -> None:
        """Poll the Maildirs on which a file system without events was mounted since they are watched."""
        for part in list(self._parts.values()):
            if isinstance(part, WatchedMaildir) and self._sends_no_events(part.name, part.root):
                part.stop()
                self._poll(part.name, part.root, part.kind)
                self._rescan(part.name, "moved from inotify to polling")

    def facts(self) -> dict[str, Any]:
        """What `status` shows: per Maildir the mode, the number of folders and of overflows."""
        return {
            name: {"mode": part.mode, "folders": part.folder_count(), "overflows": part.overflows}
            for name, part in list(self._parts.items())
        }

    def stop(self) -> None:
        """Stop watching."""
        for part in list(self._parts.values()):
            part.stop()

    def _seen(self, name: str, path: str) -> None:
        self.last_event_at = time.time()
        self._offer(name, path)

    def _check_part(self, part: WatchedMaildir | PolledMaildir) -> bool:
        try:
            part.check()
        except WatchLimit as limit:
            if isinstance(part, WatchedMaildir):
                self._fall_back(part, limit)
        except Exception:
            logger.exception("checking the watches of %s failed", part.name)
            self._rescan(part.name, "checking the watches failed")
            return False
        return True

    def _fall_back(self, part: WatchedMaildir, limit: WatchLimit) -> None:
        logger.warning(
            "%s. Looking every %g s instead until the next start", limit, self._poll_seconds
        )
        part.stop()
        self._poll(part.name, part.root, part.kind)
        self._rescan(part.name, "moved from inotify to polling")

    def _poll(self, name: str, root: Path, kind: maildir.Kind) -> None:
        part = PolledMaildir(
            name,
            root,
            kind,
            partial(self._seen, name),
            self._poll_seconds,
            partial(self._rescan, name),
        )
        part.start()
        self._parts[name] = part
