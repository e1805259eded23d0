"""The versions of threads and months change with what their pages show, whoever changes it, and with nothing else."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest

import models
from jobs.import_messages import import_messages
from models import OPERATOR, Message, PostingCount, Quote, ThreadLink, ThreadVersion
from mrilu.archive.removal import remove_gone_messages
from mrilu.archive.withholding import HIDDEN, show_again, withhold
from mrilu.mail.permalinks import hash_of
from mrilu.mail.thread_keys import node_of
from mrilu.service.postgres import Cluster
from mrilu.settings.current import current_settings
from mrilu.web.queries.versions import of_list, of_messages, of_month, of_thread
from tests.factories import deliver, mail, make_maildir

LIST = "tea.x"
MAY, JUNE = datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 6, 1, tzinfo=UTC)


@pytest.fixture
def root(root: Path) -> Path:
    return make_maildir(root)


def take_in(root: Path, name: str, month: str = "May", **facts: str) -> str:
    """Import a mail of the list; return its file's path."""
    date = f"Thu, 2 {month} 2024 10:00:00 +0000"
    path = deliver(root, mail(name, **({"list_id": f"<{LIST}>", "date": date} | facts)))
    import_messages("test", [path])
    return path


def thread_of(name: str) -> int:
    return ThreadLink.get_by_id(node_of(name.strip("<>"))).thread


def state(name: str) -> tuple[str, ...]:
    """Return the versions of a message's thread, of both months and of the list."""
    db = models.db
    months = (of_month(db, LIST, one).version for one in (MAY, JUNE))
    return of_thread(db, thread_of(name)), *months, of_list(db, LIST).version


def changed(before: tuple[str, ...], name: str) -> str:
    """Return which versions are others now: t(hread), M(ay), J(une), l(ist)."""
    pairs = zip("tMJl", before, state(name), strict=True)
    return "".join(sign for sign, former, now in pairs if former != now)


def test_a_mail_changes_its_own_thread_month_and_list_alone(root: Path) -> None:
    take_in(root, "<one@x>")
    take_in(root, "<other@x>", month="Jun", subject="milk")
    one, other = state("<one@x>"), state("<other@x>")
    take_in(root, "<two@x>", in_reply_to="<one@x>")
    assert changed(one, "<one@x>") == "tMl" and changed(other, "<other@x>") == "Ml"
    assert of_thread(models.db, 10**9) == ""


def test_a_version_is_asked_for_with_a_prepared_statement_at_once(root: Path) -> None:
    take_in(root, "<one@x>")
    with psycopg.connect(str(current_settings().database_url), autocommit=True) as link:
        db = SimpleNamespace(connection=lambda: link)
        of_messages(db, hash_of("one@x"), OPERATOR)
        of_thread(db, thread_of("<one@x>"))
        prepared = link.execute("SELECT statement FROM pg_prepared_statements").fetchall()
    told = " ".join(row[0] for row in prepared)
    assert "m.permalink = " in told and "FROM thread_version" in told


def test_a_message_that_was_only_named_changes_the_thread(root: Path) -> None:
    take_in(root, "<two@x>", in_reply_to="<one@x>")
    before = state("<two@x>")
    take_in(root, "<one@x>", month="Jun")
    assert changed(before, "<two@x>") == "tJl"


def test_threads_that_become_one_change_the_months_of_what_moved(root: Path) -> None:
    take_in(root, "<one@x>", subject="tea")
    take_in(root, "<three@x>", month="Jun", subject="milk")
    one, three = state("<one@x>"), state("<three@x>")
    take_in(root, "<both@x>", subject="x", references="<one@x> <three@x>", list_id="<else.x>")
    assert thread_of("<one@x>") == thread_of("<three@x>")
    assert {changed(one, "<one@x>"), changed(three, "<three@x>")} <= {"tMl", "tJl", "tMJl"}
    assert "t" in changed(one, "<one@x>") and "t" in changed(three, "<three@x>")


def test_what_an_operator_withholds_and_shows_again_changes_both(root: Path) -> None:
    take_in(root, "<one@x>")
    before, messages = state("<one@x>"), list(Message.select())
    withhold(models.db, messages, HIDDEN, "me", "asked")
    hidden = state("<one@x>")
    assert changed(before, "<one@x>") == "tMl"
    show_again(models.db, messages)
    assert changed(hidden, "<one@x>") == "tMl" and changed(before, "<one@x>") == "tMl"


def test_a_file_that_is_read_again_changes_both(root: Path) -> None:
    path = take_in(root, "<one@x>")
    before = state("<one@x>")
    date = "Thu, 2 May 2024 10:00:00 +0000"
    (root / path).write_bytes(mail("<one@x>", list_id=f"<{LIST}>", date=date, body="more\n"))
    os.utime(root / path, (2_000_000_000, 2_000_000_000))
    import_messages("test", [path])
    assert changed(before, "<one@x>") == "tMl"


def test_a_message_that_goes_changes_both(root: Path) -> None:
    take_in(root, "<one@x>")
    path = take_in(root, "<two@x>", in_reply_to="<one@x>")
    before = state("<one@x>")
    (root / path).unlink()
    import_messages("test", [path])
    assert remove_gone_messages(models.db, grace=0) == 1
    assert changed(before, "<one@x>") == "tMl"


def test_a_link_of_the_quote_graph_changes_the_thread_alone(root: Path) -> None:
    take_in(root, "<one@x>")
    number, before = Message.get().id, state("<one@x>")
    facts = dict.fromkeys(
        ("start", "stop", "source_start", "source_stop", "passage", "last_passage"), 0
    )
    Quote.insert(message=number, source=number, whole=False, answered=True, **facts).execute()
    linked = state("<one@x>")
    assert changed(before, "<one@x>") == "t"
    Quote.update(whole=True).execute()
    other = state("<one@x>")
    assert changed(linked, "<one@x>") == "t"
    Quote.delete().execute()
    assert changed(other, "<one@x>") == "t"


def test_a_thread_that_only_came_takes_no_row(root: Path) -> None:
    take_in(root, "<one@x>")
    assert ThreadVersion.select().count() == 0
    for number in range(3):
        take_in(root, f"<{number}@x>", in_reply_to="<one@x>")
    assert ThreadVersion.select().count() == 1


def test_who_changes_a_thread_waits_for_no_other(root: Path, cluster: Cluster) -> None:
    take_in(root, "<one@x>")
    change = "UPDATE message SET subject = subject || %s"
    models.db.execute_sql(change, ("",))
    before = state("<one@x>")
    touch = "SELECT touch_threads(ARRAY[%s]), touch_months(ARRAY(SELECT list FROM posting), ARRAY['2024-05-01'::date])"
    with psycopg.connect(cluster.url) as one, psycopg.connect(cluster.url) as other:
        one.execute(change, ("!",))
        other.execute("SET lock_timeout = '1s'")
        other.execute(touch, (thread_of("<one@x>"),))
        assert changed(before, "<one@x>") == ""
        other.commit()
        assert changed(before, "<one@x>") == "tMl"
        between = state("<one@x>")
        one.commit()
        assert changed(between, "<one@x>") == "tMl"
    assert of_month(models.db, LIST, MAY).messages == 1 and PostingCount.select().count() == 2


def test_a_month_knows_those_before_and_behind_it(root: Path) -> None:
    for number, month in enumerate(("Mar", "May", "Aug")):
        take_in(root, f"<{number}@x>", month=month)
    PostingCount.update(messages=0).where(PostingCount.month == "2024-08-01").execute()
    assert of_month(models.db, LIST, MAY)[2:] == ("2024-03", "")
    assert of_month(models.db, LIST, JUNE)[::2] == (0, "2024-05")
    assert of_list(models.db, LIST).months == [("2024-03", 1), ("2024-05", 1)]
