"""Answers that a browser may keep: the ETag comes from what a page is made of, and is asked before the page is made."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from flask import Response, current_app, make_response, request

from mrilu.web.access import is_operator
from mrilu.web.kept import KeptBySize
from mrilu.web.readers import shows_addresses

MOST_KEPT = 64 * 1024 * 1024  # characters of pages


def kept_pages() -> KeptBySize[str]:
    """Return a store of pages by what they are made of."""
    return KeptBySize(MOST_KEPT, len)


def answer(*facts: object, make: Callable[[], str | Response], seconds: int = 0) -> Response:
    """Return 304 where the browser has the page of these facts already, else the page that `make` makes.

    `seconds` is how long it may be shown without asking again; who may see it is among the facts. What everyone sees
    is kept for the next who asks for the same.
    """
    digest = hashlib.blake2b(
        repr((current_app.config["RENDERING"], shows_addresses(), facts)).encode(), digest_size=12
    ).hexdigest()
    if request.if_none_match.contains_weak(digest):
        found = Response(status=304)
    else:
        found = make_response(make() if is_operator() else _kept(digest, make))
    found.set_etag(digest, weak=True)
    found.headers["Cache-Control"] = f"private, max-age={seconds}" if seconds else "no-cache"
    return found


def _kept(digest: str, make: Callable[[], str | Response]) -> str | Response:
    """Return a page as it was made for another who asked; what is no text (a file, a feed) is made anew."""
    other: list[Response] = []

    def text() -> str:
        made = make()
        if isinstance(made, str):
            return made
        other.append(made)
        return ""

    store: KeptBySize[str] = current_app.extensions["pages"]
    return store.get(digest, text) or (other[0] if other else make())
