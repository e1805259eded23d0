"""Files that were offered a moment ago and may still be written: they are offered again once they rest."""

import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from mrilu.maildir.names import to_disk

REST = 30.0  # seconds without a change after which a file is whole
OLD = (
    300.0  # seconds; a file that was last written so long ago is whole. The clocks of hosts differ.
)
MOST = 20_000  # files that are looked after at once; a rescan finds what more of them change


@dataclass(slots=True)
class _Young:
    """What the file was at the last look, since when, when to look again, whether it changed since it was offered."""

    state: tuple[int, float]
    since: float
    look_at: float
    delay: float = 1.0
    changed: bool = False


class YoungFiles:
    """The files of one Maildir that may still grow. `note` may be called from any thread.

    A file that is written through another name of it (a hard link in tmp/), or on another host, gives no event here.
    """

    def __init__(self, root: Path, rest: float = REST) -> None:
        self._root, self._rest = root, rest
        self._files: dict[str, _Young] = {}
        self._lock = threading.Lock()

    def note(self, path: str) -> None:
        """Look after a file that has just been offered, if it was written lately."""
        if len(self._files) >= MOST or (state := self._state(path)) is None:
            return
        if state[1] < time.time() - OLD:
            return
        now = time.monotonic()
        with self._lock:
            self._files[path] = _Young(state, now, now + 1.0)

    def rested(self, every: bool = False) -> list[str]:
        """Return the files that changed since they were offered and rest now; look at those due, or at `every` one."""
        now = time.monotonic()
        with self._lock:
            due = [one for one in self._files.items() if every or one[1].look_at <= now]
        return [path for path, young in due if self._has_changed(path, young, now)]

    def _has_changed(self, path: str, young: _Young, now: float) -> bool:
        state = self._state(path)
        if state is None or (state == young.state and now - young.since >= self._rest):
            with self._lock:
                self._files.pop(path, None)
            return state is not None and young.changed
        if state != young.state:
            young.state, young.since, young.changed, young.delay = state, now, True, 1.0
            young.look_at = now + young.delay
            return False
        young.delay *= 2
        young.look_at = now + young.delay
        changed, young.changed = young.changed, False
        return changed

    def _state(self, path: str) -> tuple[int, float] | None:
        try:
            found = os.lstat(os.path.join(self._root, to_disk(path)))
        except OSError:
            return None
        return found.st_size, found.st_mtime
