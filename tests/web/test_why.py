"""/why: a sender hears what became of a mail, and strangers nothing of closed lists."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from jobs.import_messages import import_messages
from models import Rejected
from mrilu.archive.rejected_header import parse_header
from tests.factories import deliver
from tests.web.conftest import LIST, Ask, Import, hide

TOO_MANY = b"".join(b"X-%d: y\n" % number for number in range(3000))


@pytest.fixture
def reject(tmp_path: Path, take_in: Import) -> str:
    """A mail of the list that is rejected, for its header has too many fields."""
    raw = f"Message-ID: <bad@x>\nList-Id: <{LIST}>\nFrom: a@b.example\n".encode() + TOO_MANY
    root = tmp_path / "Maildir"
    assert import_messages("test", [deliver(root, raw + b"\ntext\n")])["rejected"] == 1
    return "bad@x"


def test_each_state_is_told(take_in: Import, pages: FlaskClient, reject: str) -> None:
    one = take_in("one@x")
    archived = pages.get("/why?id=one@x")
    assert archived.status_code == 200 and f'href="/m/{one}/"' in archived.text
    hide(one)
    assert "not shown any more" in pages.get("/why?id=<one@x>").text
    rejected = pages.get(f"/why?id={reject}")
    assert (
        rejected.status_code == 200
        and "It arrived, and is not in the archive: it " in rejected.text
    )
    assert "MAX_" not in rejected.text and "X-1" not in rejected.text
    unknown = pages.get("/why?id=never@x")
    assert unknown.status_code == 404 and "No mail that everyone may read" in unknown.text
    assert "no Message-ID" in pages.get("/why?id=").text or pages.get("/why").status_code == 200


def test_a_rejected_mail_of_a_private_list_is_not_told_of(open_pages: Ask, reject: str) -> None:
    told = open_pages(private_lists=(LIST,)).get(f"/why?id={reject}")
    assert told.status_code == 404 and "arrived, and" not in told.text


def test_what_was_rejected_and_is_gone_is_unknown(pages: FlaskClient, reject: str) -> None:
    Rejected.update(gone_at=Rejected.last_seen).execute()
    assert pages.get(f"/why?id={reject}").status_code == 404


def test_the_header_of_a_rejected_mail_is_read_as_far_as_it_goes() -> None:
    said = parse_header(
        b"From: a@b\r\nMessage-ID: <x@y>\r\nList-Post: <mailto:tea@x.example>\r\n\r\nhello"
    )
    assert said == ("x@y", ("tea.x.example",))
    assert parse_header(b"From: a@b\nList-Id: <t\xffa.x>\n\n").message_id == ""
    for raw in (b"From: a\nList-Id: <t\xffa.x>\n\n", b"From: a\nMessage-ID: <\xff\xfe\0@x>\n\n"):
        said = parse_header(raw)
        assert "".join((said.message_id, *said.list_ids)).encode() is not None
