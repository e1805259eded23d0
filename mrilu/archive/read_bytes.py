"""The bytes of one file of a Maildir, and of no other."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

from mrilu.maildir.names import to_disk
from mrilu.maildir.presence import mail_status


def read_bytes(root: Path, path: str, max_bytes: int) -> bytes:
    """Return the file's bytes, at most `max_bytes` + 1 of them.

    O_NOFOLLOW and O_NONBLOCK: a symlink or FIFO that took the file's place since it was looked at must
    neither lead out of the Maildir nor block; if it took a folder's place, another file was opened than
    lies at the path, which counts as not there. Raises OSError.
    """
    descriptor = os.open(
        f"{root}/{to_disk(path)}", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    )
    try:  # os.read: a file object would ask for the status once more
        opened = os.fstat(descriptor)
        if not _lies_there(descriptor, opened, root, path):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        size = opened.st_size
        raw = os.read(descriptor, min(size, max_bytes) + 1)
        # One read is all, but for a file that grows meanwhile or a file system that returns short reads.
        while (
            len(raw) != size
            and len(raw) <= max_bytes
            and (more := os.read(descriptor, max_bytes + 1 - len(raw)))
        ):
            raw += more
        return raw
    finally:
        os.close(descriptor)


def _lies_there(descriptor: int, opened: os.stat_result, root: Path, path: str) -> bool:
    """Tell whether the open file is the regular file that lies at the path; raise OSError if that cannot be seen."""
    # Linux tells in one call where an open file lies, with all symlinks followed; else each folder is looked at.
    with suppress(OSError):
        if os.readlink(f"/proc/self/fd/{descriptor}") == f"{root}/{to_disk(path)}":
            return stat.S_ISREG(opened.st_mode)
    there = mail_status(root, path)
    return there is not None and os.path.samestat(opened, there)
