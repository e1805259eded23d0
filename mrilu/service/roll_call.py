"""Which hosts run what: each running service says so in Redis, for `status` and `doctor` of any other."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Mapping
from typing import Any

from redis import Redis, RedisError

from mrilu.runtime.host import service_name
from mrilu.runtime.redis_url import RedisClient
from mrilu.settings.roles import ROLES
from mrilu.settings.table import Settings

KEY = "mrilu:service:{}"
KEPT_SECONDS = 20  # a service says so each 2 s
_PATIENCE = 2.0  # seconds: the foreground process must hear a signal


class Sign:
    """The sign that this service runs; a Redis that is away for a while is no reason to stop."""

    def __init__(self, settings: Settings) -> None:
        self._client = RedisClient.from_url(
            str(settings.redis_url), socket_timeout=_PATIENCE, socket_connect_timeout=_PATIENCE
        )
        self._facts = {
            "host": socket.gethostname(),
            "service": service_name(settings),
            "data": str(settings.data_dir),
            "pid": os.getpid(),
            "roles": list(settings.roles) or list(ROLES),
            "since": time.time(),
        }
        self._key = KEY.format(service_name(settings))

    def give(self, states: Mapping[str, str]) -> None:
        """Say that the service runs, with the state of each program in supervisor's words."""
        facts = json.dumps({**self._facts, "programs": dict(states), "at": time.time()})
        try:
            self._client.set(self._key, facts, ex=KEPT_SECONDS)
        except (RedisError, OSError):
            return  # the next one may get through

    def take_back(self) -> None:
        """Say that it runs no more."""
        try:
            self._client.delete(self._key)
        except (RedisError, OSError):
            return


def services(client: Redis) -> list[dict[str, Any]]:
    """Return what each service that runs said last, by host. Raises redis.RedisError."""
    found: list[Any] = [client.get(key) for key in client.scan_iter(KEY.format("*"), count=1000)]
    return sorted(
        (json.loads(raw) for raw in found if raw), key=lambda one: (one["host"], one["data"])
    )
