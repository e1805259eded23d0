"""Search: the same queries as `./run.sh search`, with an address that can be kept."""

from __future__ import annotations

import re
from functools import partial
from typing import NamedTuple

from flask import Blueprint, current_app, render_template, request
from flask.typing import ResponseReturnValue

from models import EmbeddingModel
from mrilu.embeddings.model import EncoderMissing
from mrilu.runtime.database import database
from mrilu.search.asked import AskedThread, like_question, threads_of
from mrilu.search.engine import KINDS, Wanted, search
from mrilu.search.grammar import QueryError
from mrilu.search.patience import SearchTooSlow
from mrilu.search.query_vector import QueryEncoder, encode_query
from mrilu.web.patience import ask_database
from mrilu.web.readers import current_reader

pages = Blueprint("search", __name__)

A_PAGE = 20
MOST_PAGES = 50
QUESTION = 3  # words, from which on a search is taken for a question
MOST_SIMILAR = 3  # threads above the hits
SIMILAR_SECONDS = 1.0
_OPERATOR = re.compile(r'["():]|(?:^|\s)-\w|\bOR\b')
LONGEST = 1000  # characters of a query


class _Asked(NamedTuple):
    """What the address of a search says."""

    query: str
    kind: str
    by_thread: bool
    page: int


@pages.get("/search")
def find() -> ResponseReturnValue:
    """Show what answers ?q=, of one kind (?in=message, word or sentence), by message or (?by=thread) by thread."""
    asked = _asked()
    if not asked.query.strip():
        return render_template("search.html", asked=asked, kinds=KINDS, page=None)
    try:
        if len(asked.query) > LONGEST:
            raise QueryError(f"a search has at most {LONGEST} characters", LONGEST + 1)
        wanted, encode = _wanted(asked), _encoder()
        found = ask_database(lambda: search(database(), asked.query, asked.kind, wanted, encode))
    except QueryError as error:
        shown = render_template("search.html", asked=asked, kinds=KINDS, page=None, error=error)
        return shown, 400
    except SearchTooSlow as error:
        shown = render_template("search.html", asked=asked, kinds=KINDS, page=None, slow=error)
        return shown, 503, {"Retry-After": "60"}
    more = found.more or found.total > asked.page * A_PAGE
    near = _asked_before(asked, encode)
    return render_template(
        "search.html", asked=asked, kinds=KINDS, page=found, more=more, similar=near
    )


def _asked_before(asked: _Asked, encode: QueryEncoder | None) -> list[AskedThread]:
    """Return the threads nearest to what reads as a question, with its first page of messages; none without vectors."""
    plain = len(asked.query.split()) >= QUESTION and not _OPERATOR.search(asked.query)
    if encode is None or asked.kind != "message" or asked.page > 1 or not plain:
        return []
    reader, seconds = current_reader(), current_app.config["SEARCH_SECONDS"]

    def find() -> list[AskedThread]:
        if (model := EmbeddingModel.searched()) is None:
            return []
        vector = encode(model, asked.query)
        near = like_question(database(), model, vector, reader, min(SIMILAR_SECONDS, seconds))
        return threads_of(database(), near, reader)

    try:
        return ask_database(find)[:MOST_SIMILAR]
    except EncoderMissing:
        return []  # the search itself says so


def _asked() -> _Asked:
    args = request.args
    kind = args.get("in", "message")
    number = args.get("page", "1")
    return _Asked(
        args.get("q", ""),
        kind if kind in KINDS else "message",
        args.get("by") == "thread",
        min(MOST_PAGES, max(1, int(number))) if number.isascii() and number.isdigit() else 1,
    )


def _wanted(asked: _Asked) -> Wanted:
    return Wanted(
        by_thread=asked.by_thread,
        limit=A_PAGE,
        offset=(asked.page - 1) * A_PAGE,
        seconds=current_app.config["SEARCH_SECONDS"],
        reader=current_reader(),
    )


def _encoder() -> QueryEncoder | None:
    device = current_app.config["EMBEDDING_DEVICE"]
    return partial(encode_query, device=device) if device else None
