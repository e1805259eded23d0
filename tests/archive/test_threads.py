from __future__ import annotations

import itertools
import random
import shutil
from datetime import datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.import_messages import import_messages
from models import Location, Maildir, Message, Thread, ThreadLink
from mrilu.runtime.database import database as process_database
from tests.factories import deliver, mail, make_maildir, register

START = datetime.fromisoformat("2025-10-06T09:00:00+00:00")


@pytest.fixture
def root(tmp_path: Path, database) -> Path:
    made = make_maildir(tmp_path / "Maildir")
    register(made)
    return made


def at(day: float) -> str:
    return format_datetime(START + timedelta(days=day))


def take_in(root: Path, *mails: bytes) -> None:
    """Deliver and import the mails one after another, each in a batch of its own."""
    for raw in mails:
        import_messages("test", [deliver(root, raw)])


def threads() -> list[list[str]]:
    """Return the Message-IDs of each thread, both sorted."""
    found: dict[int, list[str]] = {}
    for message in Message.select().order_by(Message.message_id):
        found.setdefault(message.thread_id(), []).append(message.message_id)
    return sorted(found.values())


def test_a_reply_joins_its_parent(root):
    take_in(root, mail("<a@x>"), mail("<b@x>", in_reply_to="<a@x>"), mail("<c@x>"))
    assert threads() == [["a@x", "b@x"], ["c@x"]]


def test_a_late_parent_joins_its_children(root):
    take_in(
        root, mail("<b@x>", in_reply_to="<a@x>"), mail("<c@x>", references="<a@x>"), mail("<a@x>")
    )
    assert threads() == [["a@x", "b@x", "c@x"]]


def test_siblings_of_a_parent_that_never_came_are_one_thread(root):
    take_in(root, mail("<b@x>", references="<ghost@x>"), mail("<c@x>", references="<ghost@x>"))
    assert threads() == [["b@x", "c@x"]]


def test_a_late_message_merges_two_threads_and_the_old_one_leads_on(root):
    take_in(root, mail("<a@x>"), mail("<b@x>"))
    first, second = (Message.get(Message.message_id == name).thread_id() for name in ("a@x", "b@x"))
    take_in(root, mail("<c@x>", references="<a@x> <b@x>"))
    assert threads() == [["a@x", "b@x", "c@x"]]
    survivor = Message.get(Message.message_id == "c@x").thread_id()
    assert survivor == min(first, second)
    assert Thread.get_by_id(max(first, second)).merged_into == survivor


def test_references_in_a_loop_are_one_thread(root):
    take_in(root, mail("<a@x>", references="<b@x>"), mail("<b@x>", references="<a@x>"))
    take_in(root, mail("<self@x>", references="<self@x>"))
    assert threads() == [["a@x", "b@x"], ["self@x"]]


def test_a_reply_without_references_joins_by_subject_in_its_list(root):
    list_id = "<one.x>"
    take_in(
        root,
        mail("<a@x>", subject="[one] hello there", list_id=list_id, date=at(0)),
        mail("<b@x>", subject="Re: [one] Hello  there", list_id=list_id, date=at(1)),
        mail("<c@x>", subject="Re: hello there", list_id="<two.x>", date=at(1)),
        mail("<d@x>", subject="hello there", list_id=list_id, date=at(2)),
    )
    assert threads() == [["a@x", "b@x"], ["c@x"], ["d@x"]]


def test_a_reply_without_references_joins_its_list_by_folder_where_no_header_names_it(root):
    make_maildir(root, ".one", ".two")
    for path, raw in (
        (".one/new/1.a", mail("<a@x>", subject="hello", date=at(0))),
        (".one/new/1.b", mail("<b@x>", subject="Re: hello", date=at(1))),
        (".two/new/1.c", mail("<c@x>", subject="Re: hello", date=at(1))),
    ):
        import_messages("test", [deliver(root, raw, path)])
    assert threads() == [["a@x", "b@x"], ["c@x"]]


def test_a_nearer_message_of_the_subject_takes_the_orphan_with_it(root):
    reply = mail("<c@x>", subject="Re: report", list_id="<one.x>", date=at(8))
    early = mail("<a@x>", subject="report", list_id="<one.x>", date=at(0))
    near = mail("<b@x>", subject="report", list_id="<one.x>", date=at(7))
    answer = mail("<d@x>", subject="Re: report", references="<c@x>", date=at(9))
    take_in(root, reply, answer, early)
    assert threads() == [["a@x", "c@x", "d@x"]]
    take_in(root, near)
    assert threads() == [["a@x"], ["b@x", "c@x", "d@x"]]


def test_an_empty_subject_joins_nothing(root):
    take_in(
        root,
        mail("<a@x>", subject="Re:", list_id="<one.x>"),
        mail("<b@x>", subject="Re: ", list_id="<one.x>"),
    )
    assert threads() == [["a@x"], ["b@x"]]


def test_a_copy_that_names_the_parent_brings_the_message_into_its_thread(root):
    lone = mail("<b@x>", subject="Re: hello", list_id="<one.x>", date=at(1))
    named = mail("<b@x>", subject="Re: hello", list_id="<two.x>", date=at(1), references="<a@x>")
    for order in ((lone, named), (named, lone)):
        process_database().execute_sql("TRUNCATE message, thread, thread_link, location CASCADE")
        take_in(root, mail("<a@x>", subject="other"), *order)
        assert threads() == [["a@x", "b@x"]]


def test_every_message_has_exactly_one_thread(root):
    take_in(root, mail("<a@x>"), mail("<b@x>", references="<ghost@x> <a@x>"))
    assert ThreadLink.select().count() == 3
    assert Thread.select().count() == 1


SUBJECTS = ("hello", "Re: hello", "report", "Re: report", "Re: Fwd: report")


@st.composite
def archives(draw: st.DrawFn) -> list[bytes]:
    """Return mails of two lists that refer to one another, and to ghosts, in any way."""
    names = [f"<{letter}@x>" for letter in "abcdefgh"]
    mails = []
    for number in range(draw(st.integers(2, 10))):
        references = (
            draw(st.lists(st.sampled_from(names), max_size=2)) if draw(st.booleans()) else []
        )
        name, date = draw(st.sampled_from(names)), at(draw(st.integers(0, 20)))
        # A copy has the same id, author and date; all else may differ, as lists tag subjects and drop fields.
        for _ in range(draw(st.sampled_from((1, 1, 1, 2)))):
            field = draw(st.sampled_from(("references", "in_reply_to")))
            mails.append(
                mail(
                    name,
                    subject=draw(st.sampled_from(SUBJECTS)),
                    list_id=draw(st.sampled_from(("<one.x>", "<two.x>"))),
                    date=date,
                    body=f"{number}\n",
                    **{field: " ".join(references)},
                )
            )
    return mails


def arrive(folder: Path, mails: list[bytes], order: list[int], batch: int) -> list[list[str]]:
    process_database().execute_sql(
        "TRUNCATE message, thread, thread_link, location, maildir CASCADE"
    )
    shutil.rmtree(folder, ignore_errors=True)
    root = make_maildir(folder)
    register(root)
    paths = [deliver(root, mails[number], f"new/{number}.a") for number in order]
    for start in range(0, len(paths), batch):
        import_messages("test", paths[start : start + batch])
    return threads()


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(mails=archives(), data=st.data())
def test_threads_do_not_depend_on_the_order_of_arrival(tmp_path, database, mails, data):
    in_order = arrive(tmp_path / "m", mails, list(range(len(mails))), 100)
    order = data.draw(st.permutations(range(len(mails))))
    assert arrive(tmp_path / "m", mails, order, data.draw(st.integers(1, 4))) == in_order


def test_the_corpus_gives_the_same_threads_in_any_order(lists_corpus, database):
    """A tenth of the corpus, whole lists, so that threads are whole: forwards, and shuffled in small batches."""
    paths = [
        str(path.relative_to(lists_corpus))
        for name in (".r-sig-epi", ".r-ug-ottawa", ".r-sig-gui")
        for path in sorted((lists_corpus / name / "cur").iterdir())
    ]
    register(lists_corpus)
    found = []
    for seed in (0, 1):
        process_database().execute_sql(
            "TRUNCATE message, thread, thread_link, location, job_run CASCADE"
        )
        if seed:
            random.Random(seed).shuffle(paths)
        for start in range(0, len(paths), 150):
            import_messages("test", paths[start : start + 150])
        found.append(sorted(map(sorted, partition())))
    assert found[0] == found[1]
    assert len(found[0]) < 0.6 * len(paths)


def partition() -> list[list[str]]:
    rows = process_database().execute_sql(
        "SELECT array_agg(m.identity::text) FROM message AS m JOIN thread_link USING (node) GROUP BY thread"
    )
    return [row[0] for row in rows]


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))), ids=str)
def test_a_cross_post_between_two_maildirs_is_one_thread_however_it_comes(root, tmp_path, order):
    """Each list's copy names another parent, and each list has a reply of its own."""
    other = make_maildir(tmp_path / "other")
    register(other, "other")
    files = [
        ("test", root, mail("<post@x>", subject="coi", list_id="<one.x>", in_reply_to="<first@x>")),
        (
            "other",
            other,
            mail("<post@x>", subject="coi", list_id="<two.x>", in_reply_to="<second@x>"),
        ),
        (
            "test",
            root,
            mail("<reply-one@x>", subject="Re: coi", list_id="<one.x>", references="<first@x>"),
        ),
        (
            "other",
            other,
            mail("<reply-two@x>", subject="Re: coi", list_id="<two.x>", references="<second@x>"),
        ),
    ]
    for number in order:
        name, where, raw = files[number]
        import_messages(name, [deliver(where, raw)])
    assert threads() == [["post@x", "reply-one@x", "reply-two@x"]]
    assert Message.get(Message.message_id == "post@x").list_ids == ["one.x", "two.x"]
    assert sorted(row.copy for row in Location.select()) == [False, False, False, True]


def test_a_cross_post_that_leaves_one_maildir_keeps_its_thread(root, tmp_path):
    other = make_maildir(tmp_path / "other")
    register(other, "other")
    raw = mail("<post@x>", list_id="<one.x>")
    path = deliver(root, raw)
    import_messages("test", [path])
    import_messages("other", [deliver(other, raw)])
    import_messages("other", [deliver(other, mail("<reply@x>", in_reply_to="<post@x>"))])
    (root / path).unlink()
    import_messages("test", [path])
    assert threads() == [["post@x", "reply@x"]]
    counts = [Maildir.get(Maildir.name == name).file_counts() for name in ("test", "other")]
    assert [tuple(one) for one in counts] == [(0, 0, 0), (2, 0, 0)]
