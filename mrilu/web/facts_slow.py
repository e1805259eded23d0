"""What is too slow for a scrape, gathered beside it: the ledger, and what waits to be read again or embedded.

It is gathered again, in a thread, when a scrape finds it old; no more than a twentieth of the time goes into it, unless
it takes more than three minutes.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable

from models import EmbeddingModel, Maildir, Vanishing
from mrilu.archive.ledger import Balance, quick_balance
from mrilu.archive.outdated import count_outdated
from mrilu.embeddings.model import EncoderMissing, find_model
from mrilu.embeddings.progress import NO_MODEL
from mrilu.embeddings.sources import count_waiting
from mrilu.maildir.errors import MaildirError
from mrilu.queues.ledgers import queued_in
from mrilu.runtime.database import database
from mrilu.settings.current import current_settings
from mrilu.web.background import Background
from mrilu.web.facts_postgresql import Samples

logger = logging.getLogger(__name__)


class SlowFacts(Background[Samples]):
    """The last slow samples."""

    def __init__(
        self, gather: Callable[[], Samples], clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__("slow-facts", gather, clock)

    def latest(self) -> Samples:
        """Return the last samples (none at first), and have them renewed if they are old."""
        return self.found().facts or {}


def gather_slow() -> Samples:
    """Draw up the ledger of each Maildir and count what waits to be embedded; closes this thread's connection."""
    db = database()
    try:
        found: Samples = defaultdict(list)
        for maildir in Maildir.select().order_by(Maildir.name):
            _ledger(maildir, found)
        found["ledger_checked_timestamp_seconds"].append(((), time.time()))
        found["outdated_messages"] += [
            ((state,), number) for state, number in count_outdated(db)._asdict().items()
        ]
        if current_settings().embeddings:
            waiting = count_waiting(db, _wanted_model(current_settings().embedding_model))
            found["embeddings_waiting"] += [((kind,), number) for kind, number in waiting.items()]
        return found
    finally:
        db.close()


def _wanted_model(source: str) -> int:
    """Return the id of the model that EMBEDDING_MODEL names, as `status` does: before it has a row, everything waits.

    It need not be the one that is searched, which answers until this one is complete.
    """
    try:
        row = EmbeddingModel.get_or_none(EmbeddingModel.name == find_model(source).name)
    except EncoderMissing:
        row = None
    return row.id if row else NO_MODEL


def _ledger(maildir: Maildir, found: Samples) -> None:
    vanished = sum(one.files for one in Vanishing.open_of(maildir.id))
    found["vanished_files"].append(((maildir.name,), vanished))
    try:
        one = quick_balance(database(), maildir, lambda: queued_in(maildir.name))
    except (
        MaildirError
    ) as error:  # unmounted: no files on disk to speak of; doctor and status say so
        logger.warning("maildir=%s is left out of the metrics: %s", maildir.name, error)
        return
    found["vanished_files"][-1] = ((maildir.name,), vanished + len(one.held))
    found["ledger_gap_files"].append(((maildir.name,), gap_of(one)))
    sides = ("on_disk", "imported", "copies", "rejected", "waiting")
    found["ledger_files"] += [((maildir.name, side), getattr(one, side)) for side in sides]


def gap_of(one: Balance) -> int:
    """Return how many files are unaccounted for, on either side."""
    return len(one.lost) + len(one.stale)
