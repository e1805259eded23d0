"""The addresses of public-inbox, and `b4` over a real socket."""

from __future__ import annotations

import gzip
import mailbox
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from mrilu.web.pages.lei_query import translated
from mrilu.web.server import make_server
from tests.web.conftest import LIST, Ask, Import, hide

B4 = os.environ.get("B4") or shutil.which("b4")


def test_a_message_and_its_forms_are_at_its_id(take_in: Import, pages: FlaskClient) -> None:
    one = take_in("one@x")
    two = take_in("two@x", in_reply_to="<one@x>")
    for name in ("tea", LIST, "all", "TEA"):
        assert pages.get(f"/{name}/two@x/").headers["Location"] == f"/m/{two}/"
        assert pages.get(f"/{name}/two@x").headers["Location"] == f"/m/{two}/"
        assert pages.get(f"/{name}/two@x/T/").headers["Location"] == f"/t/{two}/#{two}"
        assert pages.get(f"/{name}/two@x/t.atom").headers["Location"] == f"/t/{two}/atom.xml"
        with closing(pages.get(f"/{name}/two@x/raw")) as raw:
            assert b"Message-ID: <two@x>" in raw.data and raw.content_type.startswith("text/plain")
        with closing(pages.get(f"/{name}/two@x/t.mbox.gz")) as box:
            assert gzip.decompress(box.data).count(b"\nMessage-ID: ") == 2
    assert pages.get("/tea/new.atom").headers["Location"] == f"/l/{LIST}/atom.xml"
    assert pages.get("/tea/").headers["Location"] == f"/l/{LIST}/"
    for path in ("/milk/one@x/", "/tea/none@x/", "/tea/none@x/raw", "/milk/", "/milk/new.atom"):
        assert pages.get(path).status_code == 404
    assert one != two


@pytest.mark.parametrize("name", ["a/b@x", "a//b@x", "a/raw", "a%b@x", "/a@x"])
def test_ids_with_slashes_and_signs_are_found(
    take_in: Import, pages: FlaskClient, name: str
) -> None:
    one = take_in(name)
    quoted = name.replace("%", "%25")
    for path in (quoted, quoted.replace("/", "%2F")):
        assert pages.get(f"/all/{path}/").headers["Location"] == f"/m/{one}/"
        with closing(pages.get(f"/all/{path}/raw")) as raw:
            assert f"<{name}>".encode() in raw.data


def test_searches_are_feeds_and_mboxes(take_in: Import, pages: FlaskClient) -> None:
    take_in("one@x", body="green tea\n")
    take_in("two@x", body="green tea\n", list_id="<milk.example.org>")
    feed = pages.get("/tea/?q=green&x=A").text
    assert feed.count("<entry>") == 1
    assert pages.get("/all/?q=green&x=A").text.count("<entry>") == 2
    for path, count in (("/tea/", 1), ("/all/", 2)):
        with closing(pages.post(f"{path}?q=green&x=m")) as box:
            assert gzip.decompress(box.data).count(b"\nMessage-ID: ") == count
    with closing(pages.post("/tea/", data={"q": "green", "x": "m"})) as box:
        assert box.status_code == 200
    assert pages.post("/all/?q=nowhere&x=m").status_code == 404


def test_closed_and_withheld_mail_is_at_none_of_them(
    take_in: Import, pages: FlaskClient, open_pages: Ask
) -> None:
    one = take_in("one@x", body="green tea\n")
    closed = open_pages(private_lists=(LIST,))
    for path in ("/tea/", "/tea/one@x/", "/all/one@x/", "/all/one@x/raw", "/all/one@x/t.mbox.gz",
                 "/all/one@x/T/", "/tea/new.atom"):  # fmt: skip
        assert closed.get(path).status_code == 404
    hide(one)
    assert pages.get("/all/one@x/raw").status_code == 410


@pytest.fixture
def served(pages: FlaskClient) -> Iterator[str]:
    """The pages on a socket: their address."""
    server = make_server(pages.application, "127.0.0.1:0")
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.effective_listen[0][1]}"
    server.close()
    thread.join(10)


@pytest.mark.skipif(not B4, reason="needs b4 (pip install b4; or B4=its path)")
def test_b4_fetches_a_thread(take_in: Import, served: str, tmp_path: Path) -> None:
    take_in("one@x", subject="[PATCH 0/1] tea")
    take_in(
        "two@x", subject="[PATCH 1/1] tea: add milk", in_reply_to="<one@x>", references="<one@x>"
    )
    environment = {
        "HOME": str(tmp_path), "PATH": os.environ["PATH"], "XDG_DATA_HOME": str(tmp_path),
        "XDG_CACHE_HOME": str(tmp_path), "no_proxy": "*",
    }  # fmt: skip
    command = [
        str(B4),
        "-n",
        "-c",
        f"b4.midmask={served}/all/%s",
        "mbox",
        "-o",
        str(tmp_path),
        "-n",
        "tea",
        "two@x",
    ]
    del command[1]
    done = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60
    )  # noqa: S603
    assert done.returncode == 0, done.stderr
    boxes = [path for path in tmp_path.glob("tea*") if path.is_file()]
    with closing(mailbox.mbox(boxes[0])) as box:
        assert {one["Message-ID"] for one in box} == {"<one@x>", "<two@x>"}


@pytest.mark.parametrize(
    ("asked", "ours"),
    [
        ("s:tea f:ann", "subject:tea from:ann"),
        ('s:"green tea" -f:bob', 'subject:"green tea" -from:bob'),
        ("tc:ann b:milk l:tea.example.org", "to:ann milk list:tea.example.org"),
        ("dt:20240131120000.. tea", "after:2024-01-31 tea"),
        ("d:2024-01-31..20240229", "after:2024-01-31 before:2024-03-01"),
        ("rt:..20241231235959", "before:2025-01-01"),
        ("tea d:20240131..99991231", "tea after:2024-01-31"),
        ("d:yesterday..", "d:yesterday.."),
        ("d:20240231..", "d:20240231.."),
        ("subject:tea as:it is s: http://s:x", "subject:tea as:it is s: http://s:x"),
    ],
)
def test_a_search_of_leis_is_put_in_our_words(asked: str, ours: str) -> None:
    assert translated(asked) == ours


def test_a_search_gives_whole_threads_where_they_are_wanted(
    take_in: Import, pages: FlaskClient, open_pages: Ask
) -> None:
    take_in("one@x", subject="a talk", body="green tea\n")
    take_in("two@x", subject="Re: a talk", body="no milk\n", in_reply_to="<one@x>")
    take_in("other@x", subject="else", body="red\n")
    gone = take_in("gone@x", subject="Re: a talk", body="hm\n", in_reply_to="<one@x>")
    hide(gone)

    def found(client: FlaskClient, **more: str) -> list[bytes]:
        query = {"x": "m", "q": "milk", **more}
        with closing(client.post("/all/", query_string=query)) as box:
            return re.findall(rb"Message-ID: <(.*)>", gzip.decompress(box.data))

    assert found(pages) == found(pages, t="0") == [b"two@x"]
    assert found(pages, t="1") == [b"one@x", b"two@x"]
    take_in("closed@x", in_reply_to="<one@x>", list_id="<closed.example.org>")
    closed = open_pages(private_lists=("closed.example.org",))
    assert found(closed, t="1") == [b"one@x", b"two@x"]


@pytest.mark.skipif(not shutil.which("lei"), reason="needs lei (Debian: lei)")
def test_lei_fetches_the_threads_of_what_it_finds(
    take_in: Import, served: str, tmp_path: Path
) -> None:
    take_in("one@x", subject="a talk", body="green tea\n")
    take_in("two@x", subject="Re: a talk", body="no milk\n", in_reply_to="<one@x>")
    environment = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path), "PATH": os.environ["PATH"],
                   "no_proxy": "*"}  # fmt: skip

    def found(*options: str) -> set[str]:
        file = tmp_path / f"found{len(options)}"
        command = [
            "lei",
            "q",
            *options,
            "--only",
            f"{served}/all/",
            "-f",
            "mboxrd",
            "-o",
            f"{file}",
        ]
        subprocess.run(
            [*command, "b:milk"], env=environment, check=True, capture_output=True, timeout=60
        )  # noqa: S603
        with closing(mailbox.mbox(file)) as box:
            return {one["Message-ID"] for one in box}

    try:
        assert found() == {"<two@x>"}
        assert found("--threads") == {"<one@x>", "<two@x>"}
    finally:
        subprocess.run(["lei", "daemon-kill"], env=environment, timeout=60)  # noqa: S603, S607


def test_lei_finds_by_its_own_prefixes(take_in: Import, pages: FlaskClient) -> None:
    take_in("one@x", subject="green tea", date="Mon, 06 Oct 2025 09:12:44 +0000")
    take_in("two@x", subject="other", body="tea\n", date="Tue, 07 Oct 2025 09:12:44 +0000")

    def found(query: str) -> int:
        with pages.post(f"/{LIST}/", query_string={"x": "m", "q": query}) as answer:
            if answer.status_code == 404:
                return 0
            return gzip.decompress(answer.get_data()).count(b"Message-ID:")

    assert [found("tea"), found("s:tea"), found("tea dt:20251007000000..")] == [2, 1, 1]
    assert [found("tea d:..20251006"), found("tea d:20260101..")] == [1, 0]
