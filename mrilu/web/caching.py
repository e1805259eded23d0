"""Answers that a browser may keep: the ETag comes from what a page is made of, and is asked before the page is made.

By the same digest a page is kept here, where its facts say all that it shows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import NamedTuple

from flask import Response, current_app, g, make_response, request

from mrilu.web.access import is_operator
from mrilu.web.pages.glosses import Glosses
from mrilu.web.pages_kept import Page, PagesKept
from mrilu.web.readers import shows_addresses
from mrilu.web.stamps_kept import Stamp, StampsKept


def answer(*facts: object, make: Callable[[], str | Response], seconds: int = 0) -> Response:
    """Return 304 where the browser has the page of these facts already, else the page that `make` makes.

    `seconds` is how long it may be shown without asking again; who may see it is among the facts.
    """
    return _answer(_digest_of(facts), make, seconds)


def kept_answer(
    *facts: object, make: Callable[[], str | bytes], kind: str = "text/html; charset=utf-8"
) -> Response:
    """Return what `answer` does, with a page of a kind made once for all readers to whom its facts are the same.

    So the facts name all that it shows. What an operator sees is never kept: it may hold what none else may read.
    """
    digest = _digest_of(facts)

    def page() -> Response:
        made = make() if is_operator() else _kept(digest, make)
        return Response(made, content_type=kind)

    return _answer(digest, page, 0)


class GlossedPage(NamedTuple):
    """A page, and the stamp of its texts."""

    html: str
    stamp: Stamp


def glossed_answer(*facts: object, glosses: Glosses, make: Callable[[], GlossedPage]) -> Response:
    """Return what `kept_answer` does, with a page of texts with these glosses; its facts name all else that it shows.

    So its ETag is another where a word that it links means something else, and not where any other does. Where it is
    not known what its texts look like, the page is made to find out.
    """
    page = _digest_of(facts)
    stamps: StampsKept = current_app.extensions["stamps_kept"]
    made: list[GlossedPage] = []
    if (stamp := stamps.find(page, glosses)) is None:
        made.append(make())
        stamp = made[0].stamp
        stamps.keep(page, stamp, glosses)
    return kept_answer(page, stamp.looks, make=lambda: (made[0] if made else make()).html)


def answer_as_made(*facts: object, make: Callable[[], str], state: str) -> Response:
    """Return the page that `make` makes, with an ETag of what it says: the facts of some pages are as long as they are.

    As long as `state` is the same, and not "", the page of the same facts is made once for all readers but operators.
    """
    digest = _digest_of((facts, state))
    page = _kept(digest, make) if state and not is_operator() else make().encode()
    return _answer(_digest(page), lambda: Response(page, mimetype="text/html"), 0)


def _answer(digest: str, make: Callable[[], str | Response], seconds: int) -> Response:
    if request.if_none_match.contains_weak(digest):
        found = Response(status=304)
    else:
        found = make_response(make())
    found.set_etag(digest, weak=True)
    found.headers["Cache-Control"] = f"private, max-age={seconds}" if seconds else "no-cache"
    return found


def _digest_of(facts: tuple[object, ...]) -> str:
    told = repr((current_app.config["RENDERING"], shows_addresses(), facts))
    return _digest(told.encode("utf-8", "backslashreplace"))


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=12).hexdigest()


def _kept(digest: str, make: Callable[[], str | bytes]) -> bytes:
    """Return a page that is kept, or make it; `g.page` lets it be packed once."""
    pages: PagesKept = current_app.extensions["pages_kept"]
    if (page := pages.find(digest)) is None:
        made = make()
        page = Page(made if isinstance(made, bytes) else made.encode())
        pages.keep(digest, page)
    g.page = page
    return page.content
