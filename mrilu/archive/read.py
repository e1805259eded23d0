"""From file to parsed mail; whatever goes wrong with one mail becomes its rejection, never a crash."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rq.timeouts import JobTimeoutException

from mrilu.archive.plan import FoundFile
from mrilu.archive.read_bytes import read_bytes
from mrilu.archive.rejected_header import RejectedHeader, header_of
from mrilu.mail.compression import decompressed
from mrilu.mail.message import Limits, ParsedMessage, RejectedMail
from mrilu.mail.parse import parse_message
from mrilu.mail.version import PARSER_VERSION
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
    header: RejectedHeader = RejectedHeader()


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
            rejection = rejection_of(file, error)
            rejection.header = header_of(root, file.path)
            rejections.append(rejection)
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
