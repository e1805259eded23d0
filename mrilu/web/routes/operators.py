"""The operators' login, and what they can do from the pages: each acts by POST, with a token, and is logged."""

from __future__ import annotations

import logging
import time
from urllib.parse import urlsplit

import peewee
import psycopg
from flask import Blueprint, Response, abort, make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue

from jobs.schedule import SCHEDULE
from models import Message, Notification, Restriction
from mrilu.archive import withholding
from mrilu.queues.enqueue import enqueue_now
from mrilu.queues.retries import retry_rejected
from mrilu.runtime.database import database
from mrilu.runtime.redis import redis_connection
from mrilu.settings.current import current_settings
from mrilu.web import addresses
from mrilu.web.access import (
    TooManyGuesses,
    form_token,
    log_in,
    log_out,
    password_if_right,
    refuse_forged,
    refuse_other_sites,
    refuse_strangers,
)
from mrilu.web.patience import ask_database
from mrilu.web.queries.history import history

logger = logging.getLogger(__name__)

pages = Blueprint("operators", __name__)

BY = "web"  # who decided, in `withholding`: the password is one for all operators
OPEN = ("operators.ask_password", "operators.take_password")
REFUSED = "the database role of the web pages may not do that (docs/roles.sql): use ./run.sh"


@pages.before_request
def _guard() -> ResponseReturnValue | None:
    if request.endpoint in OPEN:
        return refuse_other_sites()
    if refusal := refuse_strangers():
        return refusal
    return refuse_forged() if request.method == "POST" else None


@pages.after_request
def _keep_private(answer: Response) -> Response:
    # no-transform: a page with a token must not be compressed on the way (BREACH)
    answer.headers["Cache-Control"] = "no-store, no-transform"
    return answer


@pages.errorhandler(psycopg.errors.InsufficientPrivilege)
@pages.errorhandler(peewee.ProgrammingError)
def _tell_of_grants(error: Exception) -> ResponseReturnValue:
    cause = error.__cause__ if isinstance(error, peewee.ProgrammingError) else error
    if not isinstance(cause, psycopg.errors.InsufficientPrivilege):
        raise error
    logger.warning("an operator's action was refused by the database: %s", error)
    return render_template("error.html", code=403, name=REFUSED), 403


@pages.get("/login")
def ask_password() -> ResponseReturnValue:
    """Show the form."""
    return _form()


@pages.post("/login")
def take_password() -> ResponseReturnValue:
    """Begin a session and lead to ?next=, where the password is right."""
    try:
        password = password_if_right(request.form.get("password", ""))
    except TooManyGuesses as error:
        return _form(str(error)), 429, {"Retry-After": str(error.seconds)}
    if not password:
        return _form("This is not the password."), 403
    answer = make_response(redirect(_next(), 303))
    log_in(answer, password)
    return answer


@pages.post("/logout")
def leave() -> ResponseReturnValue:
    """End the session."""
    answer = make_response(redirect("/", 303))
    log_out(answer)
    return answer


def _form(problem: str = "") -> str:
    return render_template("login.html", next=_next(), problem=problem)


def _next() -> str:
    """Return where the login leads: a page of this site."""
    asked = request.values.get("next", "")
    parts = urlsplit(asked)
    plain = asked.startswith("/") and asked.isprintable() and "\\" not in asked
    away = parts.scheme or parts.netloc or asked.startswith("//")
    return asked if plain and not away else "/status"


@pages.post("/status/rejected/retry")
def retry_mail() -> ResponseReturnValue:
    """Have rejected files read again: one (`id`), those of a `reason`, or (neither) all."""
    chosen, reason = request.form.get("id", ""), request.form.get("reason", "")
    number = _number(chosen) if chosen else None

    def work() -> int:
        database()
        offered = retry_rejected(reason or None, current_settings().batch_size, number)
        return sum(map(len, offered.values()))

    count = ask_database(work)
    logger.warning("operator: rejected mail is tried again files=%d id=%s", count, number)
    return _back("rejected")


@pages.post("/status/notifications/retry")
def retry_notifications() -> ResponseReturnValue:
    """Let notifications that were given up be sent after all: one (`id`), or all."""
    chosen = request.form.get("id", "")
    number = _number(chosen) if chosen else None

    def work() -> int:
        database()
        return Notification.revive(number)

    count = ask_database(work)
    logger.warning("operator: dead notifications are tried again rows=%d id=%s", count, number)
    return _back("notifications")


@pages.post("/status/run/<job>")
def run_job(job: str) -> ResponseReturnValue:
    """Enqueue a job of the schedule now; one that waits or runs already is left alone."""
    row = next((one for one in SCHEDULE if one.id == job), None)
    if row is None:
        abort(404)
    job_id = enqueue_now(row, f"{row.id}-now-{time.time_ns()}", redis_connection())
    logger.warning("operator: job=%s is enqueued id=%s", row.id, job_id)
    return _back("schedule")


def _back(place: str) -> ResponseReturnValue:
    return redirect(f"/status#{place}", 303)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        abort(400)
    return int(text)


@pages.get("/m/<message_hash>/history")
def show_history(message_hash: str) -> ResponseReturnValue:
    """Show where the message's files lie, when and by what they came in, and what was rejected of them."""
    found = ask_database(lambda: [history(row) for row in named(message_hash)])
    return render_template("history.html", found=found, hash=message_hash.upper())


@pages.get("/m/<message_hash>/withhold")
def ask_withhold(message_hash: str) -> ResponseReturnValue:
    """Show what withholding a message would hide: the message, and the replies that quote it."""
    rows = ask_database(lambda: named(message_hash))
    quotes = ask_database(lambda: _quoting(rows))
    return render_template(
        "withhold.html",
        rows=rows,
        quotes=quotes,
        withheld=any(row.restrictions & Restriction.WITHHELD for row in rows),
        token=form_token(),
        hash=message_hash.upper(),
    )


@pages.post("/m/<message_hash>/withhold")
def withhold(message_hash: str) -> ResponseReturnValue:
    """Hide the message, or (`erase`) take its text out of the database; `quotes` are replies to withhold, too."""
    form = request.form
    kind = withholding.ERASED if form.get("erase") else withholding.HIDDEN
    wanted = {_number(one) for one in form.getlist("quotes")}

    def work() -> int:
        rows = named(message_hash)
        taken = rows + [one for one, _ in _quoting(rows) if one.id in wanted]
        withholding.withhold(database(), taken, kind, BY, form.get("reason", ""))
        return len(taken)

    count = ask_database(work)
    logger.warning("operator: messages are %s hash=%s messages=%d", kind, message_hash, count)
    return redirect(addresses.of_message(message_hash.upper()), 303)


@pages.post("/m/<message_hash>/restore")
def restore(message_hash: str) -> ResponseReturnValue:
    """Show hidden messages again."""

    def work() -> str:
        rows = [one for one in named(message_hash) if one.restrictions & Restriction.WITHHELD]
        try:
            if not rows:
                raise withholding.NotWithheld("the message is not withheld")
            withholding.show_again(database(), rows)
        except withholding.NotWithheld as error:
            return str(error)
        return ""

    if problem := ask_database(work):
        return render_template("error.html", code=409, name=problem), 409
    logger.warning("operator: messages are shown again hash=%s", message_hash)
    return redirect(addresses.of_message(message_hash.upper()), 303)


def named(message_hash: str) -> list[Message]:
    """Return the messages of a Message-ID; 404 where there is none."""
    database()
    return Message.at_permalink(message_hash) or abort(404)


def _quoting(rows: list[Message]) -> list[tuple[Message, int]]:
    """Return the replies that quote one of these messages, each once, with how many lines."""
    found: dict[int, tuple[Message, int]] = {}
    for row in rows:
        for one, count in withholding.quoting(database(), row):
            found.setdefault(one.id, (one, count))
    return [pair for number, pair in found.items() if number not in {row.id for row in rows}]
