"""Rescans of watchers: those under way, and those that one host asks of another (a set in Redis per living watcher)."""

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


def is_compared(maildir: str, connection: Redis | None = None) -> bool:
    """Tell whether a watcher that is well compares this Maildir with the database at the moment, or is about to."""
    well = (one for one in beats("watcher", connection) if not one.get("trouble"))
    return any(maildir in one.get("rescans_wanted", ()) for one in well)


def asked_for(service: str, connection: Redis | None = None) -> list[str]:
    """Take the Maildirs that were asked for of this service's watcher."""
    client = connection or redis_connection()
    with client.pipeline() as pipeline:
        pipeline.smembers(KEY.format(service))
        pipeline.delete(KEY.format(service))
        return sorted(raw.decode() for raw in pipeline.execute()[0])
