"""From file to parsed mail; whatever goes wrong with one mail becomes its rejection, never a crash."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rq.timeouts import JobTimeoutException

from mrilu.archive.plan import FoundFile
from mrilu.mail.compression import decompressed
from mrilu.mail.message import Limits, ParsedMessage, RejectedMail
from mrilu.mail.parse import PARSER_VERSION, parse_message
from mrilu.maildir.names import to_disk
from mrilu.maildir.presence import mail_status
from mrilu.runtime.reading import NO_NOTE, Note

logger = logging.getLogger(__name__)

# A rejection with this version is tried again at each rescan: the mail may be readable by then.
RETRY_ALWAYS = 0

# Of one reading; parsed and made ready for the database, a mail takes some ten times its size in memory.
PORTION_BYTES = 32 * 1024**2


@dataclass(slots=True)
class Rejection:
    """Why one file is not in the archive: a one-word reason and a sentence for people."""

    file: FoundFile
    reason: str
    error: str
    parser_version: int = PARSER_VERSION


@dataclass(slots=True)
class ReadMail:
    """One file and the message in it."""

    file: FoundFile
    message: ParsedMessage


def portions(files: Iterable[FoundFile], most: int = PORTION_BYTES) -> Iterator[list[FoundFile]]:
    """Yield the files in order, in lists of at most `most` bytes; a larger file is alone."""
    portion: list[FoundFile] = []
    total = 0
    for file in files:
        if portion and total + file.size > most:
            yield portion
            portion, total = [], 0
        portion.append(file)
        total += file.size
    if portion:
        yield portion


def read_mails(
    root: Path,
    files: Iterable[FoundFile],
    limits: Limits,
    note: Note = NO_NOTE,
    unseen: dict[str, str] | None = None,
) -> tuple[list[ReadMail], list[Rejection], list[FoundFile]]:
    """Read and parse each file; return the mails, the rejections and the files that vanished in the meantime.

    `unseen` is given the files that were read before and cannot be read now, with why: they keep their messages.
    Raises MemoryError, which is all these mails' doing, and not that of the one just being read.
    """
    mails: list[ReadMail] = []
    rejections: list[Rejection] = []
    vanished: list[FoundFile] = []
    for file in files:
        try:
            with note.of(file.path):
                mails.append(ReadMail(file, _parse(root, file, limits)))
        except (FileNotFoundError, NotADirectoryError):
            vanished.append(file)
        except (JobTimeoutException, MemoryError):
            raise
        except Exception as error:
            if unseen is not None and isinstance(error, OSError) and file.row_in("location"):
                unseen[file.path] = error.strerror or str(error)
                continue
            rejections.append(rejection_of(file, error))
    return mails, rejections, vanished


def _parse(root: Path, file: FoundFile, limits: Limits) -> ParsedMessage:
    if file.size > limits.max_bytes:
        raise RejectedMail(
            "too-large", f"{file.size} bytes are over MAX_MESSAGE_BYTES ({limits.max_bytes})"
        )
    raw = decompressed(read_bytes(root, file.path, limits.max_bytes), limits.max_bytes)
    if len(raw) > limits.max_bytes:
        raise RejectedMail(
            "too-large", f"it has more than MAX_MESSAGE_BYTES ({limits.max_bytes} bytes)"
        )
    return parse_message(raw, limits=limits, file_name=file.parts.name, mtime=file.mtime)


def read_bytes(root: Path, path: str, max_bytes: int) -> bytes:
    """Return the file's bytes, at most `max_bytes` + 1 of them.

    O_NOFOLLOW and O_NONBLOCK: a symlink or FIFO that took the file's place since it was looked at must
    neither lead out of the Maildir nor block; if it took a folder's place, another file was opened than
    lies at the path, which counts as not there. Raises OSError.
    """
    descriptor = os.open(
        f"{root}/{to_disk(path)}", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    )
    with open(descriptor, "rb", buffering=0) as stream:
        opened, there = os.fstat(descriptor), mail_status(root, path)
        if there is None or not os.path.samestat(opened, there):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        size = opened.st_size
        raw = stream.read(min(size, max_bytes) + 1)
        # One read is all, but for a file that grows meanwhile or a file system that returns short reads.
        while (
            len(raw) != size
            and len(raw) <= max_bytes
            and (more := stream.read(max_bytes + 1 - len(raw)))
        ):
            raw += more
    return raw


def rejection_of(file: FoundFile, error: Exception) -> Rejection:
    """Turn what was raised while one mail was read into its rejection."""
    if isinstance(error, RejectedMail):
        return Rejection(file, error.reason, error.detail)
    if isinstance(error, OSError):
        return Rejection(file, "unreadable", error.strerror or str(error), RETRY_ALWAYS)
    if isinstance(error, MemoryError):
        return Rejection(file, "memory", "parsing needs more memory than WORKER_MEMORY allows")
    logger.exception("parser failed path=%s", file.path)
    return Rejection(
        file, "parser-error", f"{type(error).__name__}: {error}"[:1000].replace("\0", "")
    )
