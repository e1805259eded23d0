"""waitress for strangers: who sends half a request, or one byte a minute, keeps no one else out.

waitress reads requests in one thread, whatever their pace, and gives a thread to whole ones only; so slow requests cost
a connection each. What is added here: a request has a time to be whole in, and where connections run out, the one that
has waited longest for the rest of its request gives way to the new one; an answer without a body keeps its connection,
and one with a body begins with as much of it as goes into one write.
"""

from __future__ import annotations

import logging
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.server import MultiSocketServer, TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher, WSGITask

from mrilu.web.limits import is_costly, network_from
from mrilu.web.turns import Turn, Turns, Use

logger = logging.getLogger(__name__)

THREADS = 8
KEPT = 3  # threads that those who took much lately do not get
REQUEST_SECONDS = 20  # from a request's first byte to its last
IDLE_SECONDS = 30  # for the first byte, or the next request of a connection
MOST_CONNECTIONS = 1000
MAX_BODY_BYTES = 64 * 1024
MAX_HEADER_BYTES = 32 * 1024
# What the process needs beside connections: logs, PostgreSQL, Redis, the threads' own.
_OTHER_FILES = 64
_LOUD_SECONDS = 60
_IN_ONE_WRITE = 128 * 1024  # bytes of a body that are sent together with the header


class Task(WSGITask):
    """One answer."""

    def set_close_on_finish(self) -> None:
        """Close the connection with this answer (waitress wants to where it names no length).

        That of 304 and 204 is known without (RFC 9112, 6.3): a browser asks on over the same connection.
        """
        wants = self.request.headers.get("CONNECTION", "").lower()
        if self.wrote_header or self.has_body or self.version != "1.1" or wants == "close":
            super().set_close_on_finish()

    def write(self, data: bytes) -> None:
        """Send a part of the body, the first one in one write with the header: a client wakes up once for both."""
        if self.wrote_header or len(data) > _IN_ONE_WRITE:
            super().write(data)
        else:
            with self.channel.gathering():
                super().write(data)


class Dispatcher(ThreadedTaskDispatcher):
    """Gives threads to requests in the order of their turns (turns.py)."""

    def __init__(self, threads: int) -> None:
        super().__init__()
        self.queue = Turns(most_dear=threads // 2, most_heavy=threads - KEPT)
        self.set_thread_count(threads)

    def add_task(self, task: Channel) -> None:
        """Let the connection's next request wait for a thread (waitress's loop calls it)."""
        asked = task.requests[0]
        forwarded = asked.headers.get("X_FORWARDED_FOR", "")
        network = network_from(str(task.addr[0]), forwarded)
        with self.lock:
            use = self.queue.use_of(network) if network else task.use
            self.queue.append(task.service, use, dear=is_costly(asked.path or ""))
            self.queue_cv.notify()

    def handler_thread(self, thread_no: int) -> None:
        """Answer one request after the other, until told to stop (a thread runs it)."""
        while (turn := self._next()) is not None:
            began = time.monotonic()
            try:
                turn.answer()
            except BaseException:
                logger.exception("a request could not be answered")
            with self.lock:
                self.queue.end(turn, time.monotonic() - began)
        with self.lock:
            self.threads.discard(thread_no)
            self.thread_exit_cv.notify()

    def _next(self) -> Turn | None:
        """Wait for the next turn; None to stop. waitress counts who is active, to tell how many are idle."""
        with self.lock:
            while not self.queue and self.stop_count == 0:
                self.active_count -= 1
                self.queue_cv.wait()
                self.active_count += 1
            if self.stop_count == 0:
                return self.queue.popleft()
            self.active_count -= 1
            self.stop_count -= 1
            return None

    def shutdown(self, cancel_pending: bool = True, timeout: float = 5) -> bool:
        """End the threads; what waits for one is not answered."""
        return bool(super().shutdown(cancel_pending=False, timeout=timeout))


class Channel(HTTPChannel):
    """A connection that knows since when its request has been on its way."""

    task_class = Task
    began = 0.0

    def __init__(self, *arguments: Any, **facts: Any) -> None:
        super().__init__(*arguments, **facts)
        self.use = Use()  # where no network can be told, each connection is an asker of its own

    _gathered: list[bytes] | None = None

    @contextmanager
    def gathering(self) -> Iterator[None]:
        """Send what the block writes in one piece, at its end."""
        gathered: list[bytes] = []
        self._gathered = gathered
        try:
            yield
        finally:
            self._gathered = None
        self.write_soon(b"".join(gathered))

    def write_soon(self, data: Any) -> int:
        """Send bytes, or a file (waitress's tasks call it)."""
        if self._gathered is None:
            return int(super().write_soon(data))
        self._gathered.append(data)
        return len(data)

    def received(self, data: bytes) -> bool:
        """Take in what came (waitress's loop calls it)."""
        if self.request is None and not self.requests:
            self.began = time.time()
        return bool(super().received(data))

    def waits_since(self) -> float:
        """Return since when the rest of a request, or the next one, is waited for (seconds since 1970)."""
        return self.began if self.request is not None else max(self.creation_time, self.began)

    def is_late(self, now: float) -> bool:
        """Tell whether the request on its way has taken too long; what is being answered never is."""
        if self.requests or self.total_outbufs_len:
            return False
        return now - self.waits_since() > (REQUEST_SECONDS if self.request else IDLE_SECONDS)


class Server(TcpWSGIServer):
    """Listens on one address."""

    channel_class = Channel
    _complained = 0.0

    def maintenance(self, now: float) -> None:
        """Close connections whose request is late, or that take none of their answer (waitress's loop calls it)."""
        super().maintenance(now)
        for channel in self.active_channels.values():
            if channel.is_late(now):
                channel.will_close = True

    def handle_accept(self) -> None:
        """Accept a connection; where there are too many, the longest waiting one gives way."""
        super().handle_accept()
        if len(self._map) < self.adj.connection_limit - 1:
            return
        waiting = [one for one in self.active_channels.values() if not one.requests]
        if waiting:
            min(waiting, key=Channel.waits_since).handle_close()
        now = time.time()
        if now - self._complained > _LOUD_SECONDS:
            self._complained = now
            logger.warning("connections ran out limit=%d", self.adj.connection_limit)


def make_server(application: Any, address: str) -> MultiSocketServer:
    """Return a server that listens on `address` (HOST:PORT) and serves when `run` is called. Raises OSError."""
    settings = Adjustments(
        listen=address,
        threads=THREADS,
        ident=None,
        # Headers of proxies are not trusted, but seen: who comes through one is not of this machine (access.py).
        clear_untrusted_proxy_headers=False,
        connection_limit=_affordable(MOST_CONNECTIONS),
        asyncore_use_poll=True,
        backlog=MOST_CONNECTIONS,
        cleanup_interval=1,
        channel_timeout=IDLE_SECONDS,
        # waitress refuses what reaches the limit; a whole body of that size is right.
        max_request_body_size=MAX_BODY_BYTES + 1,
        max_request_header_size=MAX_HEADER_BYTES,
    )
    dispatcher = Dispatcher(settings.threads)
    sockets: dict[int, Any] = {}
    listening = [
        Server(application, map=sockets, dispatcher=dispatcher, adj=settings, sockinfo=info)
        for info in settings.listen
    ]
    addresses = [(one.effective_host, one.effective_port) for one in listening]
    return MultiSocketServer(
        map=sockets, adj=settings, effective_listen=addresses, dispatcher=dispatcher
    )


def _affordable(wanted: int) -> int:
    """Return how many connections this process may have open, after asking for `wanted`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return wanted if soft == resource.RLIM_INFINITY else max(16, min(wanted, soft - _OTHER_FILES))
