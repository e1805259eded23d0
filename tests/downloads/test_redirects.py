"""Where a source may lead."""

from __future__ import annotations

import http.server
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import trustme

from mrilu.downloads import connect
from mrilu.downloads.connect import is_private
from mrilu.downloads.errors import SourceRefused, SourceUnreachable
from mrilu.downloads.fetch import Fetched, Limits, Validators, fetch
from tests.downloads import lying_server
from tests.downloads.lying_server import LyingServer, answer, redirect

BODY = b"coi\thello\t\n"
LIMITS = Limits(seconds=10, size=1_000_000)


def get(url: str, folder: Path, limits: Limits = LIMITS) -> Fetched | None:
    return fetch(url, folder, Validators(), limits)


@pytest.fixture
def server() -> Iterator[LyingServer]:
    with lying_server.lying_server() as running:
        yield running


@pytest.fixture
def encrypted(monkeypatch, tmp_path: Path) -> Iterator[LyingServer]:
    """A server that speaks TLS, for "localhost", with a certificate that requests trusts."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with lying_server.lying_server() as running:
        running.socket = context.wrap_socket(running.socket, server_side=True)
        yield running


def secure(server: LyingServer, path: str, behaviour: lying_server.Behaviour) -> str:
    server.url(path, behaviour)
    return f"https://localhost:{server.server_address[1]}{path}"


def test_a_redirects_body_is_not_read(server: LyingServer, tmp_path: Path) -> None:
    target = server.url("/b", answer(BODY))
    began = time.monotonic()
    fetched = get(server.url("/a", lying_server.redirect_with_body(target, 50_000_000)), tmp_path)
    assert fetched is not None and fetched.path.read_bytes() == BODY
    assert time.monotonic() - began < LIMITS.seconds / 2


def test_tls_is_never_left_not_even_to_come_back(
    server: LyingServer, encrypted: LyingServer, tmp_path: Path
) -> None:
    end = secure(encrypted, "/end", answer(BODY))
    back = server.url("/back", redirect(end))
    assert get(end, tmp_path) and get(back, tmp_path)  # plain text may lead to TLS
    for target in (server.url("/plain", answer(BODY)), back):
        with pytest.raises(SourceRefused, match="not encrypted"):
            get(secure(encrypted, "/leave", redirect(target)), tmp_path)
    assert get(secure(encrypted, "/stay", redirect("/end")), tmp_path)


def test_a_certificate_of_another_authority_is_refused(
    encrypted: LyingServer, monkeypatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(SourceUnreachable, match="certificate verify failed"):
        get(secure(encrypted, "/end", answer(BODY)), tmp_path)


def test_passwords_of_netrc_are_not_sent_and_the_urls_own_goes_to_its_server_alone(
    server: LyingServer, monkeypatch, tmp_path: Path
) -> None:
    (tmp_path / ".netrc").write_text("default login user password from-netrc\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    with lying_server.lying_server() as other:
        end = other.url("/end", answer(BODY))
        url = server.url("/a", redirect("/b"))
        server.url("/b", redirect(end))
        assert get(url, tmp_path)
        assert get(url.replace("http://", "http://me:secret@"), tmp_path)
        sent = [headers.get("Authorization") for _, headers in server.requests]
        assert sent == [None, None] + 2 * ["Basic bWU6c2VjcmV0"]
        assert [headers.get("Authorization") for _, headers in other.requests] == [None, None]


def test_a_public_source_leads_to_no_private_address(
    server: LyingServer, monkeypatch, tmp_path: Path
) -> None:
    """127.0.0.1 is taken for a public address here, and 127.0.0.2 for what it is."""
    monkeypatch.setattr(connect, "is_private", lambda address: address != "127.0.0.1")
    inner = server.url("/inner", answer(BODY)).replace("127.0.0.1", "127.0.0.2")
    with pytest.raises(SourceRefused, match="not public"):
        get(server.url("/a", redirect(inner)), tmp_path)
    assert server.requests[-1][0] == "/a"
    named = server.url("/named", answer(BODY)).replace("127.0.0.1", "rebound.example")
    monkeypatch.setattr(
        connect.socket,
        "getaddrinfo",
        lambda host, port, **_: [(2, 1, 6, "", ("127.0.0.2" if "rebound" in host else host, port))],
    )
    with pytest.raises(SourceRefused, match="rebound.example"):
        get(server.url("/a", redirect(named)), tmp_path)


def test_behind_a_proxy_a_public_source_leads_to_no_private_address_either(
    server: LyingServer, monkeypatch, tmp_path: Path
) -> None:
    """The server is its own proxy here; what it is asked for are whole addresses."""
    monkeypatch.setattr(connect, "is_private", lambda address: address != "192.0.2.1")
    monkeypatch.setenv("http_proxy", server.url("/", answer(BODY)))
    for target in ("http://192.0.2.7/in", "http://[::1]/in", "http://127.1/in"):
        source = "http://192.0.2.1/a"
        server.behaviours[source] = redirect(target)
        with pytest.raises(SourceRefused, match="not public"):
            get(source, tmp_path)
        assert server.requests[-1][0] == source


def test_a_private_source_may_lead_to_private_addresses(
    server: LyingServer, tmp_path: Path
) -> None:
    with lying_server.lying_server() as other:
        assert get(server.url("/a", redirect(other.url("/b", answer(BODY)))), tmp_path)


@pytest.mark.parametrize(
    "address",
    "127.0.0.1 10.1.2.3 192.168.0.1 169.254.169.254 100.64.0.1 0.0.0.0 224.0.0.1 255.255.255.255 ::1 fe80::1%eth0 "
    "fd00::1 ::ffff:127.0.0.1 2002:7f00:1:: 64:ff9b::a9fe:a9fe ff02::1".split(),
)
def test_what_is_no_public_address(address: str) -> None:
    assert is_private(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:8.8.8.8"])
def test_what_is_a_public_address(address: str) -> None:
    assert not is_private(address)


@pytest.mark.parametrize(
    "location", ["ftp://127.0.0.1/x", "file:///etc/passwd", "http://[x/", "data:,x"]
)
def test_what_is_no_http_address_is_refused(
    server: LyingServer, tmp_path: Path, location: str
) -> None:
    with pytest.raises(SourceRefused, match="http|no address"):
        get(server.url("/a", redirect(location)), tmp_path)


@pytest.mark.parametrize("host", ["a..example", f"{'a' * 64}.example"])
def test_what_is_no_hosts_name_is_refused(server: LyingServer, tmp_path: Path, host: str) -> None:
    for url in (f"http://{host}/", server.url("/a", redirect(f"http://{host}/"))):
        with pytest.raises(SourceRefused, match="which is no host's name"):
            get(url, tmp_path)


def test_a_name_that_is_not_resolved_in_time_ends_the_download(monkeypatch, tmp_path: Path) -> None:
    held, resolved = threading.Event(), []
    resolve = lambda *_, **__: resolved.append(held.wait(20))  # noqa: E731
    monkeypatch.setattr(connect.socket, "getaddrinfo", resolve)
    with pytest.raises(SourceUnreachable, match="DOWNLOAD_TIMEOUT"):
        get("http://slow.example/a", tmp_path, Limits(0.3, 1000))
    assert not resolved
    held.set()


def test_a_handshake_that_never_ends_is_left_in_time(tmp_path: Path) -> None:
    class Silent(http.server.BaseHTTPRequestHandler):
        def handle(self) -> None:
            while self.connection.recv(1000):
                pass

    with ExitStack() as stack:
        silent = stack.enter_context(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Silent))
        threading.Thread(target=silent.serve_forever, daemon=True).start()
        stack.callback(silent.shutdown)
        began = time.monotonic()
        with pytest.raises(SourceUnreachable):
            get(f"https://127.0.0.1:{silent.server_address[1]}/", tmp_path, Limits(0.5, 1000))
        assert time.monotonic() - began < 5
