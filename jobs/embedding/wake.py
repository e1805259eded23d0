"""Asking for a run of `embed_missing` between the hours: new mail is embedded within seconds."""

from __future__ import annotations

import logging

from redis import RedisError

from jobs.queues import EMBED, FAILURE_TTL, RESULT_TTL, queue
from jobs.resources import redis_connection, settings

logger = logging.getLogger(__name__)

FUNCTION = "jobs.embed_missing.embed_missing"
# Set while a run for new mail waits in the queue; it expires in case that run was lost.
WAKE_KEY = "mrilu:embed:wake"
WAKE_TTL = 300
TIMEOUT = 3600  # seconds; a run stops by itself long before


def wake_embedding() -> None:
    """Ask for new mail to be embedded soon; one round trip when that has been asked for already.

    Never raises: the hourly run makes up for what is missed.
    """
    try:
        if settings().embeddings and redis_connection().set(WAKE_KEY, 1, nx=True, ex=WAKE_TTL):
            ask_for_run(recent=True)
    except (RedisError, OSError) as error:
        logger.warning("embeddings wait for the hourly run: %s", type(error).__name__)


def heard_wake() -> None:
    """Say that a run for new mail has begun: mail that comes from now on asks for another."""
    redis_connection().delete(WAKE_KEY)


def ask_for_run(*, recent: bool) -> None:
    """Enqueue one run; `recent` for new mail only. Raises redis.RedisError."""
    queue(EMBED).enqueue(
        FUNCTION,
        recent=recent,
        job_timeout=TIMEOUT,
        result_ttl=RESULT_TTL,
        failure_ttl=FAILURE_TTL,
        description=f"embed_missing({'recent' if recent else ''})",
    )
