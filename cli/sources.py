"""What `./run.sh import PATH` is pointed at: a Maildir, a folder of .eml files, an mbox file or one mail."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from jobs.mail.mbox import is_mbox, split_mbox
from jobs.registration import register_imported
from jobs.resources import settings
from models import Maildir

_MAIL_START = re.compile(rb"(?:[!-9;-~]+[ \t]*:|>?From )")


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
    known = next((row for row in Maildir.select() if os.path.realpath(row.root) == root), None)
    if known is not None:
        return known
    watched = {one.name for one in settings().maildirs if os.path.realpath(one.path) != root}
    return register_imported(name_for(path), root, watched)


def name_for(path: Path) -> str:
    """Return a Maildir's name made from a path's last part."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", path.resolve().name.strip("."))[:60] or "mail"


def unpack(file: Path, root: Path) -> Path:
    """Write each mail of `file` into a Maildir at `root` and return it."""
    for subdir in ("new", "cur", "tmp"):
        (root / subdir).mkdir(parents=True, exist_ok=True)
    for raw in mails_in(file):
        name = f"0.{hashlib.sha256(raw).hexdigest()[:32]}.{root.name}"
        deliver(root, name, raw)
    return root


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


def deliver(root: Path, name: str, raw: bytes) -> None:
    """Put one mail into the Maildir as its specification says: written in tmp/, renamed into new/."""
    if (root / "new" / name).exists():
        return
    partial = root / "tmp" / name
    with partial.open("wb") as stream:
        stream.write(raw)
        stream.flush()
        os.fsync(stream.fileno())
    partial.rename(root / "new" / name)
