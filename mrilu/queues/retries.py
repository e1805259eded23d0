"""Another chance for mail that was rejected."""

from __future__ import annotations

from models import Maildir, Rejected
from mrilu.queues.queues import submit_backlog


def retry_rejected(
    reason: str | None, batch_size: int, number: int | None = None
) -> dict[str, list[str]]:
    """Enqueue rejected files (all, those of a reason, or the row `number`); return the paths, by Maildir."""
    chosen = Rejected.gone_at.is_null()
    if reason:
        chosen &= Rejected.reason == reason
    if number is not None:
        chosen &= Rejected.id == number
    offered = {}
    for maildir in Maildir.select().order_by(Maildir.name):
        mine = (Rejected.maildir == maildir.id) & chosen
        paths = [row.path() for row in Rejected.select().where(mine).order_by(Rejected.id)]
        # Version 0 is older than any parser, so the import job reads the file again.
        Rejected.update(parser_version=0).where(mine).execute()
        submit_backlog(maildir.name, paths, batch_size)
        if paths:
            offered[maildir.name] = paths
    return offered
