"""Connections that end at a deadline, whatever the server does, and lead only where a source may lead.

A time-out of a socket is one of each read: a server that sends a byte a second keeps every one of them. So a thread
shuts the sockets down when the time is over. Addresses are looked at where the connection is made, by the name that
is connected to: what a name meant a moment before does not count.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv6Address, ip_address
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase, HTTPBasicAuth
from requests.utils import get_auth_from_url, get_environ_proxies, select_proxy
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NewConnectionError

from mrilu.downloads.errors import SourceRefused, SourceUnreachable

SHOWN = 200  # characters of a server's address in an error
Address = tuple[int, int, int, str, tuple[Any, ...]]


class Guard:
    """Watches over one download: its time, and where its connections lead.

    `private` says whether the source itself has a private address: None until it was connected to.
    """

    def __init__(self, url: str, seconds: float) -> None:
        self.url, self.seconds = url, seconds
        self.private: bool | None = None
        self._ends = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self._shut)
        self._timer.daemon = True

    def __enter__(self) -> Guard:
        """Let the time begin."""
        self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let go of the sockets."""
        self._timer.cancel()
        with self._lock:
            for one in self._sockets:
                one.close()
            self._sockets.clear()

    def remaining(self) -> float:
        """Return the seconds left. Raises SourceUnreachable when there are none."""
        left = self._ends - time.monotonic()
        if left <= 0:
            raise self.too_late()
        return left

    def is_over(self) -> bool:
        """Tell whether the time is over."""
        return time.monotonic() >= self._ends

    def too_late(self) -> SourceUnreachable:
        """Return the error of a download that took too long."""
        return SourceUnreachable(
            f"{self.url} took longer than DOWNLOAD_TIMEOUT ({self.seconds:g} s)"
        )

    def connect(self, host: str, port: int, proxied: bool) -> socket.socket:
        """Return a connected socket. Raises SourceRefused for a place where this source must not lead, or OSError."""
        found = self._resolve(host, port)
        if not proxied:
            self._refuse_private(host, found)
        error: OSError = OSError(f"{host} has no address")
        for family, kind, protocol, _, address in found:
            made = socket.socket(family, kind, protocol)
            try:
                self._watch(made)
                made.settimeout(self.remaining())
                made.connect(address)
            except OSError as failed:
                made.close()
                error = failed
                continue
            if self.private is None:
                self.private = not proxied and is_private(str(address[0]))
            return made
        raise error

    def look_behind_proxy(self, place: str) -> None:
        """Look at where a proxy, if there is one for `place`, is to connect to, as far as the name is known here.

        Raises SourceRefused for a place where this source must not lead.
        """
        if select_proxy(place, get_environ_proxies(place)) is None:
            return
        parts = urlsplit(place)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        try:
            found = self._resolve(host, port)
        except OSError:
            found = []  # a name that the proxy alone knows
        self._refuse_private(host, found)
        if self.private is None:
            self.private = any(is_private(str(address[0])) for *_, address in found)

    def _resolve(self, host: str, port: int) -> list[Address]:
        """Look the name up in a thread: the resolver knows no deadline.

        Raises OSError, or SourceRefused for what is no name (a label is empty, or has more than 63 characters).
        """
        answers: list[list[Address] | OSError | UnicodeError] = []

        def look_up() -> None:
            try:
                answers.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))  # type: ignore[arg-type]
            except (OSError, UnicodeError) as error:
                answers.append(error)

        thread = threading.Thread(target=look_up, daemon=True)
        thread.start()
        thread.join(self.remaining())
        if not answers:
            raise self.too_late()
        if isinstance(answers[0], UnicodeError):
            raise SourceRefused(f"{self.url} leads to {host[:SHOWN]!r}, which is no host's name")
        if isinstance(answers[0], OSError):
            raise answers[0]
        return answers[0]

    def _refuse_private(self, host: str, found: list[Address]) -> None:
        if self.private is not False:
            return
        for *_, address in found:
            if is_private(str(address[0])):
                raise SourceRefused(
                    f"{self.url} leads to {host} ({address[0]}), an address that is not public"
                )

    def _watch(self, made: socket.socket) -> None:
        # TLS takes the descriptor away from the socket that it wraps; a copy of it shuts down the same connection.
        with self._lock:
            self._sockets.append(socket.socket(fileno=os.dup(made.fileno())))

    def _shut(self) -> None:
        with self._lock:
            for one in self._sockets:
                try:
                    one.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # it is not connected, or not any more


def is_private(address: str) -> bool:
    """Tell whether an IP address is not a public one: private, loopback ..., or one of these within IPv6."""
    found = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo or (None, None))[1]
        if inner is None and found.packed[:12] == _NAT64:
            inner = ip_address(found.packed[12:])  # type: ignore[assignment]
        if inner is not None:
            return is_private(str(inner))
    return not found.is_global or found.is_multicast


_NAT64 = bytes.fromhex("0064ff9b0000000000000000")  # RFC 6052


@contextmanager
def guarded_session(guard: Guard) -> Iterator[requests.Session]:
    """Yield a session whose connections `guard` makes; it follows no redirect, and sends no password of ~/.netrc."""
    with _Session() as session:
        for scheme in ("http://", "https://"):
            session.mount(scheme, _Adapter(guard))
        yield session


class _Session(requests.Session):
    """Takes no answer for a redirect: requests reads the whole body of one, even where it is not to follow."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return None: the answer leads nowhere (requests calls it)."""


class PasswordOfUrl(AuthBase):
    """Sends the user and password that the URL itself names, and none of ~/.netrc, which requests would look into."""

    def __init__(self, url: str) -> None:
        self._user, self._password = get_auth_from_url(url)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the header (requests calls it)."""
        if self._user or self._password:
            return HTTPBasicAuth(self._user, self._password)(request)
        return request


class _Adapter(HTTPAdapter):
    """Makes requests' connections through the guard, those to proxies too."""

    def __init__(self, guard: Guard) -> None:
        self._pools = _pools_of(guard)
        super().__init__(max_retries=0)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Set our connections in (requests calls it)."""
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *arguments: Any, **options: Any) -> Any:
        """Set our connections in (requests calls it)."""
        manager = super().proxy_manager_for(*arguments, **options)
        manager.pool_classes_by_scheme = self._pools
        return manager


def _pools_of(guard: Guard) -> dict[str, Any]:
    def connect(connection: HTTPConnection) -> socket.socket:
        try:
            return guard.connect(connection._dns_host, connection.port or 0, bool(connection.proxy))
        except OSError as error:
            raise NewConnectionError(connection, f"cannot connect: {error}") from error

    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return connect(self)

    class Secure(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return connect(self)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}
