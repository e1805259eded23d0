"""Rescans that one host asks of the watcher of another: a set in Redis per living watcher."""

from __future__ import annotations

from redis import Redis

from mrilu.runtime.heartbeat import TTL, beats
from mrilu.runtime.redis import redis_connection

KEY = "mrilu:rescan:{}"


def ask_watchers(maildir: str, connection: Redis | None = None) -> int:
    """Ask each living watcher of this Maildir to compare it with the database; return how many there are."""
    client = connection or redis_connection()
    asked = 0
    for one in beats("watcher", client):
        if maildir in one.get("maildirs", ()):
            key = KEY.format(one["service"])
            client.sadd(key, maildir)
            client.expire(key, 4 * TTL)
            asked += 1
    return asked


def asked_for(service: str, connection: Redis | None = None) -> list[str]:
    """Take the Maildirs that were asked for of this service's watcher."""
    client = connection or redis_connection()
    with client.pipeline() as pipeline:
        pipeline.smembers(KEY.format(service))
        pipeline.delete(KEY.format(service))
        return sorted(raw.decode() for raw in pipeline.execute()[0])
