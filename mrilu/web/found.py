"""What answers a search, for those who want no page: feeds and mboxes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from flask import Response, current_app

from mrilu.runtime.database import database
from mrilu.search.engine import Wanted, search
from mrilu.search.grammar import QueryError
from mrilu.search.patience import SearchTooSlow
from mrilu.web.patience import ask_database
from mrilu.web.readers import current_reader

T = TypeVar("T")

LONGEST = 1000  # characters of a query
_PLAIN = "text/plain; charset=utf-8"


def or_told(find: Callable[[], T]) -> T | Response:
    """Return what a search finds, or a plain line that says what is wrong with it."""
    try:
        return find()
    except QueryError as error:
        return Response(f"{error}\n", 400, content_type=_PLAIN)
    except SearchTooSlow as error:
        return Response(f"{error}\n", 503, {"Retry-After": "60"}, content_type=_PLAIN)


def found_by(query: str, most: int) -> list[int]:
    """Return the messages that answer a query, the best first. Raises QueryError, SearchTooSlow."""
    if not query.strip() or len(query) > LONGEST:
        raise QueryError(f"a search has from 1 to {LONGEST} characters", 1)
    wanted = Wanted(
        mode="text",
        limit=most,
        seconds=current_app.config["SEARCH_SECONDS"],
        reader=current_reader(),
    )
    return [
        hit.id for hit in ask_database(lambda: search(database(), query, "message", wanted)).hits
    ]
