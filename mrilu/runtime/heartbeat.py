"""Signs of life of the long-running processes, kept in Redis: who is alive and what it last said."""

from __future__ import annotations

import json
import os
import time
from typing import Any

from redis import Redis

from mrilu.runtime.redis import redis_connection

KEY = "mrilu:heartbeat:{}"
# A process beats each second; after this many seconds without a beat it is dead.
TTL = 15
_KEPT, _KEPT_SECONDS = f"mrilu:kept:{os.urandom(8).hex()}", 24 * 3600


def beat(name: str, facts: dict[str, Any], connection: Redis | None = None) -> None:
    """Say that the process `name` lives, with facts of its own. Raises redis.ConnectionError."""
    client = connection or redis_connection()
    client.set(KEY.format(name), json.dumps({"at": time.time(), **facts}), ex=TTL)


def last_beat(name: str, connection: Redis | None = None) -> dict[str, Any] | None:
    """Return the facts of the last beat (with `at`, seconds since 1970), or None if the process is dead."""
    client = connection or redis_connection()
    raw = client.get(KEY.format(name))
    return json.loads(raw) if raw else None


def kept_nothing(connection: Redis | None = None) -> bool:
    """Leave this process's mark in Redis; return whether an earlier one is missing: the data was flushed or lost."""
    client = connection or redis_connection()
    return client.set(_KEPT, 1, ex=_KEPT_SECONDS, get=True) is None
