"""A file that failed alone so often that its mail is rejected, so that the others go on."""

from __future__ import annotations

import logging
from pathlib import Path

from models import Maildir, Total
from mrilu.archive.plan import known_files, look_at, parse_path
from mrilu.archive.read import RETRY_ALWAYS, Rejection
from mrilu.archive.rejected_header import header_of
from mrilu.archive.store import store_rejections
from mrilu.mail.version import PARSER_VERSION
from mrilu.queues.blame import RAISED
from mrilu.queues.queues import IMPORT
from mrilu.runtime.database import database

logger = logging.getLogger(__name__)


def quarantine(name: str, path: str, reason: str, error: str) -> None:
    """Reject the file that failed so often alone; `./run.sh retry` and, after a while, a rescan try it again."""
    db = database()
    maildir = Maildir.get(Maildir.name == name)
    parts = parse_path(path)
    file = look_at(
        Path(maildir.place),
        path,
        known_files(db.connection(), maildir.id, [parts] if parts else []),
    )
    if file is None:
        return
    # An import-error may be the service's own fault after all: each rescan tries again.
    version = RETRY_ALWAYS if reason == RAISED else PARSER_VERSION
    with db.atomic():
        header = header_of(Path(maildir.place), path)
        rejection = Rejection(file, reason, error, version, header)
        stored = store_rejections(db, maildir.id, [rejection])
        Total.add("items", IMPORT, stored.counts)
    logger.error("file quarantined maildir=%s path=%s reason=%s", name, path, reason)
