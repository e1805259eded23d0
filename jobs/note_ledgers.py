"""Notes for readers up to when the archive is complete: the ledger of each watched Maildir, drawn up each minute."""

from __future__ import annotations

import logging
from collections import Counter
from datetime import UTC, datetime

from models import Maildir
from mrilu.archive.ledger_checks import is_due, note_ledger
from mrilu.maildir.errors import MaildirError
from mrilu.queues.ledgers import queued_in
from mrilu.queues.runs import recorded
from mrilu.runtime.database import database

logger = logging.getLogger(__name__)


@recorded
def note_ledgers() -> dict[str, int]:
    """Note how each watched Maildir's ledger stands; return how many were looked at, and what waits and is rejected.

    One whose last look took long is left out until it has rested.
    One that cannot be listed is noted as in trouble; `check_new_mail` is what fails over it.
    """
    database()
    counts: Counter[str] = Counter(maildirs=0, waiting=0, rejected=0, out_of_reach=0)
    for maildir in Maildir.select().where(Maildir.watched).order_by(Maildir.name):
        counts.update(_note(maildir))
    return dict(counts)


def _note(maildir: Maildir) -> dict[str, int]:
    now = datetime.now(UTC)
    if not is_due(maildir, now):
        return {"resting": 1}
    try:
        noted = note_ledger(database(), maildir, now, lambda: queued_in(maildir.name))
    except MaildirError as error:
        logger.warning("maildir=%s cannot be listed: %s", maildir.name, error)
        return {"maildirs": 1, "out_of_reach": 1}
    return {"maildirs": 1} | noted
