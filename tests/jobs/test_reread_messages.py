"""What an older parser read is read again, once, in any number of runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import psycopg
import pytest
from rq import Worker
from rq.job import Job
from rq.serializers import JSONSerializer

import models
from jobs import reread_messages as job
from jobs.import_messages import import_messages
from jobs.reread_messages import GOING_ON, Position, Run, reread_messages
from jobs.schedule import SCHEDULE
from models import JobRun, Location, Message, Notification, Rejected
from mrilu.archive import read, store
from mrilu.archive import read_again as again
from mrilu.archive.ledger import difference
from mrilu.archive.outdated import count_outdated
from mrilu.mail.message import Limits, ParsedMessage, RejectedMail
from mrilu.mail.version import PARSER_VERSION
from mrilu.notifications.events import NewsRules
from mrilu.queues.enqueue import enqueue_now
from mrilu.queues.queues import DEFAULT, EMBED, put_import, queue
from mrilu.queues.wake import FUNCTION as EMBED_FUNCTION
from tests.factories import deliver, mail, make_maildir, register

OLDER = PARSER_VERSION - 1


@pytest.fixture(autouse=True)
def _no_rest(monkeypatch: pytest.MonkeyPatch, redis_client) -> None:
    monkeypatch.setattr("jobs.reread_messages.time.sleep", lambda seconds: None)


def take_in(root: Path, number: int) -> list[str]:
    """Import so many mails as an older parser did, which read no words in them."""
    paths = [deliver(root, mail(f"<{one}@x>", body=f"kettle {one}\n")) for one in range(number)]
    for path in paths:
        import_messages("test", [path])
    Message.update(parser_version=OLDER, body="", own_spans=[], search="").execute()
    return paths


def run_of(*, batch: Callable[[], float] | None = None, mail_waiting=lambda: 0, **more) -> Run:
    clock = batch or (lambda: 0.0)
    position = Position(job.redis_connection())
    rules = NewsRules(30, "", "https://archive.example")
    reading = partial(job.read_again, models.db, limits=Limits(), rules=rules)
    return Run(models.db, reading, position, mail_waiting, clock=clock, rest=lambda _: None, **more)


def ticking(seconds: float) -> Callable[[], float]:
    """A clock that is so much later at each look."""
    passed = [0.0]

    def clock() -> float:
        passed[0] += seconds
        return passed[0]

    return clock


def test_messages_of_an_older_parser_are_read_again_from_their_files(root):
    take_in(root, 3)
    assert count_outdated(models.db) == (3, 0)
    assert reread_messages() == {"read": 3, "updated": 3}
    assert count_outdated(models.db) == (0, 0)
    assert sorted(row.body for row in Message.select()) == ["kettle 0", "kettle 1", "kettle 2"]
    found = models.db.execute_sql("SELECT count(*) FROM message WHERE search @@ 'kettl'")
    assert found.fetchone() == (3,)
    assert JobRun.get(JobRun.job == "reread_messages").counts == {"read": 3, "updated": 3}
    assert reread_messages() == {}


def test_nothing_of_the_rejected_the_ledger_or_notifications_changes(root):
    take_in(root, 2)
    before = [(row.id, row.message, row.copy, row.size) for row in Location.select()]
    reread_messages()
    assert before == [(row.id, row.message, row.copy, row.size) for row in Location.select()]
    assert Notification.select().count() == Rejected.select().count() == 0
    assert difference(models.db, root, "test").paths == []


def test_what_changed_is_embedded_again(root, redis_client):
    take_in(root, 1)
    queue(EMBED).empty()
    redis_client.delete("mrilu:embed:wake", "mrilu:embed:wake-all")
    reread_messages()
    (asked,) = queue(EMBED).jobs
    assert (asked.func_name, asked.kwargs) == (EMBED_FUNCTION, {"recent": False})


def test_a_run_ends_after_a_while_and_another_goes_on(root, monkeypatch, redis_client):
    take_in(root, 5)
    monkeypatch.setattr(job, "BATCH", 2)
    run = run_of(batch=ticking(4.0))
    assert run.work() is False and 0 < run.counts["updated"] < 5
    assert Position(redis_client).before > 1
    assert run_of().work() is True
    assert count_outdated(models.db) == (0, 0)
    assert redis_client.exists(Position.KEY) == 0


def asked_for() -> list[Job]:
    """Return the jobs of ours that wait; imports ask for others."""
    return [one for one in queue(DEFAULT).jobs if one.func_name == job.FUNCTION]


def test_the_run_that_goes_on_is_asked_for_once(root, monkeypatch, redis_client):
    take_in(root, 3)
    monkeypatch.setattr(job, "RUN_SECONDS", 0)
    assert reread_messages() == {}
    (more,) = asked_for()
    assert more.kwargs == {"more": True}
    assert reread_messages() == {"going_on": 1}  # the schedule's own run
    assert len(asked_for()) == 1
    monkeypatch.setattr(job, "RUN_SECONDS", 10)
    assert reread_messages(more=True) == {"read": 3, "updated": 3}
    assert len(asked_for()) == 1 and not redis_client.exists(GOING_ON)


def test_the_newest_are_read_first(root, monkeypatch):
    take_in(root, 3)
    monkeypatch.setattr(job, "BATCH", 1)
    run_of(batch=ticking(4.0)).work()
    done = [row.id for row in Message.select().where(Message.parser_version == PARSER_VERSION)]
    assert done == [3]


def test_while_mail_waits_to_be_imported_nothing_is_read_again(root, redis_client):
    take_in(root, 2)
    put_import(queue("mail"), "test", ["new/1"], at_front=True)
    run = run_of(batch=ticking(1.0), mail_waiting=lambda: queue("mail").count)
    assert run.work() is False
    assert run.counts["waited"] >= 5 and "read" not in run.counts


def test_each_batch_is_followed_by_a_rest_of_its_length(root):
    take_in(root, 1)
    rests: list[float] = []
    run = run_of(batch=ticking(0.25))
    run._rest = rests.append
    run.work()
    assert rests == [0.25]


def test_files_that_are_gone_are_counted_and_their_messages_stay(root):
    first, second, third = take_in(root, 3)
    (root / first).unlink()
    import_messages("test", [first])  # noticed
    (root / second).unlink()  # not noticed yet
    Message.update(body="as it was").execute()
    assert count_outdated(models.db) == (2, 1)
    assert reread_messages() == {"read": 1, "updated": 1, "gone": 1}
    assert count_outdated(models.db) == (1, 1)
    assert sorted(row.body for row in Message.select()) == ["as it was", "as it was", "kettle 2"]
    assert Location.get(Location.message == 2).gone_at is None  # that is for the import to find


def test_a_maildir_that_is_away_changes_nothing(root):
    take_in(root, 2)
    root.rename(root.with_name("away"))
    counts = reread_messages()
    assert (
        not counts.get("updated")
        and Location.select().where(Location.gone_at.is_null()).count() == 2
    )
    root.with_name("away").rename(root)
    assert reread_messages() == {"read": 2, "updated": 2}


def test_a_file_that_cannot_be_read_leaves_its_message_as_it_was(root, monkeypatch):
    take_in(root, 2)
    real = read.read_bytes

    def refuse(at: Path, path: str, most: int) -> bytes:
        raw = real(at, path, most)
        if b"kettle 0" in raw:
            raise PermissionError(13, "Permission denied")
        return raw

    monkeypatch.setattr(read, "read_bytes", refuse)
    assert reread_messages() == {"read": 1, "updated": 1, "unreadable": 1}
    assert Rejected.select().count() == 0 and Message.select().count() == 2
    assert count_outdated(models.db) == (1, 0)


@pytest.mark.parametrize("error", [RejectedMail("too-slow", "x"), ZeroDivisionError("a bug")])
def test_a_mail_that_the_newer_parser_refuses_stays_as_the_older_read_it(root, monkeypatch, error):
    take_in(root, 1)

    def refuse(raw: bytes, **more: object) -> ParsedMessage:
        raise error

    monkeypatch.setattr(read, "parse_message", refuse)
    assert reread_messages() == {"refused": 1}
    assert Location.get().gone_at is None and Rejected.select().count() == 0


def test_a_mail_that_cannot_be_stored_keeps_none_of_the_others_back(root, monkeypatch):
    take_in(root, 3)
    real = store.staging_row

    def unclean(one):
        row = list(real(one))
        if one.message.message_id == "1@x":
            row[4] = "NUL \0 in a text"
        return tuple(row)

    monkeypatch.setattr(store, "staging_row", unclean)
    assert reread_messages() == {"read": 3, "updated": 2, "refused": 1}
    assert Location.select().count() == 3 and Rejected.select().count() == 0


def test_when_memory_runs_out_each_file_is_read_alone(root, monkeypatch):
    take_in(root, 3)
    real = read.parse_message

    def parse(raw: bytes, **more: object) -> ParsedMessage:
        if b"kettle 1" in raw:
            raise MemoryError
        return real(raw, **more)

    monkeypatch.setattr(read, "parse_message", parse)
    assert reread_messages() == {"read": 2, "updated": 2, "refused": 1}


def test_a_mail_that_kills_its_process_is_passed_over_alone(root, monkeypatch):
    take_in(root, 5)
    monkeypatch.setattr(job, "BATCH", 4)
    real = again.read_again

    def dying(db, messages, **more):
        if 3 in messages:
            raise KeyboardInterrupt  # nothing after it is done, as after a kill
        return real(db, messages, **more)

    monkeypatch.setattr(job, "read_again", dying)
    for _ in range(2):  # the batch; the mail alone
        with pytest.raises(KeyboardInterrupt):
            run_of().work()
    last = run_of()
    assert last.work() is True and last.counts["skipped"] == 1
    left = [row.id for row in Message.select().where(Message.parser_version == OLDER)]
    assert left == [3]


def test_no_mail_is_passed_over_because_the_database_went_away(root, monkeypatch):
    take_in(root, 3)
    monkeypatch.setattr(job, "BATCH", 1)

    def fail(*_: object, **__: object) -> None:
        raise psycopg.OperationalError("the server ended the session")

    with monkeypatch.context() as patch:
        patch.setattr(job, "read_again", fail)
        for _ in range(2):
            with pytest.raises(psycopg.OperationalError):
                run_of().work()
    last = run_of()
    assert last.work() is True and last.counts["skipped"] == 0
    assert count_outdated(models.db) == (0, 0)


def test_a_failed_run_lets_the_next_one_begin(root, monkeypatch, redis_client):
    take_in(root, 1)
    with monkeypatch.context() as patch:
        patch.setattr(job, "next_outdated", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            reread_messages()
    assert reread_messages() == {"read": 1, "updated": 1}


def test_copies_in_two_maildirs_are_one_message_still(root, tmp_path):
    other = make_maildir(tmp_path / "Other")
    register(other, "other")
    raw = mail("<a@x>", list_id="<one.x>", body="kettle\n")
    import_messages("test", [deliver(root, raw)])
    import_messages("other", [deliver(other, raw.replace(b"<one.x>", b"<two.x>"))])
    Message.update(parser_version=OLDER, body="").execute()
    assert reread_messages() == {"read": 2, "updated": 1}
    message = Message.get()
    assert message.body == "kettle" and message.list_ids == ["one.x", "two.x"]


def test_a_message_that_another_parser_read_in_another_way_is_what_it_reads(root, monkeypatch):
    real = read.parse_message
    with monkeypatch.context() as patch:
        patch.setattr(
            read, "parse_message", lambda raw, **more: replace(real(raw, **more), from_name="list")
        )
        import_messages("test", [deliver(root, mail("<a@x>", sender="Ann <ann@x.org>"))])
    Message.update(parser_version=OLDER).execute()
    reread_messages()
    assert Message.get().from_name == "Ann"


def test_a_work_horse_reads_them_again_within_its_memory(root, redis_client):
    take_in(root, 2)
    row = next(one for one in SCHEDULE if one.id == "reread_messages")
    enqueue_now(row, "reread_messages-1", redis_client)
    Worker([queue(DEFAULT)], connection=redis_client, serializer=JSONSerializer).work(burst=True)
    assert count_outdated(models.db) == (0, 0)
    run = JobRun.get(JobRun.job == "reread_messages")
    assert (run.outcome, run.counts) == ("done", {"read": 2, "updated": 2})
