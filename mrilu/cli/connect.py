"""How a command reaches the running service: its settings, with the URLs of the servers in use."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import peewee
import psycopg
import redis
from psycopg.errors import LockNotAvailable, QueryCanceled

from mrilu.runtime.database import database, wait_at_most
from mrilu.runtime.errors import first_line
from mrilu.runtime.redis import redis_connection
from mrilu.service import checks, instance
from mrilu.service import up as service
from mrilu.settings.current import use_settings
from mrilu.settings.load import load
from mrilu.settings.table import Settings

# A person waits: for a lock and for a statement at most so many seconds, and for the first answer.
LOCK_SECONDS, STATEMENT_SECONDS, ANSWER_SECONDS = 5.0, 120.0, 8.0


class ServiceDown(Exception):
    """The service does not answer."""


def line_of(error: Exception) -> str | None:
    """Return the line for a person when a server kept a command waiting or went away; None for any other error."""
    # peewee raises an error of its own in place of psycopg's, which stays its context.
    kinds = {type(one) for one in (error, error.__cause__, error.__context__)}
    if LockNotAvailable in kinds:
        return (
            f"PostgreSQL: another session locks what this needs, for more than {LOCK_SECONDS:.0f} s: "
            "./run.sh doctor names it"
        )
    if QueryCanceled in kinds:
        return (
            f"PostgreSQL did not answer within {STATEMENT_SECONDS:.0f} s: ./run.sh doctor looks why"
        )
    servers = {
        "PostgreSQL": (psycopg.OperationalError, peewee.OperationalError, peewee.InterfaceError),
        "Redis": (redis.ConnectionError, redis.TimeoutError),
    }
    for name, gone in servers.items():
        if isinstance(error, gone):
            return f"{name} went away ({first_line(error)}): try again, or see ./run.sh doctor"
    return None


@contextmanager
def _answering_in(seconds: float) -> Iterator[None]:
    """Raise TimeoutError after so many seconds: a frozen server takes connections and never answers."""

    def give_up(_number: int, _frame: object) -> None:
        raise TimeoutError(f"no answer within {seconds:.0f} s")

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def connect() -> Settings:
    """Point this process at the running service and return its settings.

    Raises mrilu.service.account.ServerError if it was never started here, SettingError, and ServiceDown with
    one line that says what does not answer and what to do.
    """
    settings = load()
    urls = instance.environment_of(settings)
    reached = replace(
        settings,
        database_url=urls["DATABASE_URL"],
        redis_url=urls["REDIS_URL"],
        data_dir=settings.data_dir.resolve(),
    )
    use_settings(reached)
    wait_at_most(lock=LOCK_SECONDS, statement=STATEMENT_SECONDS)
    _check("DATABASE_URL", "PostgreSQL", database)
    _check("REDIS_URL", "Redis", redis_connection().ping)
    return reached


def _check(variable: str, what: str, attempt: Callable[[], object]) -> None:
    try:
        with _answering_in(ANSWER_SECONDS):
            attempt()
    except (psycopg.Error, redis.RedisError, peewee.PeeweeException, OSError) as error:
        if "startup parameter" in str(error):  # PgBouncer's word for our sessions' settings
            raise ServiceDown(checks.POOLED) from error
        advice = f"start the service with ./run.sh, or check {variable}"
        if service.states():
            advice = "the service runs: ./run.sh doctor, and data/log, say more"
        raise ServiceDown(f"{what} does not answer ({first_line(error)}): {advice}") from error
