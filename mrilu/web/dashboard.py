"""/rq: rq-dashboard, for operators. It can empty queues and run failed jobs again."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from flask import Flask, Response, current_app, request
from jinja2 import Environment, FileSystemLoader
from redis import Redis
from rq.serializers import JSONSerializer, resolve_serializer

from mrilu.runtime.redis import redis_connection
from mrilu.web.access import refuse_other_sites, refuse_strangers

PLACE = "/rq"
_ESCAPED_BY_HAND = re.compile(r"\$\('<div/>'\)\.text\(([\w.]+)\)\.html\(\)")


class EscapingLoader(FileSystemLoader):
    """Reads rq-dashboard's templates so that what the browser's own templates put into a page is escaped.

    They are underscore's, in which `<%=` puts in a value as it is, a traceback that quotes a stranger's server say,
    and `<%-` escapes it. Where the dashboard escapes by itself, once is enough.
    """

    def get_source(self, environment: Environment, template: str) -> tuple[str, str, Any]:
        """Return the template's text, its path and whether it is up to date (jinja2 calls it)."""
        source, path, is_current = super().get_source(environment, template)
        source = _ESCAPED_BY_HAND.sub(r"\1", source).replace("<%=", "<%-")
        return source, path, is_current


def mount(app: Flask) -> None:
    """Mount the dashboard; where rq would unpickle what lies in Redis, everything under /rq is refused instead."""
    app.before_request(guard)
    if resolve_serializer(None) is not JSONSerializer:
        return
    from rq_dashboard import web as dashboard

    dashboard.config.serializer = JSONSerializer
    # It connects anew for each page, from a URL in its configuration. Ours goes through a socket and keeps its secrets.
    dashboard.from_url = _our_redis
    folder = Path(dashboard.__file__).parent / "templates"
    dashboard.blueprint.jinja_loader = EscapingLoader(folder)
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
    return refuse_strangers() or refuse_other_sites()


def _our_redis(*_: object, **__: object) -> tuple[None, Redis]:
    return None, redis_connection()
