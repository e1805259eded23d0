"""Atom feeds (RFC 4287, with RFC 4685 for what answers what): the newest of a list, thread, search and word."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from io import BytesIO

from flask import Blueprint, Response, abort, current_app, request
from flask.typing import ResponseReturnValue
from lxml import etree

from mrilu.mail.permalinks import hash_of
from mrilu.notifications.compose import readable_definition
from mrilu.runtime.database import database
from mrilu.web import addresses
from mrilu.web.caching import answer
from mrilu.web.found import found_or_told
from mrilu.web.keyset import BEGINNING
from mrilu.web.patience import ask_database
from mrilu.web.queries import archive as queries
from mrilu.web.queries.archive import MessageRow
from mrilu.web.queries.words import DefinitionRow, definitions
from mrilu.web.readers import current_reader, first_told_of, readable, shows_addresses
from mrilu.web.templating import author, shown

pages = Blueprint("feeds", __name__)

ATOM, THR = "http://www.w3.org/2005/Atom", "http://purl.org/syndication/thread/1.0"
NEWEST = 50
MOST_LOOKED_AT = 1000  # hits of a search whose newest are in its feed
SUMMARY_CHARS = 1000


@pages.get("/l/<name>/atom.xml")
def of_list(name: str) -> ResponseReturnValue:
    """Return the newest messages of a list."""
    list_id, reader = "" if name == addresses.NO_LIST else name.lower(), current_reader()
    if not reader.may_see_list(list_id):
        abort(404)
    found = ask_database(lambda: queries.newest_readable(database(), list_id, reader, NEWEST))
    if found is None:
        abort(404)
    texts = ask_database(lambda: queries.with_texts(database(), [row.id for row in found]))
    rows = readable(texts, reader)
    place = addresses.of_list(list_id)
    return _answer(rows, place, f"{place}atom.xml", list_id or "mail of no list")


@pages.get("/t/<message_hash>/atom.xml")
def of_thread(message_hash: str) -> ResponseReturnValue:
    """Return the newest messages of a thread."""
    reader = current_reader()
    named = first_told_of(ask_database(lambda: queries.at_hash(database(), message_hash)), reader)
    if named is None:
        abort(404)
    rows = ask_database(lambda: queries.newest_of_thread(database(), named.thread, reader, NEWEST))
    if not rows:
        abort(404)
    place = addresses.of_thread(message_hash.upper())
    return _answer(rows, place, f"{place}atom.xml", shown(rows[-1].subject))


@pages.get("/search/atom.xml")
def of_search() -> ResponseReturnValue:
    """Return the newest messages that answer ?q=."""
    return search_feed(request.args.get("q", ""))


def search_feed(query: str) -> ResponseReturnValue:
    """Return the feed of a search; a plain line of text says what is wrong with it."""
    numbers = found_or_told(query, MOST_LOOKED_AT)
    if isinstance(numbers, Response):
        return numbers
    found = ask_database(lambda: queries.newest_of(database(), numbers, NEWEST))
    rows, place = readable(found, current_reader()), addresses.of_search(query)
    own = place.replace("/search?", "/search/atom.xml?", 1)
    return _answer(rows, place, own, f"search: {shown(query)}")


@pages.get("/w/<path:word>/atom.xml")
def of_word(word: str) -> ResponseReturnValue:
    """Return a word's definitions as entries, that which changed last first."""
    known = ask_database(lambda: definitions(database(), word))
    if not known:
        abort(404)
    newest = sorted(known, key=lambda one: (one.changed_at, one.id), reverse=True)[:NEWEST]
    place = addresses.of_word(word)
    facts = [(one.id, one.changed_at) for one in newest]
    return answer("atom-word", place, facts, make=lambda: _word_feed(newest, place, word))


def _word_feed(newest: Sequence[DefinitionRow], place: str, word: str) -> Response:
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


def _answer(rows: Sequence[MessageRow], place: str, own: str, title: str) -> Response:
    facts = ("atom", place, [row.version() for row in rows], shows_addresses())
    return answer(*facts, make=lambda: _feed(rows, place, own, title))


def _feed(rows: Sequence[MessageRow], place: str, own: str, title: str) -> Response:
    site = _site()
    last = max((row.sent_at for row in rows), default=BEGINNING)
    feed = _begun(f"{site}{place}", f"{site}{own}", title, last)
    for row in rows:
        feed.append(_entry(row, site))
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


def _written(feed: etree._Element) -> Response:
    out = BytesIO()
    etree.ElementTree(feed).write(out, encoding="utf-8", xml_declaration=True)
    return Response(out.getvalue(), content_type="application/atom+xml; charset=utf-8")


def _entry(row: MessageRow, site: str) -> etree._Element:
    entry = etree.Element(f"{{{ATOM}}}entry")
    page = f"{site}{addresses.of_message(row.hash)}"
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
    kept = "".join(
        sign for sign in text if sign in "\t\n" or sign >= " " and sign not in "\ufffe\uffff"
    )
    etree.SubElement(parent, f"{{{ATOM}}}{name}").text = kept


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
