"""From REDIS_URL to a client: a server, or the master that Sentinel names, `redis+sentinel://HOST,HOST/SERVICE/0`.

`rq` and its programs come here, too (mrilu/service/rq_defaults.py). The master is asked for at each new connection, by
the connection itself: rq copies a pool's class of connections and its arguments into other processes.
"""

from __future__ import annotations

from typing import Any, Self, cast
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from redis import Connection, ConnectionPool, Redis, SSLConnection
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import ReadOnlyError
from redis.retry import Retry
from redis.sentinel import Sentinel

SCHEMES = {"redis+sentinel": "redis", "rediss+sentinel": "rediss"}
SENTINEL_PORT = 26379
SENTINEL_SECONDS = 2.0  # for one Sentinel to answer before the next is asked
# The Sentinel of each group that answered last is asked first: a dead one costs this process no more than one wait.
_answered: dict[tuple[tuple[str, int], ...], tuple[str, int]] = {}
_OF_SENTINEL = ("sentinel_username", "sentinel_password")
_TLS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname")


class OfMaster:
    """A connection that goes to whichever server Sentinel names when it is opened."""

    def __init__(
        self,
        *,
        sentinels: list[tuple[str, int]],
        service: str,
        sentinel_options: dict[str, Any],
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._service, self._sentinels = service, tuple(sentinels)
        self._options = {
            "socket_timeout": SENTINEL_SECONDS,
            "socket_connect_timeout": SENTINEL_SECONDS,
            # redis-py's own would try a dead Sentinel four times, for 3.5 s on average, before it asks the next
            "retry": Retry(NoBackoff(), 0),
        } | sentinel_options

    def _connect(self) -> Any:
        self.host, self.port = self._master()
        return super()._connect()  # type: ignore[misc]

    def _master(self) -> tuple[str, int]:
        last = _answered.get(self._sentinels)
        ordered = sorted(self._sentinels, key=lambda one: one != last)
        asked = Sentinel(ordered, sentinel_kwargs=self._options)
        try:
            found = cast(tuple[str, int], asked.discover_master(self._service))
            # discover_master has moved the one that answered to the front
            _answered[self._sentinels] = _place_of(asked.sentinels[0])
        finally:
            for one in asked.sentinels:
                one.close()
        return found

    def read_response(self, *args: Any, **options: Any) -> Any:
        """As the class below; a master that was demoted is left, so that the next try finds the new one."""
        try:
            return super().read_response(*args, **options)  # type: ignore[misc]
        except ReadOnlyError as error:
            self.disconnect()  # type: ignore[attr-defined]
            raise Disconnected("the master is a replica now") from error


def _place_of(client: Redis) -> tuple[str, int]:
    known = client.connection_pool.connection_kwargs
    return known["host"], known["port"]


class MasterConnection(OfMaster, Connection):
    """A connection to the master."""


class MasterSSLConnection(OfMaster, SSLConnection):
    """A connection to the master over TLS."""


class RedisClient(Redis):
    """Redis's client, which takes the URLs of Sentinel as well."""

    @classmethod
    def from_url(cls, url: str, **options: Any) -> Self:
        """Return a client of the server, or of Sentinel's master; raises ValueError for no such URL."""
        if urlsplit(url).scheme not in SCHEMES:
            return cast(Self, super().from_url(url, **options))
        pool: ConnectionPool = ConnectionPool(**(options | _arguments(url)))
        client = cls(connection_pool=pool)
        client.auto_close_connection_pool = True
        return client


def _arguments(url: str) -> dict[str, Any]:
    """Return what a pool of connections to the master is made with."""
    parts = urlsplit(url)
    user, at, hosts = parts.netloc.rpartition("@")
    service, _, number = parts.path.strip("/").partition("/")
    if not service or not hosts or (number and not number.isdecimal()):
        raise ValueError(
            "use redis+sentinel://HOST:PORT,HOST:PORT/SERVICE/0: its Sentinels, its service"
        )
    asked = parse_qsl(parts.query, strict_parsing=bool(parts.query))
    rest = urlencode([pair for pair in asked if pair[0] not in _OF_SENTINEL])
    secure = SCHEMES[parts.scheme] == "rediss"
    found = cast(
        dict[str, Any],
        parse_url(f"{SCHEMES[parts.scheme]}://{user}{at}master/{number or 0}?{rest}"),
    )
    for one in ("host", "port"):
        found.pop(one, None)
    of_sentinel = {
        name.removeprefix("sentinel_"): value for name, value in asked if name in _OF_SENTINEL
    }
    if secure:
        of_sentinel |= {"ssl": True} | {name: found[name] for name in _TLS if name in found}
    return found | {
        "connection_class": MasterSSLConnection if secure else MasterConnection,
        "sentinels": [_address(one) for one in hosts.split(",")],
        "service": unquote(service),
        "sentinel_options": of_sentinel,
    }


def _address(text: str) -> tuple[str, int]:
    """Return host and port of `HOST`, `HOST:PORT` or `[IPV6]:PORT`."""
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise ValueError(
            "use redis+sentinel://HOST:PORT,HOST:PORT/SERVICE/0: one of its hosts is empty"
        )
    return parts.hostname, parts.port or SENTINEL_PORT
