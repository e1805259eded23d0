"""Downloads from a server that lies."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mrilu.downloads.errors import SourceRefused, SourceUnreachable
from mrilu.downloads.fetch import Fetched, Limits, Validators, fetch
from tests.downloads import lying_server
from tests.downloads.lying_server import LyingServer, answer

BODY = b"coi\thello\t\n" * 1000
LIMITS = Limits(seconds=10, size=1_000_000)


@pytest.fixture
def server() -> Iterator[LyingServer]:
    with lying_server.lying_server() as running:
        yield running


def get(
    url: str, folder: Path, known: Validators | None = None, limits: Limits = LIMITS
) -> Fetched | None:
    return fetch(url, folder, known or Validators(), limits)


def test_a_whole_file_comes_with_its_validators(server: LyingServer, tmp_path: Path) -> None:
    modified = "Tue, 24 Nov 2026 05:00:00 GMT"
    url = server.url(
        "/a",
        answer(BODY, content_type="Text/Plain; charset=utf-8", ETag='"1"', Last_Modified=modified),
    )
    fetched = get(url, tmp_path)
    assert fetched is not None and fetched.path.read_bytes() == BODY
    assert fetched.validators == Validators('"1"', modified)
    assert fetched.content_type == "text/plain" and fetched.framed


def test_an_unchanged_file_is_not_downloaded_again(server: LyingServer, tmp_path: Path) -> None:
    url = server.url(
        "/a", lying_server.with_validators(BODY, '"1"', "Tue, 24 Nov 2026 05:00:00 GMT")
    )
    first = get(url, tmp_path)
    assert first is not None and get(url, tmp_path, first.validators) is None
    assert server.requests[1][1]["If-Modified-Since"] == "Tue, 24 Nov 2026 05:00:00 GMT"


def test_validators_that_no_database_holds_are_not_kept(
    server: LyingServer, tmp_path: Path
) -> None:
    fetched = get(server.url("/a", answer(BODY, ETag='"\0"', Last_Modified="\x0bx")), tmp_path)
    assert fetched is not None and fetched.validators == Validators()


def test_a_304_that_nobody_asked_for_is_refused(server: LyingServer, tmp_path: Path) -> None:
    with pytest.raises(SourceRefused, match="status 304"):
        get(server.url("/a", answer(b"", 304, Content_Length="")), tmp_path)


@pytest.mark.parametrize("status", [204, 206, 403, 404, 410])
def test_another_status_than_200_is_refused(
    server: LyingServer, tmp_path: Path, status: int
) -> None:
    with pytest.raises(SourceRefused, match=f"status {status}"):
        get(server.url("/a", answer(b"<html>no</html>" if status > 204 else b"", status)), tmp_path)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_overloaded_server_may_be_asked_again(
    server: LyingServer, tmp_path: Path, status: int
) -> None:
    with pytest.raises(SourceUnreachable, match=f"status {status}"):
        get(server.url("/a", answer(b"", status)), tmp_path)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_truncated_file_is_an_error(server: LyingServer, tmp_path: Path, chunked: bool) -> None:
    with pytest.raises(SourceUnreachable):
        get(server.url("/a", lying_server.truncated(BODY, chunked)), tmp_path)


def test_a_gzip_bomb_stops_at_the_size_limit(server: LyingServer, tmp_path: Path) -> None:
    url = server.url("/a", lying_server.bomb(50_000_000))
    with pytest.raises(SourceRefused, match="MAX_DOWNLOAD_BYTES"):
        get(url, tmp_path)
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= LIMITS.size


def test_a_file_that_is_too_large_stops_at_the_size_limit(
    server: LyingServer, tmp_path: Path
) -> None:
    with pytest.raises(SourceRefused, match="MAX_DOWNLOAD_BYTES"):
        get(server.url("/a", answer(b"a" * 2_000_000)), tmp_path)


@pytest.mark.parametrize(
    "behaviour",
    [
        lying_server.drip,
        lying_server.silence,
        lying_server.drip_header,
        lying_server.drip_chunks,
        lying_server.slowly(lying_server.redirect("/a"), 0.15),
    ],
)
def test_a_server_that_never_ends_is_left_in_time(
    server: LyingServer, tmp_path: Path, behaviour: lying_server.Behaviour
) -> None:
    began = time.monotonic()
    with pytest.raises(SourceUnreachable):
        get(server.url("/a", behaviour), tmp_path, limits=Limits(seconds=0.3, size=1_000_000))
    assert time.monotonic() - began < 5


def test_a_server_that_hangs_up_or_is_not_there_is_unreachable(
    server: LyingServer, tmp_path: Path
) -> None:
    with pytest.raises(SourceUnreachable):
        get(server.url("/a", lying_server.hang_up), tmp_path)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(SourceUnreachable):
            get(f"http://127.0.0.1:{free.getsockname()[1]}/a", tmp_path)


def test_a_redirect_is_followed(server: LyingServer, tmp_path: Path) -> None:
    target = server.url("/b", answer(BODY))
    fetched = get(server.url("/a", lying_server.redirect(target, 308)), tmp_path)
    assert fetched is not None and fetched.path.read_bytes() == BODY


def test_redirects_in_a_circle_or_out_of_http_are_refused(
    server: LyingServer, tmp_path: Path
) -> None:
    with pytest.raises(SourceRefused, match="redirects more than"):
        get(server.url("/a", lying_server.redirect("/a")), tmp_path)
    with pytest.raises(SourceRefused, match="http"):
        get(server.url("/a", lying_server.redirect("file:///etc/passwd")), tmp_path)


def test_a_file_that_did_not_change_is_not_read_again(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_bytes(BODY)
    fetched = get(str(path), tmp_path)
    assert fetched is not None and fetched.path == path
    assert get(str(path), tmp_path, fetched.validators) is None
    os.utime(path, ns=(1, 1))
    assert get(str(path), tmp_path, fetched.validators) is not None


def test_what_is_no_file_or_too_large_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "large").write_bytes(b"a" * 1_000_001)
    for name in ("fifo", "missing", "large", "."):
        with pytest.raises(SourceRefused, match=str(tmp_path)):
            get(str(tmp_path / name), tmp_path)
