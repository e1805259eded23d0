"""Search: the same queries as `./run.sh search`, with an address that can be kept."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypeVar

from flask import Blueprint, current_app, render_template, request
from flask.typing import ResponseReturnValue

from models import EmbeddingModel
from mrilu.embeddings.model import EncoderMissing
from mrilu.runtime.database import database
from mrilu.search.asked import AskedThread, like_question, threads_of
from mrilu.search.engine import KINDS, Page, Wanted, search
from mrilu.search.facets import Facet, Facets
from mrilu.search.grammar import QueryError
from mrilu.search.patience import SearchTooSlow
from mrilu.search.query_vector import QueryEncoder, encode_query
from mrilu.web import addresses
from mrilu.web.caching import answer_as_made
from mrilu.web.found import LONGEST
from mrilu.web.kept import Kept
from mrilu.web.keyset import mark_at, place_at
from mrilu.web.masking import masked
from mrilu.web.pages.years import years_histogram
from mrilu.web.patience import ask_database
from mrilu.web.readers import current_reader, shows_addresses

T = TypeVar("T")

pages = Blueprint("search", __name__)

A_PAGE = 20
MOST_PAGES = 50  # by number; by place there is no end
MOST_PAGES_BY_PLACE = 10**8
MOST_BACK = 20  # pages by place that an address knows the way back over
QUESTION = 3  # words, from which on a search is taken for a question
MOST_SIMILAR = 3  # threads above the hits
SIMILAR_SECONDS = 1.0
_OPERATOR = re.compile(r'["():]|(?:^|\s)-\w|\bOR\b')
FACETS_SHARE = 10  # of the time of a search goes into how it is spread


class Asked(NamedTuple):
    """What the address of a search says."""

    query: str
    kind: str
    by_thread: bool
    page: int
    after: str = (
        ""  # the place behind which it begins (mrilu/web/keyset.py), for messages one by one
    )


class Answer(NamedTuple):
    """What was found, how it is spread, and the threads in which the like was asked before."""

    found: Page
    spread: Facets | None
    near: list[AskedThread]
    state: str  # of the database: as long as it is the same, so is the answer; "" where that cannot be told


@pages.get("/search")
def find() -> ResponseReturnValue:
    """Show what answers ?q=, of one kind (?in=message, word or sentence), by message or (?by=thread) by thread."""
    asked = asked_for()
    if not asked.query.strip():
        return render_template("search.html", asked=asked, kinds=KINDS, page=None)
    try:
        found, spread, near, state = answer_to(asked, asked_before=True)
    except QueryError as error:
        shown = render_template("search.html", asked=asked, kinds=KINDS, page=None, error=error)
        return shown, 400
    except SearchTooSlow as error:
        shown = render_template("search.html", asked=asked, kinds=KINDS, page=None, slow=error)
        return shown, 503, {"Retry-After": "60"}
    back, narrowed = way_back(), narrowing(asked)
    return answer_as_made(
        "search",
        asked,
        back,
        current_reader(),
        # these may change with the state as it was: what took too long, a model that is missing
        (found.notices, spread is None, [one.thread for one in near]),
        state=state,
        make=lambda: render_template(
            "search.html",
            asked=asked,
            kinds=KINDS,
            page=found,
            before=before(asked, back),
            further=with_way_back(further(asked, found), asked, back),
            facets=spread,
            histogram=years_histogram(spread.years, narrowed) if spread else "",
            similar=near,
            narrowed=narrowed,
        ),
    )


def answer_to(asked: Asked, *, asked_before: bool) -> Answer:
    """Return what answers a search, kept as long as nothing is written to the database.

    Raises QueryError, SearchTooSlow.
    """
    check(asked)
    wanted, encode = wanted_of(asked), encoder()
    keep = _Keeping((asked, wanted.reader))
    found = ask_database(lambda: search(database(), asked.query, asked.kind, wanted, encode, keep))
    near: list[AskedThread] = []
    if encode and asked_before and _is_question(asked):
        near = keep.near(partial(_asked_before, asked, encode))
    return Answer(found, _shown_facets(found), near, keep.state)


class _Keeping:
    """What is kept of one search, as long as the state of the database that it was made in."""

    def __init__(self, key: object) -> None:
        self._kept: Kept[Any] = current_app.extensions["searches"]
        self._key, self.state = key, ""

    def __call__(self, state: str, make: Callable[[], Page]) -> Page:
        self.state = state
        return self._get("found", make)

    def near(self, make: Callable[[], list[AskedThread]]) -> list[AskedThread]:
        """Return the threads in which the like was asked before."""
        return self._get("near", make)

    def _get(self, what: str, make: Callable[[], T]) -> T:
        key = (what, self._key, self.state)
        found: T = self._kept.get(key, make) if self.state else make()
        return found


def _is_question(asked: Asked) -> bool:
    """Tell whether this is the first page of messages for what reads as a question."""
    plain = len(asked.query.split()) >= QUESTION and not _OPERATOR.search(asked.query)
    return asked.kind == "message" and asked.page == 1 and plain


def _asked_before(asked: Asked, encode: QueryEncoder) -> list[AskedThread]:
    """Return the threads nearest to a question; none without vectors."""
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


def _shown_facets(found: Page) -> Facets | None:
    """Return how what was found is spread, for readers."""
    spread = found.spread if found.hits else None
    if spread is None or shows_addresses():
        return spread
    # A link that looks for an author holds the name as it is.
    return spread._replace(authors=[one for one in spread.authors if masked(one.name) == one.name])


def narrowing(asked: Asked) -> Callable[[Facet], str]:
    """Return what gives the address of the search that finds only what has a value."""
    narrower = addresses.narrower(asked.query, by="thread" if asked.by_thread else "")
    return lambda facet: narrower(facet.terms)


def check(asked: Asked) -> None:
    """Raise QueryError for a search that is too long to be made."""
    if len(asked.query) > LONGEST:
        raise QueryError(f"a search has at most {LONGEST} characters", LONGEST + 1)


def has_more(asked: Asked, found: Page) -> bool:
    """Tell whether there is a page after this one."""
    last = found.last is None and asked.page >= MOST_PAGES
    return not last and (found.more or found.total > asked.page * A_PAGE)


def further(asked: Asked, found: Page) -> dict[str, str]:
    """Return what the address of the next page says beside the query; {} where there is none."""
    if not has_more(asked, found):
        return {}
    place = {"after": mark_at(found.last)} if found.last else {}
    return {"page": str(asked.page + 1), **place}


def way_back() -> tuple[str, ...]:
    """Return the places that the pages before this one begin behind, from the first on that has no number, as asked."""
    places = tuple(request.args.get("back", "").split())
    return places if len(places) <= MOST_BACK and all(map(place_at, places)) else ()


def before(asked: Asked, back: tuple[str, ...]) -> dict[str, str]:
    """Return what the address of the page before this one says beside the query; {} on the first page.

    Where the address does not tell the way back, the last page that has a number is what is left.
    """
    if asked.page <= 1:
        return {}
    if asked.page <= MOST_PAGES + 1 or not back:
        return {"page": str(min(asked.page - 1, MOST_PAGES))}
    return {"page": str(asked.page - 1), "after": back[-1], "back": " ".join(back[:-1])}


def with_way_back(further: dict[str, str], asked: Asked, back: tuple[str, ...]) -> dict[str, str]:
    """Return what the address of the next page says, with the way back from there."""
    if asked.page <= MOST_PAGES or not further:
        return further
    return further | {"back": " ".join((*back, asked.after)[-MOST_BACK:])}


def asked_for() -> Asked:
    """Return what the address of the request asks for."""
    args = request.args
    kind = args.get("in", "message")
    number = args.get("page", "1")
    inside = args.get("thread", "")
    after = args.get("after", "")
    most = MOST_PAGES if place_at(after) is None else MOST_PAGES_BY_PLACE
    query = args.get("q", "")
    return Asked(
        f"{query} thread:{inside}" if inside and query.strip() else query,
        kind if kind in KINDS else "message",
        args.get("by") == "thread",
        min(most, max(1, int(number[:9]))) if number.isascii() and number.isdigit() else 1,
        after if place_at(after) else "",
    )


def wanted_of(asked: Asked) -> Wanted:
    """Return how the search is to be made."""
    return Wanted(
        by_thread=asked.by_thread,
        limit=A_PAGE,
        offset=(asked.page - 1) * A_PAGE,
        after=place_at(asked.after),
        seconds=current_app.config["SEARCH_SECONDS"],
        reader=current_reader(),
        # of messages, on the first page
        facets=0.0 if asked.page > 1 else current_app.config["SEARCH_SECONDS"] / FACETS_SHARE,
    )


def encoder() -> QueryEncoder | None:
    """Return what makes vectors of queries, None where search by meaning is off."""
    device = current_app.config["EMBEDDING_DEVICE"]
    return partial(encode_query, device=device) if device else None
