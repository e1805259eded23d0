"""/unsubscribe/TOKEN: what links in notifications lead to. A mail client POSTs (RFC 8058), a person is asked first."""

from __future__ import annotations

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from mrilu.notifications.tokens import Outcome, token_key, unsubscribe, verify
from mrilu.runtime.database import database
from mrilu.settings.current import current_settings
from mrilu.web.patience import Asker

pages = Blueprint("unsubscribe", __name__)

PATIENCE = 10.0  # seconds
_database = Asker("database")


@pages.get("/unsubscribe/<token>")
def ask(token: str) -> ResponseReturnValue:
    """Ask whether it is meant: mail scanners follow every link."""
    if not _database.ask(lambda: _is_ours(token), PATIENCE):
        return _forged()
    return render_template("unsubscribe.html", state="ask")


@pages.post("/unsubscribe/<token>")
def give_up(token: str) -> ResponseReturnValue:
    """Give up the subscription (or all) that the token names; again is no error."""
    if _database.ask(lambda: _give_up(token), PATIENCE) is Outcome.FORGED:
        return _forged()
    return render_template("unsubscribe.html", state="done")


def _is_ours(token: str) -> bool:
    return verify(token, token_key(database(), current_settings().token_secret)) is not None


def _give_up(token: str) -> Outcome:
    db = database()
    return unsubscribe(db, token, token_key(db, current_settings().token_secret))


def _forged() -> ResponseReturnValue:
    return render_template("unsubscribe.html", state="forged"), 404
