"""What stands against showing a message: its author's wish, an operator's decision, a list's rule."""

from __future__ import annotations

import os
from pathlib import Path
from uuid import uuid4

import pytest

import models
from jobs.import_messages import import_messages
from models import OPERATOR, Message, Reader, Restriction, Withholding, stranger
from mrilu.mail.permalinks import hash_of
from mrilu.search.engine import Wanted, search
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


def withhold(message: Message) -> None:
    Withholding.insert(
        identity=message.identity,
        message_id=message.message_id,
        kind="hidden",
        by="an operator",
        reason="a test",
        decided_at=message.imported_at,
    ).execute()
    bit = int(Restriction.WITHHELD)
    Message.update(restrictions=Message.restrictions.bin_or(bit)).where(
        Message.id == message.id
    ).execute()


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
