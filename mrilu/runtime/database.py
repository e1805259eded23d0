"""The process's connection to PostgreSQL: opened when it is needed, never at import and never before a fork."""

from __future__ import annotations

import logging
import os

import psycopg
from peewee import PostgresqlDatabase

import models
from mrilu.runtime.errors import NotConfigured
from mrilu.runtime.host import service_name
from mrilu.settings.current import current_settings

logger = logging.getLogger(__name__)

# The process that bound models.db, and the URL: after a fork, or for another URL, it is bound anew.
_bound: list[tuple[int, str]] = []
_limits: dict[str, float] = {}


def wait_at_most(*, lock: float, statement: float = 0) -> None:
    """Bound how many seconds this process waits for a lock, and for a statement (0: for as long as it takes).

    For what a person waits for, and for what must go on with other things; an import may wait its turn.
    """
    disconnect()
    _limits.update(lock_timeout=lock, statement_timeout=statement)


def database() -> PostgresqlDatabase:
    """Return the bound and connected database; raise NotConfigured without DATABASE_URL.

    A worker keeps its connection from job to job; one that broke is opened again, and one that was
    inherited over a fork is forgotten (closing it would end the parent's session).
    """
    db = _bound_database()
    settings = current_settings()
    models.Maildir.here = models.Here(
        service_name(settings), {one.name: str(one.path) for one in settings.maildirs}
    )
    if db.is_closed() or not _usable(db):
        db.close()
        db.connect()
    return db


def disconnect() -> None:
    """Close this process's connection, if it has one; `database` opens it again, without limits."""
    _close()
    _limits.clear()


def _close() -> None:
    if not models.db.deferred and not models.db.is_closed():
        models.db.close()
    _bound.clear()


def _bound_database() -> PostgresqlDatabase:
    url = current_settings().database_url
    if url is None:
        raise NotConfigured
    wanted = (os.getpid(), url)
    if _bound == [wanted]:
        return models.db
    if _bound and _bound[0][0] == os.getpid():
        _close()
    elif not models.db.deferred and not models.db.is_closed():
        models.db.dispose()
    _bound[:] = [wanted]
    logger.debug("database bound pid=%d", os.getpid())
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
