"""Answers that a browser may keep: the ETag comes from what a page is made of, and is asked before the page is made."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from flask import Response, make_response, request

from mrilu.web.readers import shows_addresses

RENDERING = "2"  # changes whenever pages of the same rows look different


def answer(*facts: object, make: Callable[[], str | Response], seconds: int = 0) -> Response:
    """Return 304 where the browser has the page of these facts already, else the page that `make` makes.

    `seconds` is how long it may be shown without asking again; who may see it is among the facts.
    """
    digest = hashlib.blake2b(
        repr((RENDERING, shows_addresses(), facts)).encode(), digest_size=12
    ).hexdigest()
    if request.if_none_match.contains_weak(digest):
        found = Response(status=304)
    else:
        found = make_response(make())
    found.set_etag(digest, weak=True)
    found.headers["Cache-Control"] = f"private, max-age={seconds}" if seconds else "no-cache"
    return found
