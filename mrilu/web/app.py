"""The application: its pages, its errors, and the headers that each answer carries."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import peewee
import psycopg
import redis
from flask import Flask, Response, g, make_response, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from mrilu.queues.rules import limits_of, stranger_of
from mrilu.settings.table import Settings
from mrilu.web import assets, dashboard, health, metrics
from mrilu.web.background import Background
from mrilu.web.downloads.made import MadeFiles
from mrilu.web.facts_slow import SlowFacts, gather_slow
from mrilu.web.guesses import Guesses
from mrilu.web.kept import Kept
from mrilu.web.limits import DOWNLOAD, PAGE, SEARCH, limit
from mrilu.web.packing import pack
from mrilu.web.pages_kept import PagesKept
from mrilu.web.queries.status import gather_slow as gather_status
from mrilu.web.routes import (
    api,
    asked,
    downloads,
    elsewhere,
    exports,
    feeds,
    files,
    lists,
    messages,
    operators,
    public_inbox,
    robots,
    search,
    start,
    status,
    subscribing,
    threads,
    why,
    words,
    words_then,
)
from mrilu.web.server import MAX_BODY_BYTES, THREADS
from mrilu.web.stamps_kept import StampsKept
from mrilu.web.templating import prepare

logger = logging.getLogger(__name__)

F = TypeVar("F", bound=Callable[..., Any])

# The parts of the site; a new one is a module with a blueprint named `pages`, and a row here.
PARTS = (
    start.pages,
    lists.pages,
    threads.pages,
    asked.pages,
    messages.pages,
    words_then.pages,
    words.pages,
    search.pages,
    feeds.pages,
    downloads.pages,
    files.pages,
    robots.pages,
    exports.pages,
    why.pages,
    api.pages,
    assets.pages,
    status.pages,
    operators.pages,
    health.pages,
    metrics.pages,
    subscribing.pages,
    elsewhere.pages,
    public_inbox.pages,
)

SIMILAR_SECONDS = 600.0  # threads nearest in meaning
SEARCHES_SECONDS = 60.0  # what was found, as long as nothing was written
GLOSSES_SECONDS = 60.0
WORDS_SECONDS = 300.0  # what stands around a word: sentences, mails that use it
PAGES_BYTES = 32 * 1024 * 1024  # of pages that are kept, not packed
STAMPS = 30_000  # pages of which it is known what their texts look like; some 400 bytes each
AWAY_SECONDS = 10  # until it is worth to come again
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


class _Site(Flask):
    def ensure_sync(self, func: F) -> F:
        """Return the function as it is: none of ours is async, which Flask looks for in all that answers a request."""
        return func


def make_app(settings: Settings) -> Flask:
    """Return the application; nothing is opened before the first request."""
    app = _Site(__name__)
    _configure(app, settings)
    _give_stores(app, settings)
    app.before_request(_refuse_odd)
    prepare(app)
    assets.load(app)
    per_minute = {
        PAGE: settings.page_rate,
        SEARCH: settings.search_rate,
        DOWNLOAD: settings.download_rate,
    }
    limit(app, per_minute, seats=THREADS // 2)
    for part in PARTS:
        app.register_blueprint(part)
    api.negotiate(app)
    dashboard.mount(app)
    pack(app)
    app.after_request(_add_headers)
    app.register_error_handler(HTTPException, _tell)
    app.register_error_handler(Exception, _apologise)
    for kind in AWAY:
        app.register_error_handler(kind, _ask_to_wait)
    return app


def _configure(app: Flask, settings: Settings) -> None:
    app.config.update(
        OPERATOR_PASSWORD=settings.operator_password,
        METRICS_TOKEN=settings.metrics_token,
        SITE_URL=settings.site_url,
        RENDERING=assets.rendering_of(Path(__file__).parent),
        READER=stranger_of(settings),
        SHOW_ADDRESSES=settings.show_addresses,
        SEARCH_SECONDS=settings.search_timeout,
        EMBEDDING_DEVICE=settings.embedding_device if settings.embeddings else "",
        LIMITS=limits_of(settings),
        DOWNLOADS=settings.data_dir / "downloads",
        MAX_CONTENT_LENGTH=MAX_BODY_BYTES,
    )


def _give_stores(app: Flask, settings: Settings) -> None:
    """Give the application what it keeps between requests."""
    app.extensions["guesses"] = Guesses()
    app.extensions["similar"] = Kept(SIMILAR_SECONDS)
    app.extensions["searches"] = Kept(SEARCHES_SECONDS, most=200)
    app.extensions["made_files"] = MadeFiles(settings.data_dir / "downloads")
    app.extensions["pages_kept"] = PagesKept(PAGES_BYTES)
    app.extensions["stamps_kept"] = StampsKept(STAMPS)
    app.extensions["words"] = Kept(WORDS_SECONDS)
    app.extensions["word_facets"] = Kept(WORDS_SECONDS, most=2)
    app.extensions["glosses"] = Kept(GLOSSES_SECONDS)
    app.extensions["last_glosses"] = []
    app.extensions["slow_facts"] = SlowFacts(gather_slow)
    app.extensions["status"] = Kept(status.KEPT_SECONDS)
    app.extensions["status_slow"] = Background("status-facts", gather_status)


def _refuse_odd() -> ResponseReturnValue | None:
    """Refuse an address or form with a NUL, which no text of PostgreSQL can hold: no page has one."""
    if not request.headers.get("Authorization", "").isascii():
        # No password is written so (RFC 9110, 11.4), and werkzeug raises ValueError on it.
        request.environ.pop("HTTP_AUTHORIZATION")
    if "\0" in request.path:
        return _error(404, "Not Found")
    if any("\0" in value for _, value in request.values.items(multi=True)):
        return _error(400, "There is a NUL in the address or form")
    return None


def _add_headers(answer: Response) -> Response:
    of_dashboard = request.path.startswith(f"{dashboard.PLACE}/")
    # A page of foreign HTML has a policy of its own (mrilu/web/pages/html_mail.py).
    policy = _DASHBOARD_POLICY if of_dashboard else _POLICY
    answer.headers.setdefault("Content-Security-Policy", policy)
    answer.headers["X-Content-Type-Options"] = "nosniff"
    if g.get("logged_in") and "no-store" not in answer.headers.get("Cache-Control", ""):
        answer.headers["Cache-Control"] = (
            "private, no-cache"  # it may show what others must not see
        )
        answer.vary.add("Cookie")
    # A token in the address must not travel on.
    # With "no-referrer" a browser says "Origin: null" of a form that it sends, as of another site's.
    acts = of_dashboard or request.blueprint in ("status", "operators")
    answer.headers["Referrer-Policy"] = "same-origin" if acts else "no-referrer"
    return answer


def _tell(error: HTTPException) -> ResponseReturnValue:
    return _error(error.code or 500, error.name)


def _apologise(error: Exception) -> ResponseReturnValue:
    logger.error("a page failed path=%s", request.url_rule or "?", exc_info=error)
    return _error(500, "Something went wrong here")


def _ask_to_wait(error: Exception) -> ResponseReturnValue:
    logger.warning(
        "a page waits for its servers path=%s: %s", request.url_rule, type(error).__name__
    )
    shown = _error(503, "The archive cannot be reached just now", AWAY_SECONDS)
    shown.headers["Retry-After"] = str(AWAY_SECONDS)
    return shown


def _error(code: int, name: str, wait: int = 0) -> Response:
    if api.prefers_json():
        return api.as_error(code, name)
    return make_response(render_template("error.html", code=code, name=name, wait=wait), code)
