"""Whether this host's rq workers have reported, after a start."""

from __future__ import annotations

import socket
import time
from typing import Any

import redis

from mrilu.runtime.redis_url import RedisClient
from mrilu.service import roles
from mrilu.service.instance import Instance
from mrilu.service.signals import Signals

SLOW_SECONDS = 30.0  # for our programs to report; longer is worth a line, and no reason to stop


def wait_for_workers(service: Instance, signals: Signals, began: float) -> bool:
    """Wait until those that started after the Unix time `began` are known to Redis, for SLOW_SECONDS at most.

    Returns False when asked to stop meanwhile.
    """
    expected = roles.workers_of(service.settings)
    deadline = time.monotonic() + SLOW_SECONDS
    # A Redis that hangs meanwhile must not keep a signal from being heard.
    address = str(service.reached.redis_url)
    with RedisClient.from_url(address, socket_timeout=2, socket_connect_timeout=2) as link:

        def registered() -> bool:
            try:
                return _workers_since(link, began) >= expected
            except redis.RedisError:
                return False

        return signals.until(lambda: registered() or time.monotonic() > deadline)


def _workers_since(link: Any, began: float) -> int:
    """How many workers of this host registered after the Unix time `began`; a killed one's entry stays a while."""
    since = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(began - 1)).encode()
    here = socket.gethostname().encode()
    seen = [link.hmget(key, "birth", "hostname") for key in link.smembers("rq:workers")]
    return sum(birth is not None and birth >= since and host == here for birth, host in seen)
