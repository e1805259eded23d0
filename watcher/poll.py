"""Polling: for network file systems, which send no events, and for Maildirs beyond the inotify limits."""

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path

from mrilu.maildir import names as maildir
from mrilu.maildir.errors import FolderUnreadable, MaildirError
from mrilu.maildir.names import Kind
from watcher.young import YoungFiles

logger = logging.getLogger(__name__)


REST_SECONDS = 60.0  # a file that has not grown for so long is whole


def _ignore(_reason: str) -> None:
    pass


class PolledMaildir:
    """Lists one Maildir every `interval` seconds and offers what came and what went, and what grew until it rests.

    `rescan(reason)` is called when what could not be read is readable again.
    """

    mode = "poll"

    def __init__(
        self,
        name: str,
        root: Path,
        kind: Kind,
        offer: Callable[[str], None],
        interval: float,
        rescan: Callable[[str], None] = _ignore,
    ) -> None:
        self.name, self.root, self.kind, self.interval = name, root, kind, interval
        self.overflows = 0
        self._offer, self._rescan = offer, rescan
        self._known: set[str] = set()
        self._inode: tuple[int, int] | None = None
        self._folder_count = 0
        self._young = YoungFiles(root, max(REST_SECONDS, 3 * interval))
        self._trouble = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"poll-{name}", daemon=True)

    def start(self) -> None:
        """Note what is there (the scan at start deals with it) and what of it may still grow, then poll in a thread."""
        try:
            self._remember(self._list())
            for path in self._known:
                self._young.note(path)
        except MaildirError as error:
            self._report(str(error))
        self._thread.start()

    def stop(self) -> None:
        """Stop polling."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(1)

    def check(self) -> None:
        """Start the thread again if it died."""
        if not self._thread.is_alive() and not self._stop.is_set():
            logger.error("polling had stopped and starts again maildir=%s", self.name)
            self._thread = threading.Thread(target=self._run, name=f"poll-{self.name}", daemon=True)
            self._thread.start()

    def folder_count(self) -> int:
        """How many folders held mail at the last look."""
        return self._folder_count

    def look(self) -> None:
        """List once and offer the differences. A file that has grown is offered again once it rests."""
        now = self._list()
        came, went = now - self._known, self._known - now
        grown = self._young.rested(every=True)
        if came or went:
            self._remember(now)
        for path in (*came, *grown, *went):
            self._offer(path)
        for path in came:
            self._young.note(path)

    def _remember(self, paths: set[str]) -> None:
        self._known = paths
        directories = {path.rpartition("/")[0] for path in paths}
        self._folder_count = len(
            {_folder(f"{one}/x.eml" if one else "x.eml") for one in directories}
        )

    def _list(self) -> set[str]:
        """All paths; those of a folder that cannot be read are taken to be still there."""
        errors: list[FolderUnreadable] = []
        paths = set(maildir.scan(self.root, errors, self.kind, may_be_empty=self._is_same_folder()))
        if errors:
            hidden = tuple(f"{error.folder}/" if error.folder else "" for error in errors)
            paths.update(path for path in self._known if path.startswith(hidden))
        self._report("; ".join(str(error) for error in errors))
        return paths

    def _is_same_folder(self) -> bool:
        """Tell whether the root is the folder that it was: the place of an unmounted one is another, and empty."""
        found = os.stat(self.root) if os.path.isdir(self.root) else None
        inode = (found.st_dev, found.st_ino) if found else None
        if not self._known:
            self._inode = inode
        return inode == self._inode

    def look_safely(self) -> None:
        """`look`, and log what goes wrong: a Maildir that is not mounted, say, has not lost its mails."""
        try:
            self.look()
        except MaildirError as error:
            self._report(str(error))
        except Exception:
            logger.exception(
                "polling failed and is tried again maildir=%s seconds=%g", self.name, self.interval
            )

    def _run(self) -> None:
        while not self._stop.wait(self.interval):
            self.look_safely()

    def _report(self, trouble: str) -> None:
        if trouble and trouble != self._trouble:
            logger.warning("polling maildir=%s: %s", self.name, trouble)
        was, self._trouble = self._trouble, trouble
        if was and not trouble:
            self._rescan(f"readable again after: {was}")


def _folder(path: str) -> str | None:
    parsed = maildir.parse_path(path)
    return parsed.folder if parsed else None
