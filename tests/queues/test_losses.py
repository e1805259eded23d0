"""Work that is lost from Redis in part is noticed by numbers."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from redis import Redis
from rq.job import Job

from jobs.import_messages import import_messages
from models import Rejected
from mrilu.queues.enqueue import LAST, enqueue_now
from mrilu.queues.losses import Losses, LostRuns, heal_wakes
from mrilu.queues.queues import EMBED, queue, submit_import
from mrilu.queues.table import Periodic
from mrilu.queues.wake import wake_embedding
from tests.factories import deliver, mail

pytestmark = pytest.mark.usefixtures("redis_client")
ROW = Periodic(id="upkeep", function="jobs.upkeep.upkeep", interval=60, timeout=60)


class Impatient(Losses):
    """Looks each time that it is asked."""

    def maildirs(self) -> list[str]:
        self.next_look = 0.0
        return super().maildirs()


def test_an_emptied_queue_is_noticed_when_two_looks_agree_and_told_once(root: Path) -> None:
    submit_import("test", [deliver(root, mail()), deliver(root, mail())], live=True)
    losses = Impatient()
    assert losses.maildirs() == []  # it waits in the queue
    queue("mail").empty()
    assert losses.maildirs() == []  # it may be on its way
    assert losses.maildirs() == ["test"]
    assert (
        losses.maildirs() == []
    )  # a rescan that could not change it is not asked for again and again
    deliver(root, mail())
    assert losses.maildirs() == [] and losses.maildirs() == ["test"]


def test_what_is_level_needs_no_rescan(root: Path) -> None:
    import_messages("test", [deliver(root, mail())])
    losses = Impatient()
    assert [losses.maildirs() for _ in range(3)] == [[]] * 3


def test_looks_are_made_now_and_then(root: Path) -> None:
    deliver(root, mail())
    losses = Losses()
    assert [losses.maildirs() for _ in range(5)] == [[]] * 5


def test_evicted_jobs_in_a_queue_that_is_busy_are_noticed_at_once(
    root: Path, redis_client: Redis
) -> None:
    for _ in range(3):
        submit_import("test", [deliver(root, mail())], live=False)
    losses = Impatient()
    assert losses.maildirs() == []
    gone = queue("mail").job_ids[1]
    redis_client.delete(Job.key_for(gone))
    assert losses.maildirs() == ["test"]
    assert gone not in queue("mail").job_ids and len(queue("mail")) == 2
    assert losses.maildirs() == []


def test_a_maildir_that_is_away_has_lost_nothing(root: Path) -> None:
    import_messages("test", [deliver(root, mail())])
    root.rename(root.with_name("away"))
    losses = Impatient()
    assert [losses.maildirs() for _ in range(3)] == [[]] * 3


def test_a_run_of_the_schedule_that_is_lost_from_its_queue_comes_back(redis_client: Redis) -> None:
    lost = LostRuns((ROW,))
    assert lost.put_back() == 0
    enqueue_now(ROW, "first", redis_client)
    assert lost.put_back() == 0
    queue("default").empty()
    assert lost.put_back() == 1 and lost.put_back() == 0
    (again,) = queue("default").jobs
    assert redis_client.hget(LAST, "upkeep") == again.id.encode() != b"first"


def test_a_run_that_has_ended_is_not_lost(redis_client: Redis) -> None:
    lost = LostRuns((ROW,))
    enqueue_now(ROW, "first", redis_client)
    lost.put_back()
    redis_client.hset(Job.key_for("first"), "status", "finished")
    lost.put_back()
    redis_client.delete(Job.key_for("first"))
    assert lost.put_back() == 0


def test_embedding_that_was_asked_for_is_asked_for_again(redis_client: Redis) -> None:
    wake_embedding()
    heal_wakes(redis_client)
    assert len(queue(EMBED)) == 1
    queue(EMBED).empty()
    heal_wakes(redis_client)
    (again,) = queue(EMBED).jobs
    assert again.kwargs == {"recent": True}


def test_a_file_whose_permission_is_mended_is_noticed_once(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = [True]
    monkeypatch.setattr("mrilu.queues.losses.os.access", lambda place, mode: not closed)
    path = deliver(root, mail())
    Rejected.insert(
        maildir=1,
        folder="",
        unique_name=path.removeprefix("new/"),
        nth=0,
        subdir="new",
        name=path.removeprefix("new/"),
        size=1,
        reason="unreadable",
        error="Permission denied",
        attempts=1,
        parser_version=0,
        first_seen=datetime.now(UTC),
        last_seen=datetime.now(UTC),
    ).execute()
    losses = Impatient()
    assert losses.maildirs() == []
    closed.clear()
    assert losses.maildirs() == ["test"] and losses.maildirs() == []
