"""The application: its pages, its errors, and the headers that each answer carries."""

from __future__ import annotations

import logging

import peewee
import psycopg
import redis
from flask import Flask, Response, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from mrilu.queues.rules import stranger_of
from mrilu.settings.table import Settings
from mrilu.web import dashboard, health, metrics
from mrilu.web.facts_slow import SlowFacts, gather_slow
from mrilu.web.guesses import Guesses
from mrilu.web.kept import Kept
from mrilu.web.routes import (
    downloads,
    elsewhere,
    exports,
    feeds,
    lists,
    messages,
    robots,
    search,
    start,
    subscribing,
    threads,
    why,
    words,
)
from mrilu.web.server import MAX_BODY_BYTES
from mrilu.web.templating import prepare

logger = logging.getLogger(__name__)

# The parts of the site; a new one is a module with a blueprint named `pages`, and a row here.
PARTS = (
    start.pages,
    lists.pages,
    threads.pages,
    messages.pages,
    words.pages,
    search.pages,
    feeds.pages,
    downloads.pages,
    robots.pages,
    exports.pages,
    why.pages,
    health.pages,
    metrics.pages,
    subscribing.pages,
    elsewhere.pages,
)

KEPT_SECONDS = 30.0
GLOSSES_SECONDS = 60.0
WORDS_SECONDS = 300.0  # what stands around a word: sentences, mails that use it
# What says that PostgreSQL or Redis is away, or hangs.
AWAY: tuple[type[Exception], ...] = (
    TimeoutError,
    psycopg.OperationalError,
    peewee.OperationalError,
    peewee.InterfaceError,
    redis.RedisError,
)
_POLICY = "default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
# rq-dashboard's pages have their scripts and styles inside
_DASHBOARD_POLICY = (
    f"{_POLICY}; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'"
)


def make_app(settings: Settings) -> Flask:
    """Return the application; nothing is opened before the first request."""
    app = Flask(__name__)
    app.config.update(
        OPERATOR_PASSWORD=settings.operator_password,
        METRICS_TOKEN=settings.metrics_token,
        SITE_URL=settings.site_url,
        READER=stranger_of(settings),
        SHOW_ADDRESSES=settings.show_addresses,
        SEARCH_SECONDS=settings.search_timeout,
        EMBEDDING_DEVICE=settings.embedding_device if settings.embeddings else "",
        MAX_CONTENT_LENGTH=MAX_BODY_BYTES,
    )
    app.extensions["guesses"] = Guesses()
    app.extensions["months"] = Kept(KEPT_SECONDS)
    app.extensions["words"] = Kept(WORDS_SECONDS)
    app.extensions["word_facets"] = Kept(WORDS_SECONDS, most=2)
    app.extensions["glosses"] = Kept(GLOSSES_SECONDS)
    app.extensions["last_glosses"] = []
    app.extensions["slow_facts"] = SlowFacts(gather_slow)
    prepare(app)
    for part in PARTS:
        app.register_blueprint(part)
    dashboard.mount(app)
    app.after_request(_add_headers)
    app.register_error_handler(HTTPException, _tell)
    app.register_error_handler(Exception, _apologise)
    for kind in AWAY:
        app.register_error_handler(kind, _ask_to_wait)
    return app


def _add_headers(answer: Response) -> Response:
    of_dashboard = request.path.startswith(f"{dashboard.PLACE}/")
    answer.headers["Content-Security-Policy"] = _DASHBOARD_POLICY if of_dashboard else _POLICY
    answer.headers["X-Content-Type-Options"] = "nosniff"
    # A token in the address must not travel on.
    answer.headers["Referrer-Policy"] = "same-origin" if of_dashboard else "no-referrer"
    return answer


def _tell(error: HTTPException) -> ResponseReturnValue:
    return render_template("error.html", code=error.code, name=error.name), error.code or 500


def _apologise(error: Exception) -> ResponseReturnValue:
    logger.error("a page failed path=%s", request.url_rule or "?", exc_info=error)
    return render_template("error.html", code=500, name="Something went wrong here"), 500


def _ask_to_wait(error: Exception) -> ResponseReturnValue:
    logger.warning(
        "a page waits for its servers path=%s: %s", request.url_rule, type(error).__name__
    )
    shown = render_template("error.html", code=503, name="The archive cannot be reached just now")
    return shown, 503, {"Retry-After": "10"}
