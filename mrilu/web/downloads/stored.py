"""The file of a message, opened safely and proven to hold that message, wherever it has moved since its import."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, NamedTuple
from uuid import UUID

from models import Location, Maildir
from mrilu.mail.compression import MAGICS, decompress_to
from mrilu.mail.message import Limits, RejectedMail
from mrilu.mail.parse import parse_message
from mrilu.maildir.names import split_name, to_disk, to_text
from mrilu.maildir.presence import mail_status
from mrilu.web.downloads.lean_copy import LeanCopy, lean_copy

logger = logging.getLogger(__name__)

COPIES = 8  # files of one message that are tried
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class FileAway(Exception):
    """The file of this message cannot be read on this machine at the moment."""


class FileGone(Exception):
    """The file of this message is not in its Maildir any more."""


class FileChanged(Exception):
    """The file of this message holds something else than what the archive has read; it is read again soon."""


class Place(NamedTuple):
    """Where a file was seen last: the Maildir's root, and the path's parts below it."""

    root: Path
    folder: str
    subdir: str
    name: str

    def path(self, subdir: str | None = None, name: str = "") -> str:
        """Return the path below the root, by default the one seen last."""
        parts = (self.folder, self.subdir if subdir is None else subdir, name or self.name)
        return "/".join(part for part in parts if part)


class Stored(NamedTuple):
    """A message's file, decompressed: `file` is the whole, `lean` the same without the bulk of its attachments."""

    file: IO[bytes]
    size: int
    lean: LeanCopy


def places_of(message: int) -> list[Place]:
    """Return where the files of a message are, those that are no copy first."""
    columns = (Location.folder, Location.subdir, Location.name, Maildir.name, Maildir.root)
    rows = Location.select(*columns).join(Maildir, on=(Maildir.id == Location.maildir))
    live = rows.where(Location.message == message, Location.gone_at.is_null())
    found: Any = live.order_by(Location.copy, Location.id).limit(COPIES).tuples()
    return [
        Place(Path(Maildir.place_of(maildir, root)), folder, subdir, name)
        for folder, subdir, name, maildir, root in found
    ]


@contextmanager
def opened(places: list[Place], identity: UUID, limits: Limits, room: Path) -> Iterator[Stored]:
    """Open the first of a message's files that holds it. `room` is a folder for what has to be unpacked.

    Raises FileGone without a file, FileAway where none can be read here, FileChanged where they hold other mail.
    """
    if not places:
        raise FileGone
    failure: Exception = FileAway()
    for place in places:
        try:
            file = _plain(_open(place), limits.max_bytes, room)
        except (OSError, RejectedMail) as error:
            logger.warning("a mail's file cannot be read: %s", type(error).__name__)
            continue
        with file:
            if (stored := _proven(file, identity, limits)) is not None:
                yield stored
                return
        failure = FileChanged()
    raise failure


def _proven(file: IO[bytes], identity: UUID, limits: Limits) -> Stored | None:
    """Return the file with its lean copy, None if it holds another message."""
    size = file.seek(0, os.SEEK_END)
    if size > limits.max_bytes:
        return None
    lean = lean_copy(file)
    try:
        parsed = parse_message(lean.raw, limits=limits)
    except RejectedMail:
        return None
    # A mail without a Message-ID has one of its whole body, which a lean copy lacks: its parts have checksums.
    same = parsed.identity == identity or (parsed.message_id_derived and bool(lean.runs))
    return Stored(file, size, lean) if same else None


def _open(place: Place) -> IO[bytes]:
    """Open the file where it was seen, or where it has moved in its folder. Raises OSError.

    A symlink or FIFO neither leads out of the Maildir nor blocks; nor does a folder that took a folder's place.
    """
    for path in _paths(place):
        try:
            descriptor = os.open(f"{place.root}/{to_disk(path)}", _FLAGS)
        except (FileNotFoundError, NotADirectoryError):
            continue
        try:
            there = mail_status(place.root, path)
            if there is not None and os.path.samestat(os.fstat(descriptor), there):
                return open(os.dup(descriptor), "rb")
        finally:
            os.close(descriptor)
    raise FileNotFoundError(place.name)


def _paths(place: Place) -> Iterator[str]:
    """Yield the path seen last, then those in new/ and cur/ that have the same unique name (other flags)."""
    yield place.path()
    unique = split_name(place.name)[0]
    for subdir in dict.fromkeys((place.subdir, "cur", "new")):
        folder = f"{place.root}/{to_disk('/'.join(filter(None, (place.folder, subdir))))}"
        try:
            with os.scandir(folder) as entries:
                names = [to_text(entry.name) for entry in entries]
        except (FileNotFoundError, NotADirectoryError):
            continue
        yield from (place.path(subdir, name) for name in names if split_name(name)[0] == unique)


def _plain(file: IO[bytes], most: int, room: Path) -> IO[bytes]:
    """Return the file, or what it holds compressed in an unnamed file in `room`. Raises OSError, RejectedMail."""
    first = file.read(16)
    file.seek(0)
    if not first.startswith(MAGICS):
        return file
    with file:
        plain = TemporaryFile(dir=room)
        try:
            decompress_to(file, plain, most)
        except BaseException:
            plain.close()
            raise
    return plain
