"""Which hosts could not see a Maildir lately: kept in Redis for a while, for `doctor`."""

from __future__ import annotations

import json
import socket

from redis import Redis

from mrilu.runtime.redis import redis_connection

KEY = "mrilu:unseen:{}:{}"
KEPT_SECONDS = 900


def note_unseen(maildir: str, reason: str, connection: Redis | None = None) -> None:
    """Say that this host cannot see files of a Maildir, and why. Raises redis.RedisError."""
    host = socket.gethostname()
    facts = json.dumps({"host": host, "maildir": maildir, "reason": reason})
    (connection or redis_connection()).set(KEY.format(host, maildir), facts, ex=KEPT_SECONDS)


def unseen_lately(connection: Redis | None = None) -> list[dict[str, str]]:
    """Return `host`, `maildir` and `reason` of each such report, sorted."""
    client = connection or redis_connection()
    found = [client.get(key) for key in client.scan_iter(KEY.format("*", "*"), count=1000)]
    return sorted((json.loads(raw) for raw in found if raw), key=lambda one: sorted(one.items()))
