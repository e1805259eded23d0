"""The addresses of public-inbox, so that `b4` and `lei` work against this archive (public-inbox-httpd(1), WWW.pm).

LIST is a List-Id, its first part where no other list shares it, or "all". A Message-ID may hold slashes.
"""

from __future__ import annotations

from flask import Blueprint, abort, redirect, request
from flask.typing import ResponseReturnValue
from werkzeug.routing import BaseConverter

from mrilu.mail.permalinks import hash_of
from mrilu.runtime.database import database
from mrilu.web import addresses
from mrilu.web.pages.lei_query import translated
from mrilu.web.patience import ask_database
from mrilu.web.queries import archive as queries
from mrilu.web.queries.archive import MessageRow
from mrilu.web.readers import current_reader, readable
from mrilu.web.routes import downloads, feeds, files
from mrilu.web.routes.messages import not_shown

pages = Blueprint("public_inbox", __name__)


class AnyPath(BaseConverter):
    """The rest of an address, slashes included, at its beginning too."""

    part_isolating = False
    regex = ".+?"
    weight = 300


# Before the first address that asks for it.
pages.record_once(lambda state: state.app.url_map.converters.update(rest=AnyPath))

ALL = "all"
# The ends of an address; the longest first, since an id may end with any of them.
_ENDS = ("t.mbox.gz", "t.atom", "raw", "T", "t")


@pages.get("/<name>/new.atom")
def newest(name: str) -> ResponseReturnValue:
    """Lead to the feed of a list."""
    list_id = _list_named(name)
    if list_id is None:
        abort(404)
    return redirect(f"{addresses.of_list(list_id)}atom.xml")


@pages.route("/<name>/", methods=["GET", "POST"], strict_slashes=False)
def inbox(name: str) -> ResponseReturnValue:
    """Search a list: ?x=A is a feed, POST ?x=m an mbox (&t=1: of whole threads); else lead to the list's page."""
    list_id = _list_named(name)
    query, wanted = request.values.get("q", ""), request.values.get("x", "")
    if not query:
        return redirect(addresses.of_list(list_id) if list_id is not None else "/")
    query = translated(query)
    scoped = f"list:{list_id} {query}" if list_id else query
    if wanted == "m":
        return downloads.search_mbox(scoped, threads=request.values.get("t", "0") not in ("", "0"))
    if wanted == "A":
        return feeds.search_feed(scoped)
    return redirect(addresses.of_search(scoped), 303)


@pages.get("/<name>/<rest:rest>", strict_slashes=False, merge_slashes=False)
def message(name: str, rest: str) -> ResponseReturnValue:
    """Lead from a Message-ID to its message, or give its mail, thread, mbox or feed."""
    list_id = _list_named(name)
    message_id, end = _split(rest)
    row = _row(message_id, list_id)
    if isinstance(row, MessageRow):
        return _shown(row, end)
    return row


def _shown(row: MessageRow, end: str) -> ResponseReturnValue:
    if end == "t.mbox.gz":
        return downloads.thread_mbox(row.thread)
    if end == "raw":
        return files.raw_answer(row, "text/plain; charset=utf-8")
    if end == "t.atom":
        return redirect(f"{addresses.of_thread(row.hash)}atom.xml")
    if end in ("T", "t"):
        return redirect(addresses.of_thread(row.hash, at=row.hash))
    return redirect(addresses.of_message(row.hash))


def _split(rest: str) -> tuple[str, str]:
    """Return the Message-ID and what is asked of it; a message whose id ends like that is found first."""
    whole = rest.removesuffix("/")
    for end in _ENDS:
        if whole.endswith(f"/{end}") and not _known(whole):
            return whole[: -len(end) - 1], end
    return whole, ""


def _known(message_id: str) -> bool:
    message_hash = hash_of(message_id.strip("<>"))
    return bool(ask_database(lambda: queries.at_hash(database(), message_hash)))


def _row(message_id: str, list_id: str | None) -> MessageRow | ResponseReturnValue:
    message_hash = hash_of(message_id.strip("<>"))
    rows = ask_database(lambda: queries.at_hash(database(), message_hash))
    here = [row for row in rows if list_id is None or list_id in row.list_ids]
    reader = current_reader()
    seen = readable(here, reader)
    return seen[0] if seen else not_shown(here, reader)


def _list_named(name: str) -> str | None:
    """Return the List-Id, None for all lists. Raises 404 for what names no list that the reader may know of."""
    if name == ALL:
        return None
    reader, wanted = current_reader(), name.lower()
    found = ask_database(lambda: queries.lists(database(), reader))
    named = [one.list_id for one in found if one.list_id == wanted]
    named = named or [one.list_id for one in found if one.list_id.startswith(f"{wanted}.")]
    if len(named) != 1 or not wanted:
        abort(404)
    return named[0]
