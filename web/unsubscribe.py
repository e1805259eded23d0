"""/unsubscribe/TOKEN: what links in notifications lead to. A mail client POSTs (RFC 8058), a person is asked first."""

from __future__ import annotations

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from jobs.notification.tokens import Outcome, token_key, unsubscribe, verify
from jobs.resources import database, settings

pages = Blueprint("unsubscribe", __name__)


@pages.get("/unsubscribe/<token>")
def ask(token: str) -> ResponseReturnValue:
    """Ask whether it is meant: mail scanners follow every link."""
    db = database()
    if verify(token, token_key(db, settings().token_secret)) is None:
        return _forged()
    return render_template("unsubscribe.html", state="ask")


@pages.post("/unsubscribe/<token>")
def give_up(token: str) -> ResponseReturnValue:
    """Give up the subscription (or all) that the token names; again is no error."""
    db = database()
    if unsubscribe(db, token, token_key(db, settings().token_secret)) is Outcome.FORGED:
        return _forged()
    return render_template("unsubscribe.html", state="done")


def _forged() -> ResponseReturnValue:
    return render_template("unsubscribe.html", state="forged"), 404
