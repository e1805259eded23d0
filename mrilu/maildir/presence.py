"""Whether a mail file is there. Pure looks at the disk: "I cannot see it" is never taken for "it is not there"."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from mrilu.maildir.errors import MaildirError, NotAFolder
from mrilu.maildir.names import Kind, follows, kind_of, to_disk


class OutOfReach(OSError):
    """This host cannot see some files at the moment, so nothing is concluded about them.

    `done` counts what was made of the other files of the batch.
    """

    def __init__(
        self, root: Path | str, paths: list[str], reason: str, done: dict[str, int] | None = None
    ) -> None:
        self.root, self.paths, self.reason, self.done = str(root), paths, reason, done or {}
        super().__init__(f"{root}: {len(paths)} files cannot be looked at: {reason}")


def mail_status(root: Path, path: str, sound: set[str] | None = None) -> os.stat_result | None:
    """Return the status of the regular file at `path`, or None: not there, a symlink, a FIFO ...

    What is reached through a symlinked folder that a scan does not follow is not there either: it may lead out of
    the Maildir. Raises OSError when the file system does not tell (EACCES, EIO, ESTALE ...): the file may be there.
    `sound` has the folders that the same pass over many files has looked at, and gets those of this one.
    """
    try:
        status = os.lstat(f"{root}/{to_disk(path)}")
        folder = whole = path.rpartition("/")[0]
        while folder and (sound is None or folder not in sound):
            mode = os.lstat(f"{root}/{to_disk(folder)}").st_mode
            if not (stat.S_ISDIR(mode) or (stat.S_ISLNK(mode) and follows(root, folder))):
                return None
            folder = folder.rpartition("/")[0]
        if sound is not None:
            sound.add(whole)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return status if stat.S_ISREG(status.st_mode) else None


def is_there(root: Path, path: str) -> bool | None:
    """Tell whether a regular file lies at `path`; None if the file system does not tell."""
    try:
        return mail_status(root, path) is not None
    except OSError:
        return None


def root_trouble(root: Path | str, kind: Kind) -> str:
    """Return why the folder at `root` cannot be the Maildir that it was, "" if nothing speaks against it.

    The empty place of a disk that is not mounted is not a Maildir. A flat folder may be empty.
    """
    try:
        if kind == "maildir":
            kind_of(root)
        elif not stat.S_ISDIR(os.stat(root).st_mode):
            return str(NotAFolder.__doc__)
    except MaildirError as error:
        return str(error).removeprefix(f"{error.path}: ")
    except OSError as error:
        return error.strerror or str(error)
    return ""
