"""A file that is read again brings its message to what it says now, whatever the reason."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

import psycopg
import pytest

import models
from jobs.import_messages import import_messages
from models import Location, Maildir, Message, Notification, ThreadLink
from mrilu.archive import read
from mrilu.archive.ledger import balance, difference
from mrilu.archive.lock import LOCK
from mrilu.archive.plan import known_files, look_at
from mrilu.archive.read import read_mails
from mrilu.archive.store import Stored, store_mails
from mrilu.mail.headers.identifiers import identity_of
from mrilu.mail.message import Limits, ParsedMessage
from mrilu.maildir.names import parse_path
from mrilu.notifications import subscriptions
from mrilu.notifications.events import NewsRules
from tests.factories import deliver, mail, make_maildir

DIRECT = "Ann <ann@example.org>"
THROUGH_THE_LIST = "Ann via Tea <tea@lists.example.org>"


@pytest.fixture
def root(root: Path) -> Path:
    return make_maildir(root, ".lists", ".other")


def take_in(root: Path, *mails: bytes) -> list[str]:
    paths = [deliver(root, raw) for raw in mails]
    for path in paths:
        import_messages("test", [path])
    return paths


def write(root: Path, path: str, raw: bytes) -> dict[str, int]:
    """Write the file anew where it lies, as a slow writer does, and import it."""
    (root / path).write_bytes(raw)
    os.utime(root / path, (2_000_000_000, 2_000_000_000))
    return import_messages("test", [path])


def read_again(root: Path, *paths: str) -> Stored:
    """Read files again that no one has written since, as for a newer parser."""
    maildir = Maildir.get(Maildir.name == "test")
    connection = models.db.connection()
    known = {
        path: known_files(connection, maildir.id, [parse_path(path)] if parse_path(path) else [])
        for path in paths
    }
    files = [found for path in paths if (found := look_at(root, path, known[path]))]
    mails, rejections, vanished = read_mails(root, files, Limits())
    assert not rejections and not vanished
    return store_mails(models.db, maildir.id, mails, NewsRules(30, "", ""))


@pytest.fixture
def reading(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let the parser read mail in another way: a function of what it reads now, or None for that."""
    real = read.parse_message

    def choose(change: Callable[[ParsedMessage], ParsedMessage] | None) -> None:
        def parse(raw: bytes, **more: object) -> ParsedMessage:
            found = real(raw, **more)
            return change(found) if change else found

        monkeypatch.setattr(read, "parse_message", parse)

    return choose


def as_the_list(message: ParsedMessage) -> ParsedMessage:
    """Read the list as the author, as an older parser did."""
    if message.list_id is None:
        return message
    address = "tea@lists.example.org"
    identity = identity_of(message.message_id, address, message.sent_at.isoformat())
    return replace(message, from_address=address, identity=identity)


def level() -> None:
    found = balance(models.db, Maildir.get(Maildir.name == "test"), set())
    assert found.level and found.gap == 0


def hits(query: str) -> int:
    found = "SELECT count(*) FROM message WHERE search @@ websearch_to_tsquery('mrilu', %s)"
    return models.db.execute_sql(found, (query,)).fetchone()[0]


def today() -> str:
    return format_datetime(datetime.now(UTC))


def search_for(query: str, address: str) -> None:
    target = subscriptions.target_for_query(models.db.connection(), query)
    assert subscriptions.subscribe(models.db, address, target)


def test_a_file_that_was_met_half_written_has_its_whole_text_in_the_end(root):
    whole = mail("<a@x>", subject="tea", body="kettle\n" + "leaf\n" * 50 + "cup\n")
    (path,) = take_in(root, whole[: len(whole) // 2])
    before = Message.get()
    assert write(root, path, whole) == {"known": 1, "updated": 1}
    after = Message.get()
    assert after.id == before.id and after.body.endswith("cup") and hits("cup") == 1
    assert after.text_state not in (None, before.identity)
    level()


def test_an_attachment_that_was_cut_has_its_own_hash_afterwards(root):
    more = 'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="b"\n'
    body = "--b\n\nhello\n--b\nContent-Type: application/pdf; name=a.pdf\n\nline\nline\n--b--\n"
    whole = mail("<a@x>", more=more, body=body)
    (path,) = take_in(root, whole[:-12])
    cut = Message.get().parts["parts"][1]
    write(root, path, whole)
    assert Message.get().parts["parts"][1]["sha256"] != cut["sha256"]
    assert Location.get().size == len(whole)


@pytest.mark.parametrize("cut", range(40, 330, 17))
def test_a_cut_in_the_header_leaves_one_message_with_the_same_row(root, cut):
    whole = mail(
        "<long-name-of-a-mail@lists.example.org>",
        references="<first@x> <second@x>",
        list_id="Tea <tea.lists.example.org>",
        body="kettle\n" * 20,
    )
    (path,) = take_in(root, whole[:cut])
    known = [row.id for row in Message.select()]
    write(root, path, whole)
    assert [row.id for row in Message.select()] == (known or [1])
    message = Message.get()
    assert message.message_id == "long-name-of-a-mail@lists.example.org"
    assert message.list_ids == ["tea.lists.example.org"]
    assert message.reference_ids == ["first@x", "second@x"]
    assert message.thread_id()
    level()


def test_references_that_were_cut_join_no_stranger(root):
    take_in(root, mail("<first@x>"), mail("<fir>", subject="other"))
    whole = mail("<c@x>", references="<first@x>")
    (path,) = take_in(root, whole.replace(b"<first@x>", b"<fir>"))
    strange, own = Message.get(Message.message_id == "fir"), Message.get(Message.node != 0)
    write(root, path, whole)
    child = Message.get(Message.message_id == "c@x")
    assert child.thread_id() == own.thread_id() != strange.thread_id()


def test_another_mail_in_the_same_file_is_another_message(root):
    (path,) = take_in(root, mail("<a@x>", body="short\n"))
    write(root, path, mail("<b@x>", body="another, longer text\n"))
    assert sorted(row.message_id for row in Message.select()) == ["a@x", "b@x"]
    assert Message.get_by_id(Location.get().message).message_id == "b@x"
    level()


def test_the_first_file_gives_the_message_its_text_and_a_copy_does_not(root):
    first = mail("<a@x>", list_id="<one.x>", body="kettle\n")
    copy = mail("<a@x>", list_id="<two.x>", body="kettle\nfooter\n")
    _, path = take_in(root, first, copy)
    assert write(root, path, copy.replace(b"<two.x>", b"<three.x>") + b"more\n") == {
        "known": 1,
        "updated": 1,
    }
    message = Message.get()
    assert message.body == "kettle" and message.list_ids == ["one.x", "three.x"]


def test_nothing_is_written_where_nothing_changed(root):
    (path,) = take_in(root, mail("<a@x>"))
    assert read_again(root, path).counts == {"known": 1}
    assert Message.get().text_state is None


def test_a_text_that_is_read_in_another_way_is_embedded_again_and_only_that(root, reading):
    paths = take_in(root, mail("<a@x>", body="kettle\n"), mail("<b@x>", body="cup\n"))
    reading(
        lambda one: (
            replace(one, own_spans=[], signed=True)
            if one.message_id == "a@x"
            else replace(one, signed=True)
        )
    )
    assert read_again(root, *paths).counts == {"known": 2, "updated": 2}
    first, second = Message.select().order_by(Message.id)
    assert first.signed and second.signed
    assert first.text_state != first.identity and second.text_state == second.identity
    assert hits("kettle") == 0 and hits("cup") == 1


def test_an_author_that_is_read_in_another_way_keeps_the_messages_row(root, reading):
    raw = mail("<a@x>", sender=DIRECT, list_id="<tea.x>")
    reading(as_the_list)
    (path,) = take_in(root, raw)
    before = Message.get()
    reading(None)
    assert read_again(root, path).counts == {"known": 1, "updated": 1}
    after = Message.get()
    assert (after.id, after.from_address) == (before.id, "ann@example.org")
    assert after.identity != before.identity and after.imported_at == before.imported_at
    assert read_again(root, path).counts == {"known": 1}
    level()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_direct_copy_and_the_lists_copy_become_one_message(root, reading, order):
    raws = [mail("<a@x>", sender=DIRECT), mail("<a@x>", sender=DIRECT, list_id="<tea.x>")]
    reading(as_the_list)
    paths = take_in(root, *(raws[number] for number in order))
    assert Message.select().count() == 2
    reading(None)
    for path in paths:
        read_again(root, path)
    message = Message.get()
    assert Message.select().count() == 1 and message.from_address == "ann@example.org"
    assert message.list_ids == ["tea.x"]
    assert sorted(row.copy for row in Location.select()) == [False, True]
    assert ThreadLink.select().count() == 1
    level()


def test_two_copies_of_lists_become_one_message_whether_read_together_or_not(root, reading):
    def by_list(one: ParsedMessage) -> ParsedMessage:
        identity = identity_of(one.message_id, str(one.list_id), "")
        return replace(one, from_address=str(one.list_id), identity=identity)

    reading(by_list)
    paths = take_in(
        root,
        *(mail("<a@x>", sender=DIRECT, list_id=f"<{name}.x>") for name in ("one", "two", "three")),
    )
    assert Message.select().count() == 3
    reading(None)
    read_again(root, *paths[1:])
    read_again(root, paths[0])
    message = Message.get()
    assert Message.select().count() == 1 and message.list_ids == ["one.x", "three.x", "two.x"]
    assert [row.message for row in Location.select()] == [message.id] * 3
    level()


def test_nobody_is_told_again_of_a_message_that_is_read_again(root, reading):
    search_for("kettle", "reader@example.net")
    reading(as_the_list)
    raws = [
        mail("<a@x>", sender=DIRECT, list_id=name, body="kettle\n", date=today())
        for name in ("", "<tea.x>")
    ]
    paths = take_in(root, *raws)
    assert Notification.select().count() == 2  # they were two messages
    Notification.update(state="sent").where(Notification.subject == 1).execute()
    reading(None)
    read_again(root, *paths)
    left = Message.get().id
    told = [
        (row.subject, row.state)
        for row in Notification.select().where(Notification.subject == left)
    ]
    assert told == [(1, "sent")]


def test_what_came_with_the_rest_of_a_file_may_match_a_search_once(root):
    search_for("kettle", "reader@example.net")
    whole = mail("<a@x>", body="tea\nkettle\n", date=today())
    (path,) = take_in(root, whole[: -len(b"kettle\n")])
    assert Notification.select().count() == 0
    write(root, path, whole)
    write(root, path, whole + b"and a kettle\n")
    assert Notification.select().count() == 1


def test_a_message_that_another_worker_is_about_to_add_a_file_to_is_left_for_later(
    root, reading, service_settings
):
    reading(as_the_list)
    (path,) = take_in(root, mail("<a@x>", sender=DIRECT, list_id="<tea.x>"))
    reading(None)
    with psycopg.connect(service_settings.database_url) as other:
        other.execute("SELECT FROM message WHERE id = 1 FOR KEY SHARE")
        stored = read_again(root, path)
        assert stored.again == {path} and Message.get().from_address == "tea@lists.example.org"
        assert Message.select().count() == 1
    assert read_again(root, path).again == set()
    assert Message.get().from_address == "ann@example.org"


def test_a_subject_that_is_read_in_another_way_moves_the_message_to_its_thread(root, reading):
    reading(lambda one: replace(one, cleaned_subject=one.cleaned_subject.replace("coffee", "tea")))
    paths = take_in(
        root,
        mail("<a@x>", subject="tea", list_id="<l.x>"),
        mail("<b@x>", subject="coffee", list_id="<l.x>", date="Tue, 07 Oct 2025 09:12:44 +0200"),
        mail("<c@x>", subject="Re: tea", list_id="<l.x>", date="Wed, 08 Oct 2025 09:12:44 +0200"),
    )
    threads = {row.message_id: row.thread_id() for row in Message.select()}
    assert threads["c@x"] == threads["b@x"] != threads["a@x"]
    reading(None)
    read_again(root, paths[1])
    threads = {row.message_id: row.thread_id() for row in Message.select()}
    assert threads["c@x"] == threads["a@x"] != threads["b@x"]


def test_a_lock_is_held_where_messages_are_written(root, reading, service_settings):
    """Two workers that read the same files again wait for each other and do it once."""
    reading(as_the_list)
    (path,) = take_in(root, mail("<a@x>", sender=DIRECT, list_id="<tea.x>"))
    reading(None)
    with psycopg.connect(service_settings.database_url) as other:
        other.execute(LOCK)
        models.db.execute_sql("SET lock_timeout = '200ms'")
        with pytest.raises(Exception, match="lock timeout"):
            read_again(root, path)
        models.db.execute_sql("SET lock_timeout = 0")
    assert read_again(root, path).counts == {"known": 1, "updated": 1}
    assert difference(models.db, root, "test").paths == []
