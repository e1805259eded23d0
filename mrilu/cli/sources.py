"""What `./run.sh import PATH` is pointed at: a Maildir, a folder of .eml files, an mbox file or one mail."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from models import Maildir
from mrilu.archive.registration import register_imported
from mrilu.mail.headers.dates import is_plausible, parse_from_line
from mrilu.mail.mbox import is_mbox, split_mbox
from mrilu.runtime.database import database
from mrilu.settings.current import current_settings

_MAIL_START = re.compile(rb"(?:[!-9;-~]+[ \t]*:|>?From )")
GROUP = 500  # mails that are written before the disk is waited for
GROUP_BYTES = 64 * 1024**2


class Group(NamedTuple):
    """Mails that were unpacked together: paths of those that are new, how many there were, their bytes."""

    paths: list[str]
    mails: int
    size: int


class NotMail(Exception):
    """neither a Maildir, a folder of .eml files, an mbox nor a mail"""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path}: {self.__doc__}")


def register(path: Path, unpacked: Path) -> Maildir:
    """Return the Maildir for `path`, known by its root or registered now, not to be watched.

    An mbox or a single mail is copied into a Maildir below `unpacked` first; a second time changes
    nothing, since the files are named by their content. Raises NotMail, MaildirError, OSError.
    """
    if path.is_file():
        return register(unpack(path, unpacked / name_for(path)), unpacked)
    root = os.path.realpath(path)
    known = next((row for row in Maildir.select() if os.path.realpath(row.place) == root), None)
    if known is not None:
        return known
    watched = {
        one.name for one in current_settings().maildirs if os.path.realpath(one.path) != root
    }
    return register_imported(database(), name_for(path), root, watched)


def name_for(path: Path) -> str:
    """Return a Maildir's name made from a path's last part."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", path.resolve().name.strip("."))[:60] or "mail"


def unpack(file: Path, root: Path) -> Path:
    """Write each mail of `file` into a Maildir at `root` and return it."""
    for _ in unpack_in_groups(file, root):
        pass
    return root


def make_maildir(root: Path) -> Path:
    """Make an empty Maildir at `root`, if there is none, and return it."""
    for subdir in ("new", "cur", "tmp"):
        (root / subdir).mkdir(parents=True, exist_ok=True)
    return root


def unpack_in_groups(file: Path, root: Path, most: int = GROUP) -> Iterator[Group]:
    """Write the mails of `file` into a Maildir at `root`; yield each group of them once it is safe on the disk.

    The names depend on the content only, so that unpacking again adds nothing, even after a crash.
    """
    make_maildir(root)
    since = file.stat().st_mtime
    group: dict[str, bytes] = {}
    for raw in mails_in(file):
        group[f"0.{hashlib.sha256(raw).hexdigest()[:32]}.{root.name}"] = raw
        if len(group) >= most or sum(map(len, group.values())) > GROUP_BYTES:
            yield _deliver_all(root, group, since)
            group = {}
    yield _deliver_all(root, group, since)


def mails_in(file: Path) -> Iterator[bytes]:
    """Yield the mails of an mbox file, or the one mail that the file is."""
    with file.open("rb") as stream:
        start = stream.read(4096)
        stream.seek(0)
        if is_mbox(start.lstrip(b"\r\n")):
            yield from split_mbox(stream)
        elif _MAIL_START.match(start):
            yield stream.read()
        else:
            raise NotMail(file)


def _deliver_all(root: Path, group: dict[str, bytes], since: float) -> Group:
    """Put mails into the Maildir as its specification says: written in tmp/, renamed into new/.

    All are written before the first is waited for: one fsync a mail and after another is five times slower.
    """
    wanted = [name for name in group if not (root / "new" / name).exists()]
    for name in wanted:
        _write(root / "tmp" / name, group[name], since)
    for name in wanted:
        _sync(root / "tmp" / name)
    for name in wanted:
        (root / "tmp" / name).rename(root / "new" / name)
    _sync(root / "new")
    return Group([f"new/{name}" for name in wanted], len(group), sum(map(len, group.values())))


def _write(partial: Path, raw: bytes, since: float) -> None:
    """Write a file that is as old as its mail (its "From " line) or as the source: a mail may have no other date."""
    with partial.open("wb") as stream:
        stream.write(raw)
        stream.flush()
        # begins to write back, and does not wait
        os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    line = raw.partition(b"\n")[0].decode("latin-1")
    stated = parse_from_line(line) if line.startswith(("From ", ">From ")) else None
    seconds = stated.timestamp() if stated is not None and is_plausible(stated) else since
    os.utime(partial, (seconds, seconds))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
