"""Signs of life of the long-running processes, kept in Redis: who is alive and what it last said."""

from __future__ import annotations

import json
import os
import time
from typing import Any

from redis import Redis

from mrilu.runtime.host import host_of, service_name
from mrilu.runtime.redis import redis_connection
from mrilu.settings.current import current_settings

KEY = "mrilu:heartbeat:{}"
ALL = "mrilu:heartbeats:{}"  # hash by service
# A process beats each second; after this many seconds without a beat it is dead.
TTL = 15
_KEPT, _KEPT_SECONDS = f"mrilu:kept:{os.urandom(8).hex()}", 24 * 3600


def beat(name: str, facts: dict[str, Any], connection: Redis | None = None) -> None:
    """Say that the process `name` of this service lives, with facts of its own. Raises redis.ConnectionError."""
    client = connection or redis_connection()
    service = service_name(current_settings())
    known = {"at": time.time(), "service": service, "host": host_of(service), **facts}
    with client.pipeline() as pipeline:
        pipeline.set(KEY.format(name), json.dumps(known), ex=TTL)
        pipeline.hset(ALL.format(name), service, json.dumps(known))
        pipeline.expire(ALL.format(name), TTL)
        pipeline.execute()


def beats(name: str, connection: Redis | None = None) -> list[dict[str, Any]]:
    """Return what the living processes `name` of all services said last, by service."""
    client = connection or redis_connection()
    found: Any = client.hgetall(ALL.format(name))
    said = [json.loads(raw) for _, raw in sorted(found.items())]
    return [one for one in said if time.time() - one["at"] < TTL]


def last_beat(name: str, connection: Redis | None = None) -> dict[str, Any] | None:
    """Return the facts of the last beat of any (with `at`, seconds since 1970), or None if all are dead."""
    client = connection or redis_connection()
    raw = client.get(KEY.format(name))
    return json.loads(raw) if raw else None


def kept_nothing(connection: Redis | None = None) -> bool:
    """Leave this process's mark in Redis; return whether an earlier one is missing: the data was flushed or lost."""
    client = connection or redis_connection()
    return client.set(_KEPT, 1, ex=_KEPT_SECONDS, get=True) is None
