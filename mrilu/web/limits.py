"""How much one network may ask for, and how many of our threads costly requests may take.

Whoever asks for more is told to wait (503 with Retry-After, RFC 9110, 15.6.4) and may go on as soon as that is over:
nobody is locked out. Searches and downloads have limits of their own, so that who meets one can still read.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from math import ceil

from flask import Flask, Request, Response, g, render_template, request

logger = logging.getLogger(__name__)

PAGE, SEARCH, DOWNLOAD = "page", "search", "download"
# By blueprint or endpoint; what is in none of them is a page, but for what programs ask.
_KINDS = {
    "search": SEARCH,
    "downloads": DOWNLOAD,
    "exports": DOWNLOAD,
    "robots.sitemap": DOWNLOAD,
    "api.find": SEARCH,
}
_FREE = ("health", "metrics", "static", "assets")
_PACKED = (".gz", ".eml", "/raw")
_COSTLY = ("/search", "/exports/")
IPV4_BITS, IPV6_BITS = 24, 48  # what one customer of a provider has, about
AT_ONCE = 60.0  # seconds: as much may be asked for at once as in this time
MOST_NETWORKS = 20_000
LONGEST_ADDRESS = 100  # characters; no address has more
LOUD_SECONDS = 60.0  # between two lines of the log on one network
SHED_SECONDS = 2  # until a costly request that found no thread may come again


class Rates:
    """Requests by network and kind: buckets that run empty at `per_minute` and hold AT_ONCE seconds' worth."""

    def __init__(
        self, per_minute: Mapping[str, int], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._cost = {kind: 60.0 / number for kind, number in per_minute.items()}  # seconds
        self._clock, self._lock = clock, threading.Lock()
        # When the bucket will be empty again, least recent first; and when the log last told of it.
        self._empty_at: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._told: dict[tuple[str, str], float] = {}

    def seconds_to_wait(self, network: str, kind: str) -> float:
        """Count a request; return 0, or how long to wait where it is too much (then it does not count)."""
        key = (network, kind)
        with self._lock:
            now = self._clock()
            empty_at = max(now, self._empty_at.get(key, 0.0)) + self._cost[kind]
            if (over := empty_at - now - AT_ONCE) > 0:
                self._tell(key, now)
                return over
            self._empty_at[key] = empty_at
            self._empty_at.move_to_end(key)
            while len(self._empty_at) > MOST_NETWORKS:
                self._told.pop(self._empty_at.popitem(last=False)[0], None)
        return 0.0

    def give_back(self, network: str, kind: str) -> None:
        """Count one request less: what was asked for had not changed."""
        with self._lock:
            if (network, kind) in self._empty_at:
                self._empty_at[network, kind] -= self._cost[kind]

    def _tell(self, key: tuple[str, str], now: float) -> None:
        if now - self._told.get(key, float("-inf")) >= LOUD_SECONDS:
            self._told[key] = now
            logger.warning("too many requests network=%s kind=%s", *key)


class Seats:
    """Threads for costly requests; the others are kept for readers."""

    def __init__(self, number: int) -> None:
        self._free = threading.Semaphore(number)

    def take(self) -> bool:
        """Take a seat, if one is free."""
        return self._free.acquire(blocking=False)

    def leave(self) -> None:
        """Give the seat back."""
        self._free.release()


def limit(app: Flask, per_minute: Mapping[str, int], seats: int) -> None:
    """Have the application's requests counted, and costly ones take seats."""
    rates, costly = Rates(per_minute), Seats(seats)

    def admit() -> Response | None:
        kind = kind_of(request)
        if kind is None:
            return None
        network = network_of(request)
        wait = rates.seconds_to_wait(network, kind) if network else 0.0
        if wait:
            return _later("Too many requests from your network", ceil(wait))
        if kind != PAGE:
            if not costly.take():
                logger.info("a costly request was put off kind=%s", kind)
                return _later("The archive is busy just now", SHED_SECONDS)
            g.seat = costly
        return None

    def note(made: Response) -> Response:
        # Open pages ask each second whether they changed (site.js): a whole office must not wait for that.
        if made.status_code == 304 and kind_of(request) == PAGE:
            rates.give_back(network_of(request), PAGE)
        return made

    app.before_request(admit)
    app.after_request(note)
    app.teardown_request(_leave)


def _leave(error: BaseException | None) -> None:
    if seat := g.pop("seat", None):
        seat.leave()


def kind_of(asked: Request) -> str | None:
    """Return what a request counts as; None for what is never limited."""
    name = asked.blueprint or asked.endpoint or ""
    if name in _FREE:
        return None
    return (
        _KINDS.get(asked.endpoint or "")
        or _KINDS.get(name)
        or (DOWNLOAD if asked.path.endswith(_PACKED) else PAGE)
    )


def network_of(asked: Request) -> str:
    """Return the network that asks, "" where that cannot be told.

    A proxy of this machine says for whom it asks, in the last entry of X-Forwarded-For (others are the client's own
    words); where it does not, all strangers look the same, and none is limited for another.
    """
    return network_from(asked.remote_addr or "", asked.headers.get("X-Forwarded-For", ""))


def network_from(address: str, forwarded: str) -> str:
    """Return the network of who asks from an address, with this X-Forwarded-For, "" where that cannot be told."""
    named = forwarded.rpartition(",")[2].strip() if _is_here(address) else address
    return prefix_of(named[:LONGEST_ADDRESS])


def is_costly(path: str) -> bool:
    """Tell by its path alone whether a request is likely no page: before it is known what answers it."""
    return path.startswith(_COSTLY) or path.endswith((*_PACKED, "/sitemap.xml"))


@lru_cache(MOST_NETWORKS)
def prefix_of(address: str) -> str:
    """Return the network of an address (IPv4 /24, IPv6 /48), "" for none, and for this machine's own."""
    try:
        found = ip_address(address.strip("[]").partition("%")[0])
    except ValueError:
        return ""
    if isinstance(found, IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    if found.is_loopback:
        return ""
    bits = IPV4_BITS if found.version == 4 else IPV6_BITS
    return str(ip_network((found, bits), strict=False))


@lru_cache(MOST_NETWORKS)
def _is_here(address: str) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return True  # a socket of this machine has none
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return (mapped or found).is_loopback


def _later(name: str, seconds: int) -> Response:
    page = render_template("error.html", code=503, name=name, wait=seconds)
    return Response(page, 503, {"Retry-After": str(seconds), "Cache-Control": "no-store"})
