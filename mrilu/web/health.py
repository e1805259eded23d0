"""/livez: the process answers. /readyz: what it needs answers, too."""

from __future__ import annotations

import logging
from collections.abc import Callable

from flask import Blueprint, Response, jsonify

from mrilu.queues.health import trouble_of
from mrilu.runtime.database import database
from mrilu.runtime.heartbeat import last_beat
from mrilu.runtime.redis import redis_connection
from mrilu.web.patience import Asker

logger = logging.getLogger(__name__)

pages = Blueprint("health", __name__)

PATIENCE = 2.0  # seconds for each service
_postgresql, _redis = Asker("postgresql"), Asker("redis")


@pages.get("/livez")
def livez() -> Response:
    """Say that this process lives."""
    return Response("ok\n", content_type="text/plain; charset=utf-8")


@pages.get("/readyz")
def readyz() -> tuple[Response, int]:
    """Say of servers, watcher, scheduler and queues whether they answer, beat or move: 200 if all do, else 503."""
    found = {
        "postgresql": _answers(
            "postgresql", _postgresql, lambda: database().execute_sql("SELECT 1")
        ),
        "redis": _answers("redis", _redis, lambda: redis_connection().ping()),
        "watcher": _answers("watcher", _redis, lambda: _beats("watcher")),
        "scheduler": _answers("scheduler", _redis, lambda: _beats("scheduler")),
        "queues": _answers("queues", _redis, _work_goes_on),
    }
    ready = all(found.values())
    return jsonify({"ready": ready, **found}), 200 if ready else 503


def _beats(name: str) -> None:
    if last_beat(name) is None:
        raise LookupError(name)


def _work_goes_on() -> None:
    if trouble := trouble_of(redis_connection()):
        raise LookupError(trouble[0])


def _answers(name: str, service: Asker, work: Callable[[], object]) -> bool:
    try:
        service.ask(work, PATIENCE)
    except Exception as error:
        # The answer goes to anyone, so it says no more than that; the log has the kind of error.
        logger.warning("readyz: %s does not answer: %s", name, type(error).__name__)
        return False
    return True
