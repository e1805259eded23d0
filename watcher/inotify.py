"""Watching one Maildir with inotify, through watchdog's reader of it.

We stand on watchdog's `InotifyFD` and its `WatchCallback` protocol, not on its `Observer`, for three reasons seen in
watchdog 7.1: an Observer has a thread for every watched directory (6,000 for 2,000 folders), its move grouper holds
every MOVED_FROM back for 0.5 s with all events behind it (a delivery right after a move from new/ to cur/ waits), and
it tells no handler about an overflow. One InotifyFD is one thread and one inotify instance for any number of folders.
"""

import errno
import itertools
import logging
import os
import stat
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from watchdog.observers.inotify_c import (
    CallbackId,
    InotifyConstants,
    InotifyEvent,
    InotifyFD,
    Mask,
    WatchDescriptor,
)

from mrilu.maildir import names as maildir
from mrilu.maildir.errors import FolderUnreadable
from mrilu.maildir.names import Kind, Place
from mrilu.runtime.resting import rest_after
from watcher.limits import WatchLimit
from watcher.young import YoungFiles

logger = logging.getLogger(__name__)

_C = InotifyConstants
_SELF = _C.IN_DELETE_SELF | _C.IN_MOVE_SELF | _C.IN_ONLYDIR
_CAME = _C.IN_CREATE | _C.IN_MOVED_TO
_WENT = _C.IN_DELETE | _C.IN_MOVED_FROM
# ATTRIB: a file or folder that was closed to us may be open now.
FOLDER_MASK = _SELF | _CAME | _WENT | _C.IN_ATTRIB
# CLOSE_WRITE: a file written in place is offered when it is whole; a rename from tmp/ gives only MOVED_TO.
MAIL_MASK = FOLDER_MASK | _C.IN_CLOSE_WRITE
MOST_OFFERED = 500  # files of a folder that came, one by one
COVERAGE_SHARE = (
    50  # looking for folders that are not watched may take one part in this many of the time
)


@dataclass
class _Watch:
    """One watched directory: which inode was there when the watch was armed, and the watch's ids."""

    place: Place
    inode: tuple[int, int]
    wd: WatchDescriptor
    id: CallbackId


class WatchedMaildir:
    """Keeps a watch on every directory of one Maildir that holds mail or folders.

    `offer(path)` is called for every file that came or went, `rescan(reason)` when events may have been lost.
    Both are called in watchdog's reader thread and must not block.
    """

    mode = "inotify"

    def __init__(
        self,
        name: str,
        root: Path,
        kind: Kind,
        offer: Callable[[str], None],
        rescan: Callable[[str], None],
    ) -> None:
        self.name, self.root, self.kind = name, root, kind
        self.overflows = 0
        self._offer, self._rescan = offer, rescan
        self._lock = threading.RLock()
        self._by_wd: dict[int, _Watch] = {}
        self._by_path: dict[str, _Watch] = {}
        self._ids = itertools.count(1)
        self._limit: WatchLimit | None = None
        self._reported: set[str] = set()
        self._shut: set[str] = set()  # directories that could not be read at the last look
        self._young = YoungFiles(root)
        self._look_after = 0.0
        self._stopped = False
        self._fd: InotifyFD | None = None

    # Life

    def start(self) -> None:
        """Watch everything there is. Raises WatchLimit."""
        with self._lock:
            try:
                fd = InotifyFD()
            except OSError as error:
                raise WatchLimit(self.name, error) from error
            fd.start()
            self._fd = fd
            self._arm_all()
            self._look_after = 0.0
        if self._stopped:  # by another thread, meanwhile
            self._close()
        if self._limit:
            self.stop()
            raise self._limit

    def stop(self) -> None:
        """Remove all watches and end the thread."""
        self._stopped = True
        self._close()

    def _close(self) -> None:
        fd, self._fd = self._fd, None
        if fd is None:
            return
        fd.stop()
        fd.join(1)
        with self._lock:
            self._by_wd.clear()
            self._by_path.clear()

    def check(self) -> None:
        """Repair what is broken: a dead thread, folders not watched, watches of folders that are gone.

        Called about once a second. Raises WatchLimit when there is no room for a watch.
        """
        if self._stopped:
            return
        if self._limit:
            raise self._limit
        if self._fd is None or not self._fd.is_alive():
            logger.error("the inotify thread of %s has died; starting it again", self.name)
            self._close()
            self.start()
            self._rescan("the inotify thread died")
        elif time.monotonic() >= self._look_after:
            self._cover()
        for path in self._young.rested():
            self._offer(path)

    def folder_count(self) -> int:
        """How many folders with mail are watched."""
        with self._lock:
            return len(
                {
                    maildir.folder_of(watch.place.path)
                    for watch in self._by_path.values()
                    if watch.place.mail
                }
            )

    # Arming

    def _arm_all(self) -> None:
        """Arm the whole tree. `places` lists a folder only after it was armed here: nothing falls between."""
        errors: list[FolderUnreadable] = []
        for place in maildir.places(self.root, self.kind, errors):
            self._arm(place)
        self._report(errors)

    def _arm_new(self, place: Place) -> None:
        """Arm a directory that has just come, with all below it, and offer the mail that is there already.

        Where there is much, as in a folder that was moved away and back, most of it is known: a scan tells what is not.
        """
        errors: list[FolderUnreadable] = []
        left = MOST_OFFERED
        below = (
            maildir.places_below(self.root, place.path, errors) if place.folders else iter([place])
        )
        for one in below:
            if self._arm(one) and one.mail and left > 0:
                for path in maildir.scan_place(self.root, one.path, self.kind, errors):
                    self._offer(path)
                    if not (left := left - 1):
                        self._rescan(
                            f"folder {place.path} came with more than {MOST_OFFERED} files"
                        )
                        break
        self._report(errors)

    def _arm(self, place: Place) -> bool:
        """Watch one directory, unless it is watched already; whether it has been armed just now."""
        where = self._on_disk(place.path)
        try:
            # The inode before the watch: if another directory takes this name in between, _cover will notice.
            inode = self._inode(place.path)
            known = self._by_path.get(place.path)
            if inode is None or self._fd is None or (known and known.inode == inode):
                return False
            if not place.mail and self._is_mail_elsewhere(inode):
                return False
            if known:
                self._forget(place.path)
            return self._add(place, where, inode)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except PermissionError:
            self._report([FolderUnreadable(where, place.path)])
        except OSError as error:
            self._limit = self._limit or WatchLimit(self.name, error)
        return False

    def _is_mail_elsewhere(self, inode: tuple[int, int]) -> bool:
        """Tell whether a followed symlink leads to this directory, which is watched for mail under that name."""
        twins = [one for one in self._by_path.values() if one.place.mail and one.inode == inode]
        return any(self._is_same(one.place.path) for one in twins)

    def _add(self, place: Place, where: str, inode: tuple[int, int]) -> bool:
        if self._fd is None:
            return False
        # A symlink is in the way where a scan follows it; the root may be one, too.
        followed = not place.path or os.path.islink(where)
        mask = (MAIL_MASK if place.mail else FOLDER_MASK) | (0 if followed else _C.IN_DONT_FOLLOW)
        watch_id = CallbackId(next(self._ids))
        wd = self._fd.add_callback(os.fsencode(where), Mask(mask), self, watch_id)
        if wd == -1:  # watchdog keeps silent about EACCES
            self._fd.remove_callbacks([(wd, watch_id)])
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), where)
        twin = self._by_wd.get(wd)
        if (
            twin is not None
        ):  # the same directory under its old name: its events are still on their way
            self._fd.remove_callbacks([(wd, twin.id)])
            self._by_path.pop(twin.place.path, None)
        self._by_wd[wd] = self._by_path[place.path] = _Watch(place, inode, wd, watch_id)
        self._reported.discard(place.path)
        return True

    def _forget(self, path: str) -> None:
        """Drop the watches of a directory and of all below it."""
        gone = [
            one for one in self._by_path if one == path or not path or one.startswith(f"{path}/")
        ]
        watches = [self._by_path.pop(one) for one in gone]
        for watch in watches:
            self._by_wd.pop(watch.wd, None)
        if self._fd is not None:
            self._fd.remove_callbacks([(watch.wd, watch.id) for watch in watches])

    def _cover(self) -> None:
        """Compare the watches with what is on the disk: the safety net below the events."""
        began = time.monotonic()
        errors: list[FolderUnreadable] = []
        with self._lock:
            seen, armed, shut = set(), [], set()
            for place in maildir.places(self.root, self.kind, errors):
                seen.add(place.path)
                if not self._is_open(place.path):
                    shut.add(place.path)
                if self._arm(place):
                    armed.append(place.path)
            opened, self._shut = (self._shut - shut) & seen, shut
            # Below a folder that cannot be read, nothing is known to have gone.
            hidden = tuple(f"{error.folder}/" if error.folder else "" for error in errors)
            gone = [
                path
                for path in self._by_path
                if path not in seen and not path.startswith(hidden) and not self._is_same(path)
            ]
            for path in gone:
                self._forget(path)
        self._report(errors)
        if armed or gone:
            self._rescan(
                f"folders changed unseen: {', '.join(sorted({*armed, *gone})[:5]) or 'the root'}"
            )
        elif opened:
            self._reported -= opened
            self._rescan(f"readable again: {', '.join(sorted(opened)[:5])}")
        now = time.monotonic()
        self._look_after = now + rest_after(now - began, COVERAGE_SHARE)

    def _on_disk(self, path: str) -> str:
        return os.path.join(self.root, maildir.to_disk(path)) if path else str(self.root)

    def _inode(self, path: str) -> tuple[int, int] | None:
        """Which directory has this path; None for none. The root may be a symlink, and what a scan follows."""
        try:
            found = os.stat(self._on_disk(path), follow_symlinks=not path)
            if stat.S_ISLNK(found.st_mode) and maildir.follows(self.root, path):
                found = os.stat(self._on_disk(path))
        except OSError:
            return None
        return (found.st_dev, found.st_ino) if stat.S_ISDIR(found.st_mode) else None

    def _is_open(self, path: str) -> bool:
        return os.access(self._on_disk(path), os.R_OK | os.X_OK, effective_ids=True)

    def _is_same(self, path: str) -> bool:
        watch = self._by_path.get(path)
        return watch is not None and watch.inode == self._inode(path)

    def _report(self, errors: list[FolderUnreadable]) -> None:
        for error in errors:
            if error.folder not in self._reported:
                self._reported.add(error.folder)
                logger.warning("watching failed maildir=%s: %s", self.name, error)

    # watchdog's WatchCallback protocol; an exception here would end its reader thread

    def on_event(self, event: InotifyEvent) -> None:
        """Offer the file of an event, or follow a folder that came or went."""
        try:
            watch = self._by_wd.get(event.wd)
            if watch is None or self._stopped or not event.name:
                return
            path = maildir.join(watch.place.path, maildir.to_text(os.fsdecode(event.name)))
            if event.mask & _C.IN_ISDIR:
                if watch.place.folders:
                    self._on_folder(path, event.mask)
            elif watch.place.mail and self._is_mail(path, event):
                self._offer(path)
                if not event.mask & _WENT:
                    self._young.note(path)
        except Exception:
            logger.exception("an event of %s was lost: %r", self.name, event)
            self._ask_for_rescan("an event handler failed")

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:
        """The kernel dropped a watch: its directory was deleted or its file system unmounted."""
        with self._lock:
            watch = self._by_wd.pop(wd, None)
            if watch and self._by_path.get(watch.place.path) is watch:
                del self._by_path[watch.place.path]

    def on_queue_overflow(self) -> None:
        """The kernel dropped events: only a scan can tell what happened."""
        self.overflows += 1
        self._ask_for_rescan("inotify overflow")

    def _ask_for_rescan(self, reason: str) -> None:
        self._look_after = 0.0  # folders may have come unseen, too
        try:
            self._rescan(reason)
        except Exception:
            logger.exception("cannot ask for a rescan maildir=%s", self.name)

    def _is_mail(self, path: str, event: InotifyEvent) -> bool:
        parsed = maildir.parse_path(path)
        if parsed is None or not (
            parsed.subdir if self.kind == "maildir" else maildir.is_mail_file(parsed.name)
        ):
            return False
        if not event.mask & _C.IN_CREATE:
            return True
        # A delivery by link(2) is whole at its CREATE and gives no CLOSE_WRITE; a file that is still empty is being
        # written in place, and its CLOSE_WRITE will come.
        try:
            found = os.lstat(self._on_disk(path))
        except OSError:
            return False
        return stat.S_ISREG(found.st_mode) and found.st_size > 0

    def _on_folder(self, path: str, mask: int) -> None:
        if mask & _C.IN_ATTRIB:
            self._look_after = 0.0
            return
        with self._lock:
            if mask & _CAME:
                place = self._place_of(path)
                if place is not None and not self._is_same(path):
                    self._arm_new(place)
            elif path in self._by_path and not self._is_same(path):
                self._forget(path)
                self._rescan(f"folder {path} went away")

    def _place_of(self, path: str) -> Place | None:
        """What a directory of this path would hold; None for tmp/ and the like."""
        if self.kind == "folder":
            inside = maildir.parse_path(f"{path}/x.eml")
            return (
                Place(path, True, False)
                if inside and not (inside.subdir and inside.folder)
                else None
            )
        if path.rpartition("/")[2] in maildir.MAIL_SUBDIRS:
            return Place(path, True, False) if maildir.parse_path(f"{path}/x") else None
        return Place(path, False, True) if maildir.parse_path(f"{path}/new/x") else None
