"""An HTTP server in this process that answers as badly as told: each path has its behaviour."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Behaviour = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Looks the path up among the server's behaviours and keeps the request's headers."""

    server: LyingServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer as the path's behaviour does."""
        self.close_connection = True
        self.server.requests.append((self.path, dict(self.headers)))
        try:
            self.server.behaviours[self.path](self)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the client had enough

    def end_headers(self) -> None:
        """End them with the truth that this connection serves one request."""
        self.send_header("Connection", "close")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class LyingServer(ThreadingHTTPServer):
    """`behaviours` by path, the `requests` that came, and `stopping` for behaviours that never end."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.behaviours: dict[str, Behaviour] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.stopping = threading.Event()

    def url(self, path: str, behaviour: Behaviour) -> str:
        """Serve `path` with this behaviour from now on and return its URL."""
        self.behaviours[path] = behaviour
        return f"http://127.0.0.1:{self.server_address[1]}{path}"


@contextmanager
def lying_server() -> Iterator[LyingServer]:
    """A running server for the block."""
    with LyingServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.stopping.set()
        server.shutdown()
        thread.join()


def answer(
    body: bytes, status: int = 200, content_type: str = "text/plain", **headers: str
) -> Behaviour:
    """A whole answer; keyword `Content_Length` and the like become headers."""

    def behave(handler: Handler) -> None:
        handler.send_response(status)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        for name, value in (
            {"Content-Type": content_type, "Content-Length": str(len(body))} | named
        ).items():
            if value:
                handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return behave


def with_validators(body: bytes, etag: str, last_modified: str) -> Behaviour:
    """The body, or 304 for who has that version already."""

    def behave(handler: Handler) -> None:
        validators: Any = {"ETag": etag, "Last_Modified": last_modified}
        if handler.headers.get("If-None-Match") == etag:
            answer(b"", 304, "", Content_Length="", **validators)(handler)
        else:
            answer(body, **validators)(handler)

    return behave


def redirect(location: str, status: int = 302) -> Behaviour:
    """A redirect."""
    return answer(b"", status, Location=location)


def bomb(size: int) -> Behaviour:
    """A small gzip that grows to `size` bytes."""
    return answer(gzip.compress(b"\0" * size), Content_Encoding="gzip")


def truncated(body: bytes, chunked: bool = False) -> Behaviour:
    """Half of the body; the rest was promised."""

    def behave(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/plain")
        half = body[: len(body) // 2]
        if chunked:
            handler.send_header("Transfer-Encoding", "chunked")
            half = f"{len(body):x}\r\n".encode() + half
        else:
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(half)

    return behave


def drip(handler: Handler) -> None:
    """A byte now and then, for ever."""
    answer(b"", Content_Length="1000000")(handler)
    while not handler.server.stopping.wait(0.02):
        handler.wfile.write(b"a")


def silence(handler: Handler) -> None:
    """Nothing at all, not even a status."""
    handler.server.stopping.wait()


def hang_up(handler: Handler) -> None:
    """End without an answer."""


def drip_header(handler: Handler) -> None:
    """A header that gets longer by a byte now and then, for ever."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-A: ")
    while not handler.server.stopping.wait(0.02):
        handler.wfile.write(b"a")


def drip_chunks(handler: Handler) -> None:
    """An extension of a chunk's size that gets longer by a byte now and then, for ever."""
    answer(b"", Content_Length="", Transfer_Encoding="chunked")(handler)
    handler.wfile.write(b"5;")
    while not handler.server.stopping.wait(0.02):
        handler.wfile.write(b"a")


def slowly(behaviour: Behaviour, seconds: float) -> Behaviour:
    """The same after a while."""

    def behave(handler: Handler) -> None:
        handler.server.stopping.wait(seconds)
        behaviour(handler)

    return behave


def redirect_with_body(location: str, size: int) -> Behaviour:
    """A redirect whose body is a gzip bomb that never ends."""

    def behave(handler: Handler) -> None:
        headers = {"Content_Encoding": "gzip", "Content_Length": str(10**12)}
        answer(gzip.compress(b"\0" * size), 302, Location=location, **headers)(handler)
        handler.server.stopping.wait()

    return behave
