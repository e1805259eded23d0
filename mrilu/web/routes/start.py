"""The first page: search, the lists with their newest messages, where things are."""

from __future__ import annotations

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from mrilu.runtime.database import database
from mrilu.web.caching import answer
from mrilu.web.patience import ask_database
from mrilu.web.queries.archive import lists
from mrilu.web.readers import current_reader

pages = Blueprint("start", __name__)


@pages.get("/")
def start() -> ResponseReturnValue:
    """Show the first page."""
    reader = current_reader()
    found = ask_database(lambda: lists(database(), reader))
    return answer("start", found, reader, make=lambda: render_template("start.html", lists=found))
