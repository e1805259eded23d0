"""The process's connection to PostgreSQL: opened when it is needed, never at import and never before a fork."""

from __future__ import annotations

import logging
import os
import select
import threading
import time
from typing import Any

import psycopg
from peewee import PostgresqlDatabase

import models
from mrilu.runtime.errors import NotConfigured
from mrilu.runtime.host import service_name
from mrilu.settings.current import current_settings
from mrilu.settings.table import Settings

logger = logging.getLogger(__name__)

# The process that bound models.db, and the URL: after a fork, or for another URL, it is bound anew.
_bound: list[tuple[int, str]] = []
_binding: dict[int, threading.Lock] = {}  # by process: a fork must not inherit one that is held
_mine = threading.local()  # which of the bindings this thread's connection was opened by
_limits: dict[str, float] = {}
_here: list[tuple[Settings, models.Here]] = []
# Each thread's connection, and when it last answered: the next questions of a second need no sign of life before them.
_answered = threading.local()
ANSWER_SECONDS = 1.0


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
    db, bound = models.db, _bind_if_need_be()
    models.Maildir.here = _here_of(current_settings())
    if db.is_closed() or getattr(_mine, "bound", bound) is not bound or not _usable(db):
        db.close()
        db.connect()
    _mine.bound = bound
    return db


def _here_of(settings: Settings) -> models.Here:
    """Return which service this is, and its Maildirs; made once for each settings."""
    if not _here or _here[0][0] is not settings:
        folders = {one.name: str(one.path) for one in settings.maildirs}
        _here[:] = [(settings, models.Here(service_name(settings), folders))]
    return _here[0][1]


def disconnect() -> None:
    """Close this thread's connection, if it has one; `database` opens it, and other threads', again, without limits."""
    _close()
    _limits.clear()


def _close() -> None:
    if not models.db.deferred and not models.db.is_closed():
        models.db.close()
    _bound.clear()


def _bind_if_need_be() -> tuple[int, str]:
    """Bind models.db to this process and DATABASE_URL; return the binding, the same one for as long as it stands."""
    known = _bound[:]
    if known != [_wanted()]:
        with _binding.setdefault(os.getpid(), threading.Lock()):
            known = [_bind()]
    return known[0]


def _wanted() -> tuple[int, str]:
    url = current_settings().database_url
    if url is None:
        raise NotConfigured
    return os.getpid(), url


def _bind() -> tuple[int, str]:
    """Bind anew, unless another thread has just done so; the settings, too, may be others by now."""
    wanted = pid, url = _wanted()
    known = _bound[0] if _bound else None
    if known == wanted:
        return known
    opened_by = getattr(_mine, "bound", known)
    if opened_by and opened_by[0] == pid:
        _close()
    elif not models.db.deferred and not models.db.is_closed():
        models.db.dispose()
    models.bind(url, **_limits)
    _bound[:] = [wanted]  # last: until then no other thread takes it for bound
    logger.debug("database bound pid=%d", pid)
    return wanted


def _usable(db: PostgresqlDatabase) -> bool:
    """Tell whether the server still answers: it may have been restarted while this worker was idle."""
    connection = db.connection()
    if connection.broken or connection.closed:
        return False
    if _just_answered(connection):
        return True
    try:
        connection.execute("")
    except psycopg.OperationalError:
        return False
    _answered.last = (connection, time.monotonic())
    return True


def _just_answered(connection: psycopg.Connection[Any]) -> bool:
    """Tell whether the server answered lately and has said nothing since: it says so when it ends the session."""
    known, at = getattr(_answered, "last", (None, 0.0))
    if known is not connection or time.monotonic() - at > ANSWER_SECONDS:
        return False
    socket = select.poll()
    socket.register(connection.fileno(), select.POLLIN)
    return not socket.poll(0)
