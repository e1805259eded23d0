"""Atom feeds (RFC 4287, with RFC 4685 for what answers what): the newest of a list, thread, search and word."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, abort, current_app, request
from flask.typing import ResponseReturnValue
from lxml import etree

from models import Reader
from mrilu.mail.permalinks import hash_of
from mrilu.notifications.compose import readable_definition
from mrilu.runtime.database import database
from mrilu.web import addresses
from mrilu.web.caching import kept_answer
from mrilu.web.found import found_by, or_told
from mrilu.web.kept import Kept
from mrilu.web.keyset import BEGINNING
from mrilu.web.patience import ask_database
from mrilu.web.queries import archive as queries
from mrilu.web.queries.archive import MessageRow
from mrilu.web.queries.versions import of_list as list_now
from mrilu.web.queries.versions import state_of
from mrilu.web.queries.words import DefinitionRow, definitions
from mrilu.web.readers import current_reader, readable
from mrilu.web.routes.lists import list_named
from mrilu.web.states_kept import find_thread
from mrilu.web.templating import author, shown

pages = Blueprint("feeds", __name__)

ATOM, THR = "http://www.w3.org/2005/Atom", "http://purl.org/syndication/thread/1.0"
KIND = "application/atom+xml; charset=utf-8"
NEWEST = 50
MOST_LOOKED_AT = 1000  # hits of a search whose newest are in its feed
SUMMARY_CHARS = 1000
_NOT_IN_XML = re.compile(
    "[^\t\n -\ufffd\U00010000-\U0010ffff]"
)  # XML 1.0, 2.2; and no carriage return


@pages.get("/l/<name>/atom.xml")
def of_list(name: str) -> ResponseReturnValue:
    """Return the newest messages of a list."""
    list_id, reader = list_named(name), current_reader()
    known = ask_database(lambda: list_now(database(), list_id))
    if not known.months:
        abort(404)
    place = addresses.of_list(list_id)

    def make() -> bytes:
        rows = ask_database(lambda: _newest_of_list(list_id, reader))
        return _feed(rows, place, f"{place}atom.xml", list_id or "mail of no list")

    return _answer(place, known, reader, make=make)


def _newest_of_list(list_id: str, reader: Reader) -> list[MessageRow]:
    db = database()
    found = queries.newest_readable(db, list_id, reader, NEWEST) or []
    return readable(queries.with_texts(db, [row.id for row in found]), reader)


@pages.get("/t/<message_hash>/atom.xml")
def of_thread(message_hash: str) -> ResponseReturnValue:
    """Return the newest messages of a thread."""
    reader = current_reader()
    found = ask_database(lambda: find_thread(database(), message_hash, reader))
    if found is None or not found.state.readable:
        abort(404)
    number, place = found.named.thread, addresses.of_thread(message_hash.upper())

    def make() -> bytes:
        rows = ask_database(lambda: queries.newest_of_thread(database(), number, reader, NEWEST))
        return _feed(rows, place, f"{place}atom.xml", shown(rows[-1].subject if rows else ""))

    return _answer(place, found.state, found.version, reader, make=make)


@pages.get("/search/atom.xml")
def of_search() -> ResponseReturnValue:
    """Return the newest messages that answer ?q=."""
    return search_feed(request.args.get("q", ""))


def search_feed(query: str) -> ResponseReturnValue:
    """Return the feed of a search; a plain line of text says what is wrong with it."""
    reader = current_reader()
    found = or_told(lambda: _newest_found(query, reader))
    if isinstance(found, Response):
        return found
    place = addresses.of_search(query)
    own = place.replace("/search?", "/search/atom.xml?", 1)

    def make() -> bytes:
        rows = ask_database(lambda: queries.with_texts(database(), [row[0] for row in found]))
        return _feed(readable(rows, reader), place, own, f"search: {shown(query)}")

    return _answer(place, found, reader, make=make)


def _newest_found(query: str, reader: Reader) -> list[tuple[Any, ...]]:
    """Return the versions of the newest messages that answer a query, kept as long as nothing is written.

    Raises QueryError, SearchTooSlow.
    """

    def find() -> list[tuple[Any, ...]]:
        numbers = found_by(query, MOST_LOOKED_AT)
        rows = ask_database(lambda: queries.newest_of(database(), numbers, NEWEST))
        return [row.version() for row in readable(rows, reader)]

    state = ask_database(lambda: state_of(database()))
    kept: Kept[list[tuple[Any, ...]]] = current_app.extensions["searches"]
    return kept.get(("feed", query, reader, state), find) if state else find()


@pages.get("/w/<path:word>/atom.xml")
def of_word(word: str) -> ResponseReturnValue:
    """Return a word's definitions as entries, that which changed last first."""
    known = ask_database(lambda: definitions(database(), word))
    if not known:
        abort(404)
    newest = sorted(known, key=lambda one: (one.changed_at, one.id), reverse=True)[:NEWEST]
    place = addresses.of_word(word)
    facts = [(one.id, one.changed_at) for one in newest]
    return _answer(place, facts, make=lambda: _word_feed(newest, place, word))


def _word_feed(newest: Sequence[DefinitionRow], place: str, word: str) -> bytes:
    site = _site()
    feed = _begun(f"{site}{place}", f"{site}{place}/atom.xml", word, newest[0].changed_at)
    for one in newest:
        entry = etree.SubElement(feed, f"{{{ATOM}}}entry")
        page = f"{site}{place}#d{one.source_id}"
        _add(entry, "id", page)
        _add(entry, "title", f"{word.strip(' .')} ({one.tag})")
        _add(entry, "updated", _moment(one.changed_at))
        _add(
            etree.SubElement(entry, f"{{{ATOM}}}author"),
            "name",
            shown(one.username) or "(nobody)",
        )
        etree.SubElement(entry, f"{{{ATOM}}}link", rel="alternate", type="text/html", href=page)
        _add(entry, "content", shown(readable_definition(one.text)))
    return _written(feed)


def _answer(*facts: object, make: Callable[[], bytes]) -> Response:
    return kept_answer("atom", _site(), *facts, make=make, kind=KIND)


def _feed(rows: Sequence[MessageRow], place: str, own: str, title: str) -> bytes:
    site = _site()
    last = max((row.sent_at for row in rows), default=BEGINNING)
    feed = _begun(f"{site}{place}", f"{site}{own}", title, last)
    nths = ask_database(lambda: queries.repeats(database(), [row.id for row in rows]))
    for row in rows:
        feed.append(_entry(row, site, nths.get(row.id, 1)))
    return _written(feed)


def _site() -> str:
    return str(current_app.config["SITE_URL"]).rstrip("/")


def _begun(place: str, own: str, title: str, updated: datetime) -> etree._Element:
    """Return a feed without entries."""
    feed = etree.Element(f"{{{ATOM}}}feed", nsmap={None: ATOM, "thr": THR})
    _add(feed, "id", place)
    _add(feed, "title", title)
    _add(feed, "updated", _moment(updated))
    etree.SubElement(feed, f"{{{ATOM}}}link", rel="self", href=own)
    etree.SubElement(feed, f"{{{ATOM}}}link", rel="alternate", type="text/html", href=place)
    return feed


def _written(feed: etree._Element) -> bytes:
    return bytes(etree.tostring(feed, encoding="utf-8", xml_declaration=True))


def _entry(row: MessageRow, site: str, nth: int) -> etree._Element:
    """Return a message; the `nth` of its Message-ID has an id of its own, or readers would take it for the first."""
    entry = etree.Element(f"{{{ATOM}}}entry")
    page = f"{site}{addresses.of_message(row.hash)}" + (f"#{row.hash}-{nth}" if nth > 1 else "")
    _add(entry, "id", page)
    _add(entry, "title", shown(row.subject) or "(no subject)")
    _add(entry, "updated", _moment(row.sent_at))
    _add(etree.SubElement(entry, f"{{{ATOM}}}author"), "name", author(row))
    etree.SubElement(entry, f"{{{ATOM}}}link", rel="alternate", type="text/html", href=page)
    for name in (*row.in_reply_to, *row.reference_ids[-1:])[:1]:
        other = f"{site}{addresses.of_message(hash_of(name))}"
        etree.SubElement(entry, f"{{{THR}}}in-reply-to", ref=other, href=other, type="text/html")
    _add(entry, "content", shown(row.own_text()[:SUMMARY_CHARS]))
    return entry


def _add(parent: etree._Element, name: str, text: str) -> None:
    etree.SubElement(parent, f"{{{ATOM}}}{name}").text = _NOT_IN_XML.sub("", text)


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
