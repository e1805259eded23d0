"""What became of a message's files: where they lie, when and by which run they came in, what was rejected of them."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

from models import JobRun, Location, Maildir, Message, Rejected, Withholding

MOST_FILES = 100
LONGEST_RUN = timedelta(hours=2)


class History(NamedTuple):
    """A message with its files and their Maildirs' names, the imports at work when it came in, and what was decided."""

    message: Message
    files: list[tuple[str, Location]]
    rejected: list[tuple[str, Rejected]]
    runs: list[JobRun]
    decision: Withholding | None


def history(message: Message) -> History:
    """Return the history of a message."""
    names = {row.id: row.name for row in Maildir.select()}
    files = Location.of_message(message.id)[:MOST_FILES]
    rejected = [(names.get(row.maildir, "?"), row) for row in _rejected_with(files)]
    decided = Withholding.get_or_none(Withholding.identity == message.identity)
    placed = [(names.get(row.maildir, "?"), row) for row in files]
    return History(message, placed, rejected, _runs_at(message), decided)


def _rejected_with(files: list[Location]) -> list[Rejected]:
    """Return what was rejected under the name of one of these files: it could not be read at first, or later."""
    maildirs = sorted({row.maildir for row in files})
    names = sorted({row.unique_name for row in files})
    if not names:
        return []
    same = Rejected.maildir.in_(maildirs) & Rejected.unique_name.in_(names)
    return list(Rejected.select().where(same).order_by(Rejected.first_seen).limit(MOST_FILES))


def _runs_at(message: Message) -> list[JobRun]:
    """Return the imports that were at work when the message came in: one, or as many as there are workers."""
    moment = message.imported_at
    began = JobRun.started_at.between(moment - LONGEST_RUN, moment)
    working = (JobRun.job == "import_messages") & began & (JobRun.ended_at >= moment)
    return list(JobRun.select().where(working).order_by(JobRun.started_at).limit(10))
