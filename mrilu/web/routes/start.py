"""The first page: search, the lists with their newest messages, where things are."""

from __future__ import annotations

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from models import Reader
from mrilu.runtime.database import database
from mrilu.web.caching import answer
from mrilu.web.patience import ask_database
from mrilu.web.queries.archive import ListRow, lists
from mrilu.web.queries.front import Talk, newest_threads
from mrilu.web.readers import current_reader

pages = Blueprint("start", __name__)

WITH_THREADS = (
    12  # lists that are shown with their newest threads; those with the newest mail are first
)


@pages.get("/")
def start() -> ResponseReturnValue:
    """Show the first page."""
    reader = current_reader()
    found, talks = ask_database(lambda: _lists_and_threads(reader))
    facts = ("start", found, talks, reader)
    return answer(*facts, make=lambda: render_template("start.html", lists=found, talks=talks))


def _lists_and_threads(reader: Reader) -> tuple[list[ListRow], dict[str, list[Talk]]]:
    db = database()
    found = lists(db, reader)
    return found, newest_threads(db, [one.list_id for one in found[:WITH_THREADS]], reader)
