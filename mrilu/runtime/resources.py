"""Lazy connections: opened by a job when it needs them, never at import and never before a fork."""

from __future__ import annotations

import logging
import os
from functools import lru_cache

import psycopg
from peewee import PostgresqlDatabase
from redis import Redis

import models
from mrilu.settings.table import Settings, load

logger = logging.getLogger(__name__)


class NotConfigured(RuntimeError):
    """DATABASE_URL and REDIS_URL are not set: start the service, then use eval "$(./run.sh env)"."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


_chosen: list[Settings] = []
_limits: dict[str, float] = {}


def settings() -> Settings:
    """Return the process's settings, read once."""
    if not _chosen:
        _chosen.append(load())
    return _chosen[0]


def use(chosen: Settings) -> None:
    """Make this process work with `chosen` from now on; connections made before are closed."""
    forget()
    _chosen.append(chosen)


def wait_at_most(*, lock: float, statement: float = 0) -> None:
    """Bound how many seconds this process waits for a lock, and for a statement (0: for as long as it takes).

    For what a person waits for, and for what must go on with other things; an import may wait its turn.
    """
    _limits.update(lock_timeout=lock, statement_timeout=statement)
    _bound_database.cache_clear()


def database() -> PostgresqlDatabase:
    """Return the bound and connected database.

    A worker keeps its connection from job to job; one that broke is opened again, and one that was
    inherited over a fork is forgotten (closing it would end the parent's session).
    """
    db = _bound_database(os.getpid())
    if db.is_closed() or not _usable(db):
        db.close()
        db.connect()
    return db


@lru_cache(maxsize=1)
def _bound_database(pid: int) -> PostgresqlDatabase:
    url = settings().database_url
    if url is None:
        raise NotConfigured
    if not models.db.deferred and not models.db.is_closed():
        models.db.dispose()
    logger.debug("database bound pid=%d", pid)
    return models.bind(url, **_limits)


def _usable(db: PostgresqlDatabase) -> bool:
    """Tell whether the server still answers: it may have been restarted while this worker was idle."""
    connection = db.connection()
    if connection.broken or connection.closed:
        return False
    try:
        connection.execute("")
    except psycopg.OperationalError:
        return False
    return True


def redis_connection() -> Redis:
    """Return the process's Redis client; it reconnects by itself."""
    return _redis(os.getpid())


@lru_cache(maxsize=1)
def _redis(pid: int) -> Redis:
    url = settings().redis_url
    if url is None:
        raise NotConfigured
    logger.debug("redis client made pid=%d", pid)
    # A server that accepts and then says nothing must not block the watcher or a job for good.
    return Redis.from_url(url, socket_connect_timeout=5, socket_timeout=30)


def forget() -> None:
    """Close and forget all connections and settings (tests, and a process that changes its settings)."""
    if not models.db.deferred and not models.db.is_closed():
        models.db.close()
    _chosen.clear()
    _limits.clear()
    _bound_database.cache_clear()
    _redis.cache_clear()
