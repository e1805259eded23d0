"""How a command reaches the running service: its settings, with the URLs of the servers in use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import peewee
import psycopg
import redis

from mrilu.runtime.database import database
from mrilu.runtime.redis import redis_connection
from mrilu.service import instance
from mrilu.settings.current import use_settings
from mrilu.settings.table import Settings, load


class ServiceDown(Exception):
    """The service does not answer."""


def connect() -> Settings:
    """Point this process at the running service and return its settings.

    Raises mrilu.service.account.ServerError if it was never started here, SettingError, and ServiceDown with
    one line that says what does not answer and what to do.
    """
    settings = load()
    urls = instance.environment_of(settings)
    reached = replace(settings, database_url=urls["DATABASE_URL"], redis_url=urls["REDIS_URL"])
    use_settings(reached)
    _check("DATABASE_URL", "PostgreSQL", database)
    _check("REDIS_URL", "Redis", redis_connection().ping)
    return reached


def _check(variable: str, what: str, attempt: Callable[[], object]) -> None:
    try:
        attempt()
    except (psycopg.Error, redis.RedisError, peewee.PeeweeException, OSError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        advice = f"start the service with ./run.sh, or check {variable}"
        raise ServiceDown(f"{what} does not answer ({reason}): {advice}") from error
