"""Asking for a run of `embed_missing` or `link_quotes` between the hours: new mail is embedded within seconds.

`python -m mrilu.queues.wake` asks for all that waits for packages, exports too; the installation in the background
ends with it.
"""

from __future__ import annotations

import logging

from redis import RedisError

from mrilu.queues.queues import DEFAULT, EMBED, FAILURE_TTL, LONG, RESULT_TTL, queue
from mrilu.runtime.redis import redis_connection
from mrilu.settings.current import current_settings

logger = logging.getLogger(__name__)

FUNCTION = "jobs.embed_missing.embed_missing"
QUOTES = "jobs.link_quotes.link_quotes"
EXPORTS = "jobs.export_dictionaries.export_dictionaries"
# Set while such a run waits in the queue; it expires in case that run was lost.
WAKE_KEY = "mrilu:embed:wake"
WAKE_ALL_KEY = "mrilu:embed:wake-all"
WAKE_QUOTES_KEY = "mrilu:quotes:wake"
WAKE_TTL = 300
TIMEOUT = 3600  # seconds; a run stops by itself long before
QUOTES_TIMEOUT = 600  # seconds; the same
EXPORTS_TIMEOUT = 7200  # seconds


def wake_embedding(*, recent: bool = True) -> None:
    """Ask for new mail (`recent`), or for all that waits, to be embedded soon.

    It is one round trip when that has been asked for already.

    Never raises: the hourly run makes up for what is missed.
    """
    try:
        if current_settings().embeddings and redis_connection().set(
            _key(recent), 1, nx=True, ex=WAKE_TTL
        ):
            ask_for_run(recent=recent)
    except (RedisError, OSError) as error:
        logger.warning("embeddings wait for the hourly run: %s", type(error).__name__)


def heard_wake(*, recent: bool) -> None:
    """Say that such a run has begun: what comes from now on asks for another."""
    redis_connection().delete(_key(recent))


def _key(recent: bool) -> str:
    return WAKE_KEY if recent else WAKE_ALL_KEY


def ask_for_run(*, recent: bool) -> None:
    """Enqueue one run; `recent` for new mail only. Raises redis.RedisError."""
    _ask(EMBED, FUNCTION, TIMEOUT, f"embed_missing({'recent' if recent else ''})", recent=recent)


def _ask(name: str, function: str, timeout: int, description: str, **arguments: object) -> None:
    queue(name).enqueue(
        function,
        job_timeout=timeout,
        result_ttl=RESULT_TTL,
        failure_ttl=FAILURE_TTL,
        description=description,
        **arguments,
    )


def wake_quotes() -> None:
    """Ask for the quotations that wait to be linked. Never raises: the hourly run makes up for what is missed."""
    try:
        if redis_connection().set(WAKE_QUOTES_KEY, 1, nx=True, ex=WAKE_TTL):
            _ask(DEFAULT, QUOTES, QUOTES_TIMEOUT, "link_quotes()")
    except (RedisError, OSError) as error:
        logger.warning("quotations wait for the hourly run: %s", type(error).__name__)


def heard_quotes() -> None:
    """Say that such a run has begun: what comes from now on asks for another."""
    redis_connection().delete(WAKE_QUOTES_KEY)


def wake_exports() -> None:
    """Ask for the exports that waited for their packages. Never raises: midnight's run makes up for what is missed."""
    try:
        _ask(LONG, EXPORTS, EXPORTS_TIMEOUT, "export_dictionaries()")
    except (RedisError, OSError) as error:
        logger.warning("exports wait for midnight: %s", type(error).__name__)


if __name__ == "__main__":
    wake_embedding(recent=False)
    wake_exports()
