"""Commands that put files into the queue and watch them go: import, rescan, retry."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from models import Maildir
from mrilu.cli import sources
from mrilu.queues.ledgers import enqueue_missing, queued_in
from mrilu.queues.progress import work_waits
from mrilu.queues.queues import submit_import
from mrilu.queues.recovery import recover_imports
from mrilu.runtime.resting import rest_after

POLL_SECONDS = 0.1


def unpack_and_offer(file: Path, unpacked: Path, batch_size: int) -> tuple[Maildir, list[str]]:
    """Unpack an mbox or a mail below `unpacked`, with a progress bar; return its Maildir and what was enqueued.

    Each group of mails is offered at once: they go in while the next ones are unpacked. Raises NotMail, OSError.
    """
    next(sources.mails_in(file))  # is it mail at all? if not, there is to be no Maildir
    root = sources.make_maildir(unpacked / sources.name_for(file))
    maildir = sources.register(root, unpacked)
    offered: list[str] = []
    with _bar(DownloadColumn()) as bar:
        task = bar.add_task(f"unpacking {file.name}", total=file.stat().st_size, rate="")
        started, mails = time.monotonic(), 0
        for group in sources.unpack_in_groups(file, root, batch_size):
            if group.paths:
                submit_import(maildir.name, group.paths, live=False)
            offered += group.paths
            mails += group.mails
            bar.update(task, advance=group.size, rate=_rate(mails, started))
        bar.update(task, completed=file.stat().st_size)
    # What an interrupted import left: unpacked, and never offered.
    return maildir, offered + enqueue_missing(maildir, batch_size)


def follow(maildir: Maildir, paths: Iterable[str]) -> None:
    """Show a progress bar with rate and time left until none of `paths` waits any more.

    It also brings back jobs whose worker died, so that waiting needs no watcher.
    """
    wanted = set(paths)
    with _bar() as bar:
        task = bar.add_task(f"importing {maildir.name}", total=len(wanted), rate="")
        started = looked = time.monotonic()
        while left := len(wanted & queued_in(maildir.name)):
            done = len(wanted) - left
            bar.update(task, completed=done, rate=_rate(done, started))
            recover_imports()
            # Each look reads the whole queue, which takes time from the workers.
            _rest(max(POLL_SECONDS, rest_after(time.monotonic() - looked)))
            looked = time.monotonic()
        bar.update(task, completed=len(wanted), rate=_rate(len(wanted), started))


def _rest(seconds: float) -> None:
    """Sleep for so long, or until no import job waits any more."""
    ends = time.monotonic() + seconds
    while (left := ends - time.monotonic()) > 0 and work_waits():
        time.sleep(min(POLL_SECONDS, left))


def _rate(done: int, started: float) -> str:
    seconds = time.monotonic() - started
    return f"{done / seconds:,.0f} mails/s" if seconds > 0 and done else ""


def _bar(count: ProgressColumn | None = None) -> Progress:
    left = TimeRemainingColumn()
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        count or MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        left,
        redirect_stdout=False,
    )
