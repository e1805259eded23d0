"""Giving the folders of an older version, which ran as root or nobody, to the account that our programs run as now.

Whoever had them may have planted links in them: nothing is changed by its name. Each file is opened, looked at, and
changed through that opening; a symbolic link, a file with a second name, and whatever belongs to someone else stay.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from mrilu.service.account import Account, ServerError

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def hand_over(folder: Path, account: Account, former: int) -> int:
    """Give a folder of the user id `former`, and what that one has in it, to `account`; return how many stayed.

    Its top comes last, so that an interrupted one is gone on with at the next start. Raises ServerError.
    """
    stayed = 0
    try:
        device = folder.lstat().st_dev
        for _, folders, files, descriptor in os.fwalk(folder, topdown=False, follow_symlinks=False):
            for name in files:
                stayed += not _give_file(name, descriptor, account, former)
            stayed += sum(_is_link(name, descriptor) for name in folders)
            found = os.fstat(descriptor)
            if (found.st_uid, found.st_dev) == (former, device):
                os.fchown(descriptor, account.uid, account.gid)
                os.fchmod(descriptor, stat.S_IMODE(found.st_mode) & 0o700)
    except OSError as error:
        raise ServerError(
            f"cannot give {folder} to the account {account.name} (SERVER_USER): {error.strerror}"
        ) from error
    return stayed


def _give_file(name: str, folder: int, account: Account, former: int) -> bool:
    try:
        file = os.open(name, _READ, dir_fd=folder)
    except OSError:  # a link, or a socket: the server makes its own anew
        return False
    try:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != former or found.st_nlink != 1:
            return False
        os.fchown(file, account.uid, account.gid)
        os.fchmod(file, stat.S_IMODE(found.st_mode) & 0o700)
        return True
    finally:
        os.close(file)


def _is_link(name: str, folder: int) -> bool:
    return stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
