"""What stands against showing a message: its author's wish, an operator's decision, a list's rule."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from uuid import uuid4

import pytest

import models
from jobs.import_messages import import_messages
from models import (
    OPERATOR,
    Maildir,
    Message,
    Notification,
    Reader,
    Restriction,
    Withholding,
    stranger,
)
from mrilu.archive import withholding
from mrilu.archive.ledger import balance
from mrilu.mail.permalinks import hash_of
from mrilu.notifications import subscriptions
from mrilu.search.engine import Wanted, search
from tests.archive.test_threads import threads
from tests.factories import deliver, mail, make_maildir

STRANGER = stranger(("board.example.org",), respect_no_archive=True)


@pytest.fixture
def root(root: Path) -> Path:
    return make_maildir(root)


def take_in(root: Path, raw: bytes) -> Message:
    path = deliver(root, raw)
    import_messages("test", [path])
    return Message.select().order_by(Message.id.desc()).get()


def found_by(reader: Reader, text: str) -> int:
    return search(models.db, text, "message", Wanted(mode="text", reader=reader)).total


def withhold(*messages: Message, kind: str = withholding.HIDDEN) -> None:
    withholding.withhold(models.db, messages, kind, "an operator", "a test")


def named(name: str) -> Message:
    return Message.get(Message.message_id == name)


def test_a_message_is_found_by_the_hash_of_its_id(root: Path) -> None:
    message = take_in(root, mail("<one@x>"))
    assert Message.at_permalink("HCSPN2ZRFGEJW55OSVPUQ6MZXMMZYYH3") == []
    assert Message.at_permalink(hash_of("one@x").lower()) == [message]


@pytest.mark.parametrize(
    ("field", "bits"),
    [
        ("X-No-Archive: yes", Restriction.NO_ARCHIVE),
        (f"Message-ID: <notification.{uuid4().hex}@example.org>", Restriction.OWN),
        ("X-Other: yes", 0),
    ],
)
def test_what_the_mail_itself_says_stands_in_its_row(root: Path, field: str, bits: int) -> None:
    name = "" if field.startswith("Message-ID") else "<one@x>"
    message = take_in(root, mail(name, body="aardvark", more=f"{field}\n"))
    assert message.restrictions == bits
    assert found_by(STRANGER, "aardvark") == (0 if bits else 1)
    assert found_by(STRANGER, f"<{message.message_id}>") == (0 if bits else 1)
    assert found_by(OPERATOR, "aardvark") == 1


def test_a_setting_lets_mail_that_asked_not_to_be_archived_be_seen(root: Path) -> None:
    take_in(root, mail(body="aardvark", more="X-No-Archive: yes\n"))
    assert found_by(stranger((), respect_no_archive=False), "aardvark") == 1


def test_a_private_list_is_closed_to_strangers(root: Path) -> None:
    take_in(root, mail(body="aardvark", list_id="<board.example.org>"))
    take_in(root, mail(body="aardvark", list_id="<tea.example.org>"))
    assert found_by(STRANGER, "aardvark") == 1
    assert found_by(OPERATOR, "aardvark") == 2


def test_a_withheld_message_stays_withheld_when_its_file_is_read_again(root: Path) -> None:
    path = deliver(root, mail("<one@x>", body="aardvark"))
    import_messages("test", [path])
    withhold(Message.get())
    (root / path).write_bytes(mail("<one@x>", body="aardvark, and more"))
    os.utime(root / path, (2_000_000_000, 2_000_000_000))
    import_messages("test", [path])
    assert Message.get().body.strip() == "aardvark, and more"
    assert found_by(STRANGER, "aardvark") == 0


def test_a_withheld_message_stays_withheld_when_it_comes_again(root: Path) -> None:
    withhold(take_in(root, mail("<one@x>", body="aardvark")))
    Message.delete().execute()
    assert take_in(root, mail("<one@x>", body="aardvark")).restrictions == Restriction.WITHHELD


def test_a_withheld_message_stays_withheld_under_a_new_identity(root: Path) -> None:
    message = take_in(root, mail("<one@x>", body="aardvark"))
    withhold(message)
    other = uuid4()
    Message.update(identity=other).where(Message.id == message.id).execute()
    assert Withholding.select().where(Withholding.identity == other).exists()


def test_it_can_be_shown_again_in_its_thread(root: Path) -> None:
    for name, other in (("<one@x>", ""), ("<two@x>", "<one@x>"), ("<three@x>", "<two@x>")):
        take_in(root, mail(name, in_reply_to=other, body="aardvark"))
    before = threads()
    withhold(named("two@x"))
    assert threads() == [["one@x"], ["three@x", "two@x"]]
    withholding.show_again(models.db, [named("two@x")])
    assert threads() == before == [["one@x", "three@x", "two@x"]]
    assert found_by(STRANGER, "aardvark") == 3 and not Withholding.select().exists()
    with pytest.raises(withholding.NotWithheld):
        withholding.show_again(models.db, [named("two@x")])


def test_what_a_withheld_message_joined_does_not_come_together_when_it_comes_again(
    root: Path,
) -> None:
    for name in ("<one@x>", "<two@x>"):
        take_in(root, mail(name, subject=name))
    joining = mail("<three@x>", references="<one@x> <two@x>")
    withhold(take_in(root, joining))
    assert threads() == [["one@x"], ["three@x"], ["two@x"]]
    Message.delete().where(Message.message_id == "three@x").execute()
    take_in(root, joining)
    assert threads() == [["one@x"], ["three@x"], ["two@x"]]


def test_erased_text_is_nowhere_and_does_not_come_back(root: Path) -> None:
    path = deliver(root, mail("<one@x>", subject="aardvark", body="aardvark"))
    import_messages("test", [path])
    withhold(Message.get(), kind=withholding.ERASED)
    for again in (False, True):
        if again:
            (root / path).write_bytes(mail("<one@x>", subject="aardvark", body="aardvark, again"))
            os.utime(root / path, (2_000_000_000, 2_000_000_000))
            import_messages("test", [path])
        row = Message.get()
        assert (row.subject, row.body, row.from_name, row.from_address) == ("", "", "", "")
        assert found_by(OPERATOR, "aardvark") == 0
    with pytest.raises(withholding.NotWithheld):
        withholding.show_again(models.db, [Message.get()])
    Message.delete().execute()
    assert take_in(root, mail("<one@x>", body="aardvark")).body == ""


def test_the_ledger_stays_level(root: Path) -> None:
    withhold(take_in(root, mail("<one@x>")), kind=withholding.ERASED)
    facts = balance(models.db, Maildir.get(), set())
    assert facts.level


def test_what_waits_to_be_told_is_not(root: Path) -> None:
    target = subscriptions.target_for_query(models.db.connection(), "aardvark")
    subscriptions.subscribe(models.db, "eve@example.org", target)
    now = format_datetime(datetime.now(UTC))
    message = take_in(root, mail("<one@x>", body="aardvark", date=now))
    assert [row.state for row in Notification.select()] == ["waiting"]
    withhold(message)
    assert [row.state for row in Notification.select()] == ["cancelled"]


def test_answers_that_quote_it_are_listed(root: Path) -> None:
    secret = "my telephone number is 0123456789\nand I live in Long Street\nok\n"
    message = take_in(root, mail("<one@x>", body=secret))
    quoted = "".join(f"> {line}\n" for line in secret.splitlines())
    take_in(root, mail("<two@x>", in_reply_to="<one@x>", body=f"you wrote:\n{quoted}why?\n"))
    take_in(
        root,
        mail("<three@x>", references="<one@x> <two@x>", body=f">> {secret.splitlines()[0]}\nyes\n"),
    )
    take_in(root, mail("<four@x>", in_reply_to="<one@x>", body="> ok\nfine\n"))
    take_in(root, mail("<five@x>", in_reply_to="<one@x>", body=secret))
    found = withholding.quoting(models.db, message)
    assert [(one.message_id, lines) for one, lines in found] == [("two@x", 2), ("three@x", 1)]
