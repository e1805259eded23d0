"""Messages and threads as mail programs read them."""

from __future__ import annotations

import gzip
import mailbox
import os
import pty
import select
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from models import Message
from mrilu.archive import withholding
from mrilu.web.downloads.made import BeingMade, MadeFiles
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


def ids(client: FlaskClient, path: str, folder: Path) -> list[str]:
    return [one["Message-ID"].strip("<>") for one in read(client, path, folder)]


def test_months_lists_and_searches_are_mboxes(
    take_in: Import, pages: FlaskClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "A_PIECE", 2)
    for number in range(5):
        take_in(f"{number}@x", body="green tea\n", date=f"Mon, 06 Oct 2025 09:1{number}:00 +0000")
    take_in("5@x", body="black tea\n", date="Sat, 01 Nov 2025 00:00:00 +0000")
    october = [f"{number}@x" for number in range(5)]
    assert ids(pages, f"/l/{LIST}/2025-10/mbox.gz", tmp_path) == october
    assert ids(pages, f"/l/{LIST}/mbox.gz", tmp_path) == [*october, "5@x"]
    assert sorted(ids(pages, "/search/mbox.gz?q=green", tmp_path)) == october
    with closing(pages.get(f"/l/{LIST}/mbox.gz", headers={"Range": "bytes=0-1"})) as part:
        assert (part.status_code, part.data) == (206, b"\x1f\x8b")
    assert pages.get("/search/mbox.gz?q=from:").status_code == 400
    assert pages.get("/search/mbox.gz?q=nowhere").status_code == 404
    for path in ("2025-09/mbox.gz", "2025-13/mbox.gz"):
        assert pages.get(f"/l/{LIST}/{path}").status_code == 404


@pytest.mark.skipif(not shutil.which("mutt"), reason="needs mutt")
def test_mutt_counts_as_many_messages(take_in: Import, pages: FlaskClient, tmp_path: Path) -> None:
    for number in range(3):
        take_in(f"{number}@x", body="From the start\n\nFrom me\n>From you\n")
    assert ids(pages, f"/l/{LIST}/mbox.gz", tmp_path) == ["0@x", "1@x", "2@x"]
    (tmp_path / "Mail").mkdir()
    (tmp_path / "rc").write_text(f'set folder={tmp_path}/Mail\nset status_format="Messages=%m"\n')
    process, screen = pty.fork()
    if not process:  # mutt wants a terminal
        os.environ |= {"TERM": "xterm", "HOME": str(tmp_path)}
        box = str(tmp_path / "read.mbox")
        os.execvp("mutt", ["mutt", "-n", "-F", str(tmp_path / "rc"), "-R", "-f", box])  # noqa: S606, S607
    shown = b""
    try:
        while b"Messages=" not in shown and select.select([screen], [], [], 30)[0]:
            shown += os.read(screen, 9999)
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        os.close(screen)
    assert b"Messages=3" in shown


def test_what_is_withheld_is_in_no_mbox_any_more(
    take_in: Import, pages: FlaskClient, open_pages: Ask, tmp_path: Path
) -> None:
    one = take_in("one@x", body="green tea\n")
    take_in("two@x", body="green tea\n")
    paths = [f"/l/{LIST}/2025-10/mbox.gz", f"/l/{LIST}/mbox.gz", "/search/mbox.gz?q=green"]
    closed = open_pages(private_lists=(LIST,))
    for path in paths:
        assert sorted(ids(pages, path, tmp_path)) == ["one@x", "two@x"]
        assert closed.get(path).status_code == 404
    hide(one)
    for path in paths:
        assert ids(pages, path, tmp_path) == ["two@x"]


def test_a_file_is_made_once_and_the_oldest_go(tmp_path: Path) -> None:
    calls: list[int] = []

    def make(number: int) -> Callable[[], list[bytes]]:
        def pieces() -> list[bytes]:
            calls.append(number)
            return [bytes(600)]

        return pieces

    kept = MadeFiles(tmp_path, most_bytes=1500, patience=30)
    for number in (1, 1, 2, 2, 3, 3, 1):
        with kept.get(f"file {number}", "state", make(number)) as file:
            assert len(file.read()) == 600
    assert calls == [1, 2, 3, 1]
    with kept.get("file 1", "another state", make(1)):
        pass
    assert sum(one.stat().st_size for one in (tmp_path / "made").iterdir()) <= 1500


def test_a_file_is_not_removed_while_it_is_made_and_one_left_by_a_killed_process_is(
    tmp_path: Path,
) -> None:
    kept = MadeFiles(tmp_path, most_bytes=15_000, patience=30)
    left = tmp_path / "made" / ".left"
    left.parent.mkdir()
    left.write_bytes(b"x" * 20_000)

    def whole() -> Iterator[bytes]:
        yield b"x" * 20_000
        yield from kept.taken("month", "state", lambda: [b"y" * 10])
        yield b"x"

    with kept.get("list", "state", whole) as file:
        assert len(file.read()) == 20_011
    assert not left.exists()


def test_a_file_is_whole_when_it_gets_its_name(tmp_path: Path, monkeypatch) -> None:
    named, rename = [], Path.rename

    def watched(self: Path, target: Path) -> Path:
        named.append(self.read_bytes())
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", watched)
    with MadeFiles(tmp_path, patience=30).get("file", "state", lambda: [b"a", b"b"]):
        assert named == [b"ab"]


def test_who_asks_while_a_file_is_made_is_told_to_wait(tmp_path: Path) -> None:
    go = threading.Event()

    def make() -> list[bytes]:
        assert go.wait(30)
        return [b"made"]

    kept = MadeFiles(tmp_path, patience=0)
    with pytest.raises(BeingMade):
        kept.get("file", "state", make)
    with pytest.raises(BeingMade):
        kept.get("file", "state", lambda: [b"another"])
    go.set()
    for thread in threading.enumerate():
        if thread.name == "make-file":
            thread.join(30)
    with kept.get("file", "state", lambda: [b"another"]) as file:
        assert file.read() == b"made"


def test_what_is_withheld_on_one_host_is_in_no_file_that_another_made_before(
    take_in: Import, open_pages: Ask, tmp_path: Path
) -> None:
    gone = take_in("gone@x", subject="tea", body="secret tea\n")
    shown = take_in("open@x", subject="tea", in_reply_to="<gone@x>", body="some tea\n")
    hosts = [open_pages(data_dir=tmp_path / name) for name in ("a", "b")]
    paths = (f"/t/{shown}/t.mbox.gz", f"/l/{LIST}/2025-10/mbox.gz", f"/l/{LIST}/mbox.gz",
             "/search/mbox.gz?q=tea")  # fmt: skip
    before = {}
    for path in paths:
        for number, host in enumerate(hosts):
            assert sorted(ids(host, path, tmp_path)) == ["gone@x", "open@x"]
            with closing(host.get(path)) as answer:
                before[path, number] = answer.headers["ETag"]
    message = Message.at_permalink(gone)[0]
    withholding.withhold(message._meta.database, [message], withholding.HIDDEN, "a", "")
    for path in paths:
        for number, host in enumerate(hosts):
            assert ids(host, path, tmp_path) == ["open@x"], path
            tag = {"If-None-Match": before[path, number]}
            for headers in (tag, {"If-Range": before[path, number], "Range": "bytes=10-"}):
                with closing(host.get(path, headers=headers)) as answer:
                    assert answer.status_code == 200, (
                        path
                    )  # neither unchanged nor a part of what was
    assert len(list((tmp_path / "b").rglob("made/*"))) == len(paths)  # what was is no more
