"""On which file system a Maildir lies: network file systems and FUSE do not tell what others write. Linux only."""

from __future__ import annotations

import os
import re
from pathlib import Path

# inotify(7): "Inotify reports only events that a user-space program triggers through the filesystem API. As a result,
# it does not catch remote events that occur on network filesystems."
WITHOUT_EVENTS = frozenset(
    (
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "ncpfs",
        "afs",
        "ceph",
        "9p",
        "lustre",
        "gfs2",
        "ocfs2",
        "glusterfs",
        "gpfs",
        "beegfs",
        "orangefs",
        "coda",
        "virtiofs",
        "vboxsf",
        "vmhgfs",
        "prl_fs",
        "fuse",
    )
)
MOUNTS = Path("/proc/self/mountinfo")


def without_events(root: Path | str, mounts: Path = MOUNTS) -> str:
    """Return the type of a file system at or below `root` that gives no events of what others write, else ""."""
    try:
        lines = mounts.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return ""
    top = os.path.realpath(root)
    listed = [found for line in lines if (found := _mount(line))]
    # The last line of a mount point is what lies uppermost there.
    at = dict(listed)
    holding = max((one for one in at if _is_below(top, one)), key=len, default="")
    inside = [one for one in at if one != holding and _is_below(one, top)]
    kinds = [at[one] for one in (holding, *inside) if one]
    return next((kind for kind in kinds if _is_without(kind)), "")


def _mount(line: str) -> tuple[str, str] | None:
    """Return mount point and type of a line of mountinfo (proc_pid_mountinfo(5))."""
    before, _, after = line.partition(" - ")
    fields = before.split(" ")
    if len(fields) < 5 or not after:
        return None
    point = re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), fields[4])
    return point, after.split(" ")[0]


def _is_below(path: str, top: str) -> bool:
    return path == top or path.startswith(os.path.join(top, ""))


def _is_without(kind: str) -> bool:
    return kind in WITHOUT_EVENTS or kind.startswith("fuse.")
