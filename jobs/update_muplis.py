"""Brings the Lojban-English sentence pairs level with the muplis file (MUPLIS_URL)."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

from models import Sentence
from mrilu.downloads.errors import SourceRefused
from mrilu.downloads.fetch import Fetched, Limits, fetch
from mrilu.downloads.sources import note_source, validators_of
from mrilu.queues.runs import recorded
from mrilu.queues.wake import wake_embedding
from mrilu.runtime.database import database
from mrilu.sentences.store import Difference, store_pairs
from mrilu.sentences.tsv import READER_VERSION, MuplisUnreadable, Pairs, read_pairs
from mrilu.settings.current import current_settings

logger = logging.getLogger(__name__)

# What servers call a TSV; nothing at all is common, too. An HTML page is what they send instead of an error.
TSV_TYPES = frozenset(
    (
        "",
        "text/tab-separated-values",
        "text/tsv",
        "text/plain",
        "text/csv",
        "application/octet-stream",
        "binary/octet-stream",
        "application/tab-separated-values",
    )
)
SHOWN = 20  # removed and skipped lines that the log names
ALL_MAY_GO = 100  # percent


@recorded
def update_muplis(force: bool = False) -> dict[str, int]:
    """Read the file of MUPLIS_URL into the sentence pairs; return how many were added, removed, skipped ...

    `force` reads an unchanged file too, and takes one that shrinks by more than MAX_SHRINK.
    Raises SourceRefused or SourceUnreachable: the pairs stay what they were.
    """
    settings, db = current_settings(), database()
    source = settings.muplis_source
    known = validators_of(source, READER_VERSION, -1 if force else Sentence.select().count())
    with tempfile.TemporaryDirectory(prefix="mrilu-") as folder:
        fetched = fetch(
            source,
            Path(folder),
            known,
            Limits(settings.download_timeout, settings.max_download_bytes),
        )
        if fetched is None:
            return {"unchanged": 1}
        pairs = read_fetched(fetched, source)
    moment = datetime.now(UTC)
    with db.atomic():
        found, removed = store_pairs(
            db, pairs.pairs, moment, ALL_MAY_GO if force else settings.max_shrink
        )
        note_source(source, fetched, READER_VERSION, len(pairs.pairs), moment)
    _log_changes(found, removed, pairs)
    if found.added or found.removed:
        wake_embedding(recent=False)
    return {
        "pairs": len(pairs.pairs),
        "added": len(found.added),
        "rated": len(found.rated),
        "removed": len(found.removed),
        "skipped": len(pairs.skipped),
    }


def read_fetched(fetched: Fetched, source: str) -> Pairs:
    """Return the pairs of a downloaded file. Raises SourceRefused when it is not one."""
    if fetched.content_type not in TSV_TYPES:
        raise SourceRefused(f"{source} is {fetched.content_type}, not a TSV")
    data = fetched.path.read_bytes()
    if not fetched.framed and not data.endswith(b"\n"):
        raise SourceRefused(
            f"{source} ends within a line, and its server does not say how long it is: it was cut off"
        )
    try:
        return read_pairs(data)
    except MuplisUnreadable as error:
        raise SourceRefused(f"{source} is not a muplis file: {error}") from error


def _log_changes(found: Difference, removed: list[str], pairs: Pairs) -> None:
    for kind, changed in (("added", found.added), ("rated", found.rated)):
        if changed:
            logger.info(
                "muplis %s=%d lines=%s",
                kind,
                len(changed),
                ranges([pair.line for _, pair in changed]),
            )
    for lojban in removed[:SHOWN]:
        logger.info("muplis removed lojban=%r", lojban)
    for line, reason in pairs.skipped[:SHOWN]:
        logger.warning("muplis skipped line=%d reason=%r", line, reason)
    if max(len(removed), len(pairs.skipped)) > SHOWN:
        logger.info(
            "muplis removed=%d skipped=%d, of each %d are named",
            len(removed),
            len(pairs.skipped),
            SHOWN,
        )


def ranges(numbers: Sequence[int]) -> str:
    """Return ascending numbers in short: 1, 2, 3, 7 as "1-3,7"."""
    runs = (
        [number for _, number in run]
        for _, run in groupby(enumerate(numbers), lambda one: one[1] - one[0])
    )
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)
