"""What to say when inotify has no room for another watch."""

import errno
from pathlib import Path


class WatchLimit(Exception):
    """inotify has reached its limit"""

    def __init__(self, name: str, error: OSError) -> None:
        knob = {errno.ENOSPC: "max_user_watches", errno.EMFILE: "max_user_instances"}.get(
            error.errno or 0
        )
        advice = f"; raise it with: sysctl fs.inotify.{knob}={_limit(knob) * 4}" if knob else ""
        limit = f" (fs.inotify.{knob} = {_limit(knob)})" if knob else ""
        super().__init__(f"cannot watch {name} with inotify: {error.strerror}{limit}{advice}")


def _limit(knob: str) -> int:
    try:
        return int(Path(f"/proc/sys/fs/inotify/{knob}").read_text())
    except (OSError, ValueError):
        return 0
