"""/rq: rq-dashboard, for operators. It can empty queues and run failed jobs again."""

from __future__ import annotations

from flask import Flask, Response, current_app, request
from redis import Redis
from rq.serializers import JSONSerializer, resolve_serializer

from mrilu.runtime.redis import redis_connection
from mrilu.web.access import refuse_other_sites, refuse_strangers

PLACE = "/rq"


def mount(app: Flask) -> None:
    """Mount the dashboard; where rq would unpickle what lies in Redis, everything under /rq is refused instead."""
    app.before_request(guard)
    if resolve_serializer(None) is not JSONSerializer:
        return
    from rq_dashboard import web as dashboard

    dashboard.config.serializer = JSONSerializer
    # It connects anew for each page, from a URL in its configuration. Ours goes through a socket and keeps its secrets.
    dashboard.from_url = _our_redis
    app.config["RQ_DASHBOARD_REDIS_URL"] = ("mrilu",)
    app.register_blueprint(dashboard.blueprint, url_prefix=PLACE)


def guard() -> Response | None:
    """Refuse what strangers and other sites ask of the dashboard."""
    if not (request.path == PLACE or request.path.startswith(f"{PLACE}/")):
        return None
    if request.path.startswith(f"{PLACE}/requeue/") and request.method != "POST":
        return Response("POST it: it changes something\n", 405, {"Allow": "POST"})
    if resolve_serializer(None) is not JSONSerializer:
        return Response(
            "rq would run what lies in Redis as code here: start the service with ./run.sh\n", 503
        )
    current_app.redis_conn = redis_connection()  # type: ignore[attr-defined]
    return refuse_strangers(local_may=False) or refuse_other_sites()


def _our_redis(*_: object, **__: object) -> tuple[None, Redis]:
    return None, redis_connection()
