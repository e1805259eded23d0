"""The graph is the same whatever the order of arrival, and whatever ended a run."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from peewee import PostgresqlDatabase

from jobs.import_messages import import_messages
from jobs.link_quotes import link_quotes, work
from models import Message, Quote, QuoteSought, QuoteWait
from mrilu.archive.withholding import ERASED, withhold
from mrilu.queues.queues import DEFAULT, queue
from mrilu.quotes import seek
from mrilu.quotes.seek import MOST_TRIES, count_waiting, link_some
from tests.factories import deliver, mail

FIRST = "The kettle on the second shelf boils much too fast for green tea."
SECOND = "Whoever owns the blue cup should please wash it before the meeting."
MAILS = {
    "a@x": mail("<a@x>", body=f"{FIRST}\n\n{SECOND}\n", date="Mon, 06 Oct 2025 09:00:00 +0000"),
    "b@x": mail(
        "<b@x>",
        in_reply_to="<a@x>",
        body=f"Ann wrote:\n> {SECOND}\n\nIt is the cup of my late grandmother, so be careful.\n",
        date="Mon, 06 Oct 2025 10:00:00 +0000",
    ),
    "c@x": mail(
        "<c@x>",
        in_reply_to="<b@x>",
        references="<a@x> <b@x>",
        body=f"> > {SECOND}\n> It is the cup of my late grandmother, so be careful.\n\nOh.\n",
        date="Mon, 06 Oct 2025 11:00:00 +0000",
    ),
}
GRAPH = {("b@x", "a@x", 2), ("c@x", "a@x", 2), ("c@x", "b@x", 1)}


@pytest.fixture(autouse=True)
def _no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.link_quotes.time.sleep", lambda seconds: None)


def take_in(root: Path, *names: str) -> None:
    paths = [deliver(root, MAILS[name]) for name in names]
    assert import_messages("test", paths)["imported"] == len(names)


def link_all(db: PostgresqlDatabase) -> None:
    for _ in range(50):
        if link_some(db) is None:
            return
    raise AssertionError("it never ends")


def graph() -> set[tuple[str, str, int]]:
    names = {one.id: one.message_id for one in Message.select()}
    return {(names[one.message], names[one.source], one.passage) for one in Quote.select()}


@pytest.mark.parametrize("order", ["a b c", "c b a", "b c a", "c a b", "b a c"])
@pytest.mark.parametrize("each", [True, False])
def test_the_order_of_arrival_changes_nothing(root, database, redis_client, order, each):
    for name in order.split():
        take_in(root, f"{name}@x")
        if each:
            link_all(database)
    link_all(database)
    assert graph() == GRAPH
    assert count_waiting(database) == 0
    assert {one.unfound for one in QuoteSought.select()} == {0}


def test_a_message_that_joins_two_threads_has_later_ones_look_again(root, database, redis_client):
    """The reply names what the archive never had; a third mail joins it to its source."""
    source = mail("<s@x>", body=f"{FIRST}\n", date="Mon, 06 Oct 2025 09:00:00 +0000")
    reply = mail(
        "<r@x>",
        in_reply_to="<lost@x>",
        body=f"> {FIRST}\n\nNo.\n",
        date="Mon, 06 Oct 2025 10:00:00 +0000",
    )
    joins = mail(
        "<j@x>", references="<s@x> <lost@x>", body="Hm.\n", date="Mon, 06 Oct 2025 09:30:00 +0000"
    )
    for raw in (source, reply):
        import_messages("test", [deliver(root, raw)])
        link_all(database)
    assert graph() == set()
    import_messages("test", [deliver(root, joins)])
    link_all(database)
    assert graph() == {("r@x", "s@x", 1)}


def test_a_bulk_is_looked_at_once_each(root, database, redis_client):
    take_in(root, "a@x", "b@x", "c@x")
    looked = []
    while (counts := link_some(database, 1)) is not None:
        looked.append(counts["messages"])
    assert looked == [1, 1, 1]


def test_after_a_restore_late_sources_are_still_seen(root, database, redis_client):
    take_in(root, "b@x")
    link_all(database)
    QuoteSought.update(seen="900000000:900000000:").execute()  # another server's numbers
    take_in(root, "a@x")
    link_all(database)
    assert ("b@x", "a@x", 2) in graph()


def test_what_is_erased_or_removed_is_linked_no_more(root, database, redis_client):
    take_in(root, "a@x", "b@x", "c@x")
    link_all(database)
    withhold(database, list(Message.select().where(Message.message_id == "b@x")), ERASED, "me", "")
    link_all(database)
    assert graph() == {("c@x", "a@x", 2)}
    Message.delete().where(Message.message_id == "a@x").execute()
    assert graph() == set() and count_waiting(database) == 0


def test_a_text_that_changed_is_looked_at_again_and_so_is_what_quotes_it(
    root, database, redis_client
):
    take_in(root, "a@x", "b@x")
    link_all(database)
    body = f"A new beginning of it.\n\n{FIRST}\n\n{SECOND}\n"
    changed = Message.update(
        body=body, own_spans=[0, len(body) - 1], text_state="00000000-0000-0000-0000-000000000001"
    )
    assert changed.where(Message.message_id == "a@x").execute() == 1
    link_all(database)
    assert graph() == {("b@x", "a@x", 3)}


def test_a_run_that_is_killed_leaves_all_of_a_batch_or_nothing(
    root, database, redis_client, monkeypatch
):
    take_in(root, "a@x", "b@x", "c@x")

    class Killed(BaseException):
        pass

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(seek, "_let_look_again", die)
        with pytest.raises(Killed):
            link_some(database)
    assert graph() == set() and QuoteWait.select().count() == 3
    link_all(database)
    assert graph() == GRAPH


def test_a_message_that_ends_each_process_holds_nothing_else_up(
    root, database, redis_client, monkeypatch
):
    take_in(root, "a@x", "b@x", "c@x")
    poison = Message.get(Message.message_id == "a@x").id
    found = seek._found

    def die(runs, row, sources):
        if row.id == poison:
            raise MemoryError
        return found(runs, row, sources)

    monkeypatch.setattr(seek, "_found", die)
    for _ in range(10):
        try:
            if link_some(database) is None:
                break
        except MemoryError:
            pass
    assert graph() == GRAPH
    assert [(one.message, one.tries) for one in QuoteWait.select()] == [(poison, MOST_TRIES)]


def test_an_import_that_holds_a_row_is_given_way(root, database, redis_client, migrated):
    take_in(root, "a@x", "b@x")
    with psycopg.connect(migrated) as other:
        other.execute("SELECT pg_advisory_xact_lock(%s)", (seek.QUOTES_LOCK,))
        assert link_some(database) == {"busy": 1}
    link_all(database)
    assert ("b@x", "a@x", 2) in graph()


def test_the_job_is_asked_for_by_an_import_once_and_rests_while_mail_waits(
    root, database, redis_client
):
    take_in(root, "a@x")
    take_in(root, "b@x")
    waiting = [job.func_name for job in queue(DEFAULT).jobs]
    assert waiting.count("jobs.link_quotes.link_quotes") == 1
    assert link_quotes() == {"messages": 2, "links": 1}
    assert link_quotes() == {}
    take_in(root, "c@x")
    ticks = iter(range(100))
    counts, complete = work(database, lambda: 1, clock=lambda: next(ticks), rest=lambda _: None)
    assert not complete and set(counts) == {"waited"}
