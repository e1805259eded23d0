"""Mail that comes faster than the workers take it leaves the backlog its share."""

from __future__ import annotations

from pathlib import Path

import pytest
from rq.job import Job

from jobs.workers import IN_A_ROW, MailWorker
from mrilu.queues.queues import LIVE, give_turn, queue, submit_import
from tests.factories import deliver, mail

pytestmark = pytest.mark.usefixtures("redis_client")


def test_under_overload_the_backlog_and_the_oldest_live_mail_move_too(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each live job that ends is followed by two new ones: the front never empties."""
    backlog, done = [deliver(root, mail()) for _ in range(3)], []
    for path in backlog:
        submit_import("test", [path], live=False)
    first = deliver(root, mail())
    submit_import("test", [first], live=True)

    class Watched(MailWorker):
        def perform_job(self, job: Job, *rest: object) -> bool:
            done.append(job.args[1][0])
            if job.id.startswith(LIVE):
                for _ in range(2):
                    submit_import("test", [deliver(root, mail())], live=True)
            return super().perform_job(job, *rest)

    for _ in range(3):  # more live mail on top: `first` is the oldest now
        submit_import("test", [deliver(root, mail())], live=True)
    mails = queue("mail")
    worker = Watched([mails], connection=mails.connection, serializer=mails.serializer)
    worker.work(burst=True, max_jobs=40, logging_level="ERROR")
    assert len(done) == 40 and set(backlog) <= set(done)
    assert done.index(backlog[0]) == IN_A_ROW and first in done


def test_a_turn_is_given_to_what_waits_and_to_nothing_twice(root: Path) -> None:
    mails = queue("mail")
    assert give_turn(mails, backlog=True) is None and give_turn(mails, backlog=False) is None
    submit_import("test", ["new/1"], live=False)
    submit_import("test", ["new/2"], live=True)
    submit_import("test", ["new/3"], live=True)
    newest, oldest, backlog = mails.job_ids
    assert give_turn(mails, backlog=True) == backlog and mails.job_ids[0] == backlog
    assert give_turn(mails, backlog=True) is None  # it is there already
    assert give_turn(mails, backlog=False) == oldest
    assert mails.job_ids == [oldest, backlog, newest]
