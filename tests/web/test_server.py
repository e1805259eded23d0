"""The server itself, over sockets: slow and large requests, and many of them."""

from __future__ import annotations

import socket
import threading
import time
import urllib.request
from collections.abc import Iterator

import pytest
from waitress import wasyncore

from mrilu.web import server
from mrilu.web.server import MAX_BODY_BYTES, MAX_HEADER_BYTES, MultiSocketServer, make_server

DEADLINE = 30.0


def application(environ: dict, start_response) -> list[bytes]:
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"%d bytes" % len(body)]


def unchanged(environ: dict, start_response) -> list[bytes]:
    start_response(
        environ["QUERY_STRING"].replace("+", " ") or "304 Not Modified", [("ETag", '"x"')]
    )
    return []


@pytest.fixture
def running(request: pytest.FixtureRequest) -> Iterator[MultiSocketServer]:
    made = make_server(getattr(request, "param", application), "127.0.0.1:0")
    thread = threading.Thread(target=made.run)
    thread.start()
    yield made
    for one in list(made.map.values()):
        if isinstance(one, server.Server):
            one.pull_trigger()
    wasyncore.close_all(made.map)
    made.task_dispatcher.shutdown()
    thread.join(DEADLINE)
    assert not thread.is_alive()


def connect(running: MultiSocketServer) -> socket.socket:
    return socket.create_connection(running.effective_listen[0], DEADLINE)


def answered(running: MultiSocketServer) -> bool:
    host, port = running.effective_listen[0]
    with urllib.request.urlopen(f"http://{host}:{port}/", timeout=DEADLINE) as answer:
        return answer.read() == b"0 bytes"


SLOW = {
    "half a header": b"GET / HTTP/1.1\r\nHost: x\r\nX-A: ",
    "half a body": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc",
    "half a chunk": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    "nothing": b"",
    "keep-alive": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
}


@pytest.mark.parametrize("start", SLOW)
def test_more_slow_connections_than_there_is_room_for_keep_nobody_out(running, monkeypatch, start):
    for one in running.map.values():
        if isinstance(one, server.Server):
            one.adj.connection_limit = 200
    slow = [connect(running) for _ in range(400)]
    try:
        for one in slow:
            try:
                one.sendall(SLOW[start])
            except OSError:
                pass  # it gave way to another
        for _ in range(5):
            assert answered(running)
    finally:
        for one in slow:
            one.close()


@pytest.mark.parametrize("start", ["half a header", "half a body", "half a chunk", "nothing"])
def test_a_request_that_does_not_come_to_its_end_is_ended(running, monkeypatch, start):
    monkeypatch.setattr(server, "REQUEST_SECONDS", 1)
    monkeypatch.setattr(server, "IDLE_SECONDS", 1)
    with connect(running) as slow:
        slow.sendall(SLOW[start])
        ended, deadline = False, time.monotonic() + DEADLINE
        slow.settimeout(0.2)
        while not ended and time.monotonic() < deadline:
            try:  # a byte now and then does not help
                if SLOW[start]:
                    slow.sendall(b"a")
                ended = not slow.recv(1000)
            except TimeoutError:
                pass
            except OSError:
                ended = True
        assert ended


def status_of(running: MultiSocketServer, request: bytes) -> bytes:
    with connect(running) as one:
        try:
            one.sendall(request)
        except OSError:
            pass  # it is answered before all is sent
        return one.recv(1000).partition(b"\r\n")[0]


POST = b"POST / HTTP/1.1\r\nHost: x\r\n"
CHUNK = b"1000\r\n" + b"a" * 0x1000 + b"\r\n"


def test_a_body_has_64_kb_at_most_chunked_or_not(running):
    fits = b"Content-Length: %d\r\n\r\n" % MAX_BODY_BYTES + b"a" * MAX_BODY_BYTES
    assert b" 200 " in status_of(running, POST + fits)
    assert b" 413 " in status_of(
        running, POST + b"Content-Length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1)
    )
    chunked = POST + b"Transfer-Encoding: chunked\r\n\r\n"
    assert b" 200 " in status_of(running, chunked + 15 * CHUNK + b"0\r\n\r\n")
    assert b" 413 " in status_of(running, chunked + 17 * CHUNK)


def test_a_header_has_32_kb_at_most(running):
    assert b" 431 " in status_of(running, b"GET / HTTP/1.1\r\nX: " + b"a" * MAX_HEADER_BYTES)


GET = b"GET /?%s HTTP/1.1\r\nHost: x\r\n%s\r\n"


def until(link: socket.socket, ending: bytes) -> bytes:
    """Return what comes, up to its ending or the end of the connection."""
    found = b""
    while not found.endswith(ending) and (more := link.recv(65536)):
        found += more
    return found


@pytest.mark.parametrize("running", [unchanged], indirect=True)
def test_an_answer_without_a_body_keeps_its_connection(running) -> None:
    with connect(running) as link:
        for status in (b"", b"204+No+Content", b""):
            link.sendall(GET % (status, b""))
            answer = until(link, b"\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 " + (b"204" if status else b"304"))
            assert b"Connection" not in answer and b"Content-Length" not in answer
        link.sendall(GET % (b"", b"Connection: close\r\n"))
        assert b"Connection: close" in until(link, b"never") and link.recv(1) == b""


@pytest.mark.parametrize("running", [unchanged], indirect=True)
def test_an_answer_whose_length_is_not_known_ends_its_connection(running) -> None:
    with connect(running) as link:
        link.sendall(GET % (b"200+OK", b""))
        assert b"Connection: close" in until(link, b"never") and link.recv(1) == b""


def test_header_and_body_come_together(running, monkeypatch) -> None:
    sizes: list[int] = []
    send = server.Channel.send
    monkeypatch.setattr(
        server.Channel,
        "send",
        lambda self, data, **more: sizes.append(len(data)) or send(self, data, **more),
    )
    with connect(running) as link:
        link.sendall(SLOW["keep-alive"])
        assert len(until(link, b"0 bytes")) == sum(sizes) and len(sizes) == 1
