"""The mark of a Maildir: a file at its root with a random id, by which each host knows it from another one.

Its name begins with a dot and it is no folder: no program that reads Maildirs takes it for mail or for a folder
(Dovecot and Courier keep files of their own there). Pure but for that file.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from uuid import UUID, uuid4

MARK = ".mrilu-maildir"
_LENGTH = 36


def read_mark(root: Path | str) -> UUID | None:
    """Return the id at `root`; None if there is none, or none that can be read."""
    try:
        handle = os.open(os.path.join(root, MARK), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        return UUID(os.read(handle, _LENGTH).decode("ascii"))
    except (OSError, ValueError):
        return None
    finally:
        os.close(handle)


def write_mark(root: Path | str, mark: UUID | None = None) -> UUID | None:
    """Mark the Maildir at `root`, with `mark` or a new id; return the id that it has then.

    One that is there stays: of two programs that write at once both get the first's. None if nothing can be
    written, as on a file system that is mounted read-only.
    """
    if found := read_mark(root):
        return found
    temporary = os.path.join(root, f"{MARK}.{uuid4().hex}")
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        handle = os.open(temporary, flags, 0o644)
    except OSError:
        return None
    try:
        with os.fdopen(handle, "w") as file:
            os.fchmod(handle, 0o644)  # another account reads it on another host
            file.write(f"{mark or uuid4()}\n")
            file.flush()
            os.fsync(handle)
        os.link(temporary, os.path.join(root, MARK))  # unlike a rename it replaces nothing
    except OSError:
        return read_mark(root)
    finally:
        with suppress(OSError):
            os.unlink(temporary)
    return read_mark(root)
