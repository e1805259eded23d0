"""The process's client of Redis or Valkey."""

from __future__ import annotations

import logging
import os
from functools import lru_cache

from redis import Redis

from mrilu.runtime.errors import NotConfigured
from mrilu.runtime.redis_url import RedisClient
from mrilu.settings.current import current_settings

logger = logging.getLogger(__name__)


def redis_connection() -> Redis:
    """Return the process's Redis client, which reconnects by itself; raise NotConfigured without REDIS_URL."""
    url = current_settings().redis_url
    if url is None:
        raise NotConfigured
    return _client(os.getpid(), url)


@lru_cache(maxsize=1)
def _client(pid: int, url: str) -> Redis:
    logger.debug("redis client made pid=%d", pid)
    # A server that accepts and then says nothing must not block the watcher or a job for good.
    return RedisClient.from_url(url, socket_connect_timeout=5, socket_timeout=30)
