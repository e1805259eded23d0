"""/status: the machine room. What a server that is away would have told is left out, and the page says so."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from flask import Blueprint, Response, abort, current_app, redirect, render_template, request
from flask.typing import ResponseReturnValue

from models import Maildir, Rejected
from mrilu.archive.read import read_bytes
from mrilu.runtime.database import database
from mrilu.runtime.redis import redis_connection
from mrilu.web.access import form_token, refuse_strangers, session
from mrilu.web.background import Background, Found
from mrilu.web.caching import answer
from mrilu.web.kept import Kept
from mrilu.web.pages import status as shown
from mrilu.web.patience import Asker, ask_database
from mrilu.web.queries import status as queries
from mrilu.web.sessions import BASIC

logger = logging.getLogger(__name__)

pages = Blueprint("status", __name__)

T = TypeVar("T")

PATIENCE = 3.0  # seconds for each of three
FIRST_PATIENCE = 2.0  # seconds for the first ledger
KEPT_SECONDS = 1.0  # that one look serves all who look
PREVIEW_BYTES, PREVIEW_LINES = 4096, 40
_postgresql, _redis, _both = Asker("postgresql"), Asker("redis"), Asker("jobs")


class Looked(NamedTuple):
    """One look at everything; None where a server does not answer. The hour says when a chart moves on."""

    hour: datetime
    stored: queries.Stored | None
    moving: queries.Moving | None
    jobs: queries.Jobs | None

    def down(self) -> list[str]:
        """Return the servers that do not answer."""
        told = (("PostgreSQL", self.stored), ("Redis", self.moving))
        return [name for name, facts in told if facts is None]


@pages.before_request
def _guard() -> ResponseReturnValue | None:
    refusal = refuse_strangers()
    if refusal is None or refusal.status_code != 401 or request.authorization:
        return refusal
    if request.accept_mimetypes.best_match(("text/plain", "text/html")) == "text/html":
        return redirect(f"/login?next={request.path}", 303)
    return refusal


@pages.after_request
def _keep_private(sent: Response) -> Response:
    # no-transform: a page with a token must not be compressed on the way (BREACH)
    sent.headers["Cache-Control"] = "no-store, no-transform"
    return sent


@pages.get("/status")
def status() -> ResponseReturnValue:
    """Show the ledgers, mails and lag by hour, schedule, queues, rejected mail, embeddings, exports, outbox, sizes."""
    looked, slow, token = last_look(), slow_facts(), form_token()

    def make() -> str:
        facts = _shown(looked, slow)
        return render_template("status.html", down=looked.down(), token=token, **facts)

    return tell_of_servers(looked, answer("status", looked, slow, token, make=make))


def last_look() -> Looked:
    """Return what PostgreSQL and Redis tell at once, up to KEPT_SECONDS old."""
    kept: Kept[Looked] = current_app.extensions["status"]
    return kept.get("all", _look)


def slow_facts() -> Found[queries.Slow]:
    """Return what takes its time, as it was gathered last."""
    background: Background[queries.Slow] = current_app.extensions["status_slow"]
    return background.found(FIRST_PATIENCE)


def tell_of_servers(looked: Looked, sent: Response) -> Response:
    """Make an answer that is whole the 503 that it is where a server does not answer."""
    if looked.down() and sent.status_code == 200:
        sent.status_code = 503
        sent.headers["Retry-After"] = "5"
    return sent


def _look() -> Looked:
    now = datetime.now(UTC)
    stored = _ask("postgresql", _postgresql, lambda: queries.stored(database(), now))
    moving = _ask("redis", _redis, lambda: queries.moving(redis_connection()))
    jobs = None
    if stored and moving:
        jobs = _ask("jobs", _both, lambda: queries.jobs(database(), redis_connection(), now))
    return Looked(now.replace(minute=0, second=0, microsecond=0), stored, moving, jobs)


def _ask(name: str, asker: Asker, work: Callable[[], T]) -> T | None:
    """Return what `work` returns, None when a server is away or hangs."""
    try:
        return asker.ask(work, PATIENCE)
    except Exception as error:
        logger.warning("/status: %s does not answer: %s", name, type(error).__name__)
        return None


def _shown(looked: Looked, slow: Any) -> dict[str, Any]:
    """Return what the template shows."""
    facts: dict[str, Any] = {"moving": looked.moving, "stored": looked.stored, "jobs": looked.jobs}
    facts |= {"slow": slow.facts, "drawn_up": datetime.fromtimestamp(slow.at, UTC), "s": shown}
    facts["logged_in"] = session() != BASIC
    if looked.stored:
        hours = shown.hour_rows(looked.hour, looked.stored.mails, looked.stored.lag)
        facts |= {"hours": hours, "sizes": looked.stored.sizes}
    return facts


@pages.get("/status/rejected/<int:number>")
def rejected(number: int) -> ResponseReturnValue:
    """Show why a file was rejected, and its first lines."""
    row, maildir = rejection(number)
    lines, problem = first_lines(maildir, row)
    return render_template(
        "rejected.html",
        row=row,
        maildir=maildir,
        lines=lines,
        problem=problem,
        token=form_token(),
    )


def rejection(number: int) -> tuple[Rejected, Maildir]:
    """Return a rejected file and its Maildir; 404 where there is none."""

    def ask() -> tuple[Rejected, Maildir] | None:
        database()
        row = Rejected.get_or_none(Rejected.id == number) if number < 2**63 else None
        return (row, Maildir.get_by_id(row.maildir)) if row else None

    return ask_database(ask) or abort(404)


def first_lines(maildir: Maildir, row: Rejected) -> tuple[list[str], str]:
    """Return the first lines of a file, and why there are none."""
    try:
        raw = read_bytes(Path(maildir.place), row.path(), PREVIEW_BYTES)
    except OSError as error:
        return [], error.strerror or type(error).__name__
    text = raw[:PREVIEW_BYTES].decode("utf-8", "backslashreplace")
    return text.splitlines()[:PREVIEW_LINES], ""
