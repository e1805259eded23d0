"""Strangers write mail that is meant to join, grow or slow down other people's threads."""

from __future__ import annotations

from datetime import datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from peewee import PostgresqlDatabase

from jobs.import_messages import import_messages
from models import Message, SubjectEntry, Thread, ThreadEdge, ThreadLink
from mrilu.archive.removal import remove_gone_messages
from mrilu.archive.sql import MOST_LISTS
from mrilu.archive.thread_parts import AGES
from mrilu.mail.thread_keys import MAX_NAMED
from tests.archive.test_threads import archives, arrive, threads
from tests.factories import deliver, mail

START = datetime.fromisoformat("2025-10-06T09:00:00+00:00")
WORK = """
SELECT (SELECT sum(coalesce(seq_tup_read, 0) + n_tup_ins + n_tup_upd + n_tup_del)
          FROM pg_stat_user_tables WHERE relname = ANY(%(tables)s))
     + (SELECT sum(coalesce(idx_tup_read, 0)) FROM pg_stat_user_indexes WHERE relname = ANY(%(tables)s))
"""
TABLES = ["thread", "thread_link", "thread_edge", "subject_entry"]


def at(minute: float) -> str:
    return format_datetime(START + timedelta(minutes=minute))


def take_in(root: Path, *mails: bytes) -> list[str]:
    """Deliver and import the mails in one batch."""
    paths = [deliver(root, raw) for raw in mails]
    import_messages("test", paths)
    return paths


def withdraw(root: Path, database: PostgresqlDatabase, *paths: str) -> None:
    """Delete the files, and with them what GONE_FILES=remove takes out of the archive."""
    for path in paths:
        (root / path).unlink()
    import_messages("test", list(paths))
    remove_gone_messages(database, grace=0)


def named(count: int, start: int = 0) -> str:
    return " ".join(f"<{number}@x>" for number in range(start, start + count))


@pytest.mark.parametrize("field", ["references", "in_reply_to"])
def test_a_mail_that_names_hundreds_joins_a_few_threads(root, field):
    take_in(root, *(mail(f"<{number}@x>", subject=str(number)) for number in range(300)))
    take_in(root, mail("<vandal@x>", **{field: named(300)}))
    assert len(threads()) >= 300 - MAX_NAMED


def test_both_fields_together_join_a_few_threads(root):
    take_in(root, *(mail(f"<{number}@x>", subject=str(number)) for number in range(300)))
    vandal = mail("<vandal@x>", references=named(150), in_reply_to=named(150, 150))
    take_in(root, vandal)
    assert len(threads()) >= 300 - MAX_NAMED


def test_what_a_vandal_joined_comes_apart_with_its_mail_and_each_thread_has_its_number_again(
    root, database
):
    take_in(root, *(mail(f"<{number}@x>", subject=str(number)) for number in range(5)))
    before = {row.message_id: row.thread_id() for row in Message.select()}
    paths = take_in(root, mail("<vandal@x>", references=named(5)))
    assert len(threads()) == 1
    take_in(root, mail("<reply@x>", in_reply_to="<3@x>"))
    withdraw(root, database, *paths)
    after = {row.message_id: row.thread_id() for row in Message.select()}
    assert after.pop("reply@x") == after["3@x"]
    assert after == before
    assert Thread.select().where(Thread.merged_into.is_null(False)).count() == 0
    assert ThreadLink.select().count() == 6


def test_replies_to_a_withdrawn_mail_keep_together(root, database):
    paths = take_in(root, mail("<a@x>"))
    take_in(root, mail("<b@x>", in_reply_to="<a@x>"), mail("<c@x>", in_reply_to="<a@x>"))
    withdraw(root, database, *paths)
    assert threads() == [["b@x", "c@x"]]


def test_orphans_find_the_next_predecessor_when_theirs_is_withdrawn(root, database):
    facts = {"list_id": "<one.x>"}
    take_in(root, mail("<a@x>", subject="report", date=at(0), **facts))
    paths = take_in(root, mail("<b@x>", subject="report", date=at(1), **facts))
    take_in(root, mail("<c@x>", subject="Re: report", date=at(2), **facts))
    assert threads() == [["a@x"], ["b@x", "c@x"]]
    withdraw(root, database, *paths)
    assert threads() == [["a@x", "c@x"]]


def test_forged_copies_add_a_bounded_number_of_names_and_lists(root):
    take_in(root, mail("<victim@x>", list_id="<real.x>"))
    for number in range(2 * MOST_LISTS):
        lists = {"list_id": f"<{number:03}.x>"}
        take_in(root, mail("<victim@x>", references=named(50, 50 * number), **lists))
    row = Message.get(Message.message_id == "victim@x")
    assert ThreadEdge.select().where(ThreadEdge.message == row.id).count() <= 2 * MAX_NAMED
    assert len(row.list_ids) == MOST_LISTS and "real.x" in row.list_ids
    assert row.reference_ids == []
    assert SubjectEntry.select().where(SubjectEntry.message == row.id).count() <= MOST_LISTS


def test_what_a_forged_copy_joined_comes_apart_with_it(root, database):
    take_in(root, mail("<a@x>"), mail("<victim@x>", subject="Re: tea", list_id="<one.x>"))
    forged = mail("<victim@x>", subject="Re: tea", list_id="<two.x>", references="<a@x>")
    paths = take_in(root, forged)
    assert threads() == [["a@x", "victim@x"]]
    withdraw(root, database, *paths)
    assert threads() == [["a@x"], ["victim@x"]]
    assert Message.get(Message.message_id == "victim@x").list_ids == ["one.x"]
    victim = Message.get(Message.message_id == "victim@x")
    assert [
        one.orphan for one in SubjectEntry.select().where(SubjectEntry.message == victim.id)
    ] == [True]


@pytest.mark.parametrize("other", [mail("<b@x>", subject="b"), b"no mail at all"])
def test_what_a_copy_joined_comes_apart_when_its_file_holds_something_else(root, other):
    take_in(root, mail("<a@x>", subject="a"), mail("<victim@x>"))
    (path,) = take_in(root, mail("<victim@x>", references="<a@x>"))
    assert ["a@x", "victim@x"] in threads()
    (root / path).write_bytes(other)
    import_messages("test", [path])
    assert ["a@x"] in threads() and ["victim@x"] in threads()


def work(database: PostgresqlDatabase) -> int:
    """Return how many rows of the threads' tables have been read or written."""
    database.execute_sql("SELECT pg_stat_force_next_flush()")
    return int(database.execute_sql(WORK, {"tables": TABLES}).fetchone()[0])


def cost(root: Path, database: PostgresqlDatabase, raw: bytes) -> int:
    before = work(database)
    take_in(root, raw)
    return work(database) - before


def orphan(number: float, name: str = "") -> bytes:
    facts = {"subject": "Re: tea", "list_id": "<one.x>", "date": at(number)}
    return mail(f"<{name or number}@x>", **facts)


def replies(count: int) -> list[bytes]:
    return [mail(f"<{number}@x>", references="<root@x>") for number in range(count)]


KINDS = {
    "a reply": (replies, lambda count: mail("<new@x>", in_reply_to=f"<{count // 2}@x>")),
    "a thread joins it": (
        lambda count: [*replies(count), mail("<other@x>", subject="x")],
        lambda count: mail("<new@x>", references="<other@x> <root@x>"),
    ),
    "an orphan at its end": (
        lambda count: [orphan(number) for number in range(count)],
        lambda count: orphan(count),
    ),
    "an orphan in its middle": (
        lambda count: [orphan(number) for number in range(count)],
        lambda count: orphan(count // 2 + 0.5),
    ),
    "an orphan before it": (
        lambda count: [orphan(number) for number in range(count)],
        lambda count: orphan(-1),
    ),
    "a new start near its end": (
        lambda count: [orphan(number) for number in range(count)],
        lambda count: mail("<new@x>", subject="tea", list_id="<one.x>", date=at(count - 1.5)),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_mail_costs_the_same_in_a_small_thread_and_in_a_large_one(root, database, kind):
    fill, further = KINDS[kind]
    costs = []
    # Tables as small as these are read whole, large ones are not: where there is an index, it counts.
    database.execute_sql("SET enable_seqscan = off")
    for count in (50, 800):
        database.execute_sql("TRUNCATE message, thread, thread_link, location CASCADE")
        take_in(root, *fill(count))
        database.execute_sql("ANALYZE message, thread, thread_link, thread_edge, subject_entry")
        costs.append(cost(root, database, further(count)))
    assert costs[1] < costs[0] + 100


def test_the_ages_of_a_threads_parts_are_found_without_a_walk_through_the_archive(root, database):
    take_in(root, *(mail(f"<{number}@x>") for number in range(500)))
    nodes = [row.node for row in Message.select().order_by(Message.id.desc()).limit(5)]
    # Statistics that are old, as after a large import, say that each node is on many rows.
    database.execute_sql("ALTER TABLE message ALTER node SET (n_distinct = 20)")
    database.execute_sql("ANALYZE message, thread_link")
    database.execute_sql("ALTER TABLE message ALTER node RESET (n_distinct)")
    database.execute_sql("SET enable_seqscan = off")
    plan = database.execute_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {AGES}", (nodes,)).fetchone()[0]
    assert "message_node" in str(plan) and "message_pkey" not in str(plan)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(mails=archives(), data=st.data())
def test_threads_without_a_withdrawn_mail_are_those_that_it_never_was_in(
    tmp_path, database, mails, data
):
    """Any mail or copy may be withdrawn, but for the first file of a message that has others: its text stays."""
    seen: dict[bytes, int] = {}
    firsts = [seen.setdefault(_key(raw), number) for number, raw in enumerate(mails)]
    single = [number for number in range(len(mails)) if firsts.count(firsts[number]) == 1]
    if not single:
        return
    gone = data.draw(st.lists(st.sampled_from(single), min_size=1, max_size=3, unique=True))
    left = [number for number in range(len(mails)) if number not in gone]
    expected = arrive(tmp_path / "m", mails, left, 100)
    arrive(tmp_path / "m", mails, list(range(len(mails))), data.draw(st.integers(1, 4)))
    withdraw(tmp_path / "m", database, *(f"new/{number}.a" for number in gone))
    assert threads() == expected


def _key(raw: bytes) -> bytes:
    """What makes two files of `archives` one message."""
    head = raw.partition(b"\n\n")[0].split(b"\n")
    return b"\n".join(line for line in head if line.startswith((b"Message-ID", b"Date")))
