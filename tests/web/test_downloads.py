"""Messages and threads as mail programs read them."""

from __future__ import annotations

import gzip
import mailbox
from contextlib import closing
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from mrilu.web.queries import archive as queries
from mrilu.web.routes import downloads
from tests.web.conftest import LIST, Ask, Import, hide


def read(client: FlaskClient, path: str, folder: Path) -> list[mailbox.mboxMessage]:
    with closing(client.get(path)) as answer:
        assert answer.status_code == 200 and answer.content_type == "application/gzip"
        (folder / "read.mbox").write_bytes(gzip.decompress(answer.data))
    with closing(mailbox.mbox(folder / "read.mbox")) as box:
        return list(box)


def test_a_message_can_be_had_as_a_mail(take_in: Import, pages: FlaskClient) -> None:
    one = take_in("one@x", subject="=?utf-8?q?gr=C3=BCner?= tea", body="hello ünï\nFrom here\n",
                  date="Fri, 31 Oct 2025 23:30:00 -0500", references="<a@x> <b@x>",
                  sender='"Ann, of Tea" <ann@people.example>')  # fmt: skip
    answer = pages.get(f"/m/{one}/message.eml")
    assert answer.content_type == "message/rfc822" and b"people.example" not in answer.data
    found = message_from_bytes(answer.data, policy=policy.default)
    assert found["Message-ID"] == "<one@x>" and found["Subject"] == "grüner tea"
    assert found["References"] == "<a@x> <b@x>" and found["List-Id"] == f"<{LIST}>"
    assert found["Date"].datetime.isoformat() == "2025-10-31T23:30:00-05:00"
    assert found["From"].addresses[0].display_name == "Ann, of Tea"
    assert found.get_content() == "hello ünï\nFrom here\n"


def test_a_thread_is_an_mbox_with_each_message_once(
    take_in: Import, pages: FlaskClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "IN_THREAD", 2)
    monkeypatch.setattr(queries.thread_messages, "__defaults__", (2,))
    first = take_in("0@x", body="From the start\n>From quoted\nask ann@people.example\n")
    for number in range(1, 5):
        take_in(f"{number}@x", in_reply_to="<0@x>", body=f"answer {number}\n")
    found = read(pages, f"/t/{first}/t.mbox.gz", tmp_path)
    assert [one["Message-ID"] for one in found] == [f"<{number}@x>" for number in range(5)]
    shown = found[0].get_payload(decode=True).decode()
    assert shown == ">From the start\n>>From quoted\nask ann@…\n"
    with closing(pages.get(f"/t/{first}/t.mbox.gz")) as answer:
        tag = answer.headers["ETag"]
    again = pages.get(f"/t/{first}/t.mbox.gz", headers={"If-None-Match": tag})
    assert again.status_code == 304


def test_downloads_hold_what_everyone_may_read(
    take_in: Import, pages: FlaskClient, open_pages: Ask, tmp_path: Path
) -> None:
    one = take_in("one@x", body="aardvark\n")
    take_in("two@x", in_reply_to="<one@x>")
    closed = open_pages(private_lists=(LIST,))
    for path in (f"/m/{one}/message.eml", f"/t/{one}/t.mbox.gz"):
        assert closed.get(path).status_code == 404
    hide(one)
    assert pages.get(f"/m/{one}/message.eml").status_code == 410
    found = read(pages, f"/t/{one}/t.mbox.gz", tmp_path)
    assert [message["Message-ID"] for message in found] == ["<two@x>"]


def test_no_field_can_be_put_into_a_mail(take_in: Import, pages: FlaskClient) -> None:
    one = take_in("one@x", subject="=?utf-8?q?tea=0D=0ABcc:_eve@x.example=0A=0Abody?=",
                  sender="=?utf-8?q?A=0ABcc:_b?= <a@x.example>")  # fmt: skip
    found = message_from_bytes(pages.get(f"/m/{one}/message.eml").data, policy=policy.default)
    assert "Bcc" not in found and found.get_content() == "coi rodo\n"
