"""The list corpus many times over, each copy as other mails: a Maildir of as many files as asked for.

A copy's mails differ from those of all others: Message-ID, In-Reply-To and References carry the copy's number, Date is
shifted, and each list is another one. Words stay the same, so the full-text index gets no new words after the first
copy; rows, keys, threads and lists grow as they would in an archive of that size.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path

from bench.corpus import mail_files

KEYS = re.compile(
    rb"^(?:Message-ID|In-Reply-To|References):[^\n]*(?:\n[ \t][^\n]*)*",
    re.IGNORECASE | re.MULTILINE,
)
LIST = re.compile(rb"^(List-Id:[^\n]*(?:\n[ \t][^\n]*)*?)>", re.IGNORECASE | re.MULTILINE)
DATE = re.compile(rb"^Date:([^\n]*)", re.IGNORECASE | re.MULTILINE)
HEADER_END = re.compile(rb"\r?\n\r?\n")
SHIFT = timedelta(hours=31)  # a copy; so months and days of all copies mix


def rekeyed(mail: bytes, copy: int) -> bytes:
    """Return the mail as another one of another list; copy 0 is the mail as it is."""
    if not copy:
        return mail
    end = HEADER_END.search(mail)
    header, rest = (mail[: end.start()], mail[end.start() :]) if end else (mail, b"")
    mark = b".c%d" % copy
    header = KEYS.sub(lambda found: _marked(found[0], mark), header)
    header = LIST.sub(lambda found: found[1] + mark + b">", header, count=1)
    return DATE.sub(lambda found: b"Date: " + _shifted(found[1], copy), header, count=1) + rest


def _marked(field: bytes, mark: bytes) -> bytes:
    sign = b"@" if b"@" in field else b">"
    return field.replace(sign, mark + sign)


def _shifted(date: bytes, copy: int) -> bytes:
    """Return the date so many shifts earlier; one that Python cannot read stays."""
    try:
        moment = parsedate_to_datetime(date.decode("ascii")) - copy * SHIFT
        return format_datetime(moment).encode()
    except (ValueError, TypeError, IndexError, OverflowError):
        return date.strip()


def fill_maildir(corpus: Path, target: Path, mails: int) -> int:
    """Write the first so many mails of the corpus's copies below `target`; return how many bytes they have.

    Each copy has folders of its own, whose names sort by the copy: any tenth of the files has the same mixture.
    """
    files = [(path, path.read_bytes()) for path in mail_files(corpus)]
    size = left = 0
    for copy in range(-(-mails // len(files))):
        left = mails - copy * len(files)
        for path, content in _places(corpus, target, files[:left], copy):
            written = rekeyed(content, copy)
            path.write_bytes(written)
            size += len(written)
    return size


def _places(
    corpus: Path, target: Path, files: Sequence[tuple[Path, bytes]], copy: int
) -> Iterator[tuple[Path, bytes]]:
    made: dict[Path, Path] = {}
    for path, content in files:
        if path.parent not in made:
            name = path.parent.parent.relative_to(corpus).as_posix().lstrip(".") or "top"
            folder = target / f".c{copy:04}-{name}"
            for leaf in ("tmp", "new", "cur"):
                (folder / leaf).mkdir(parents=True, exist_ok=True)
            made[path.parent] = folder / path.parent.name
        yield made[path.parent] / path.name, content
