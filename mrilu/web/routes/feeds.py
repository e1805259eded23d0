"""Atom feeds (RFC 4287, with RFC 4685 for what answers what): the newest of a list, and a thread."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from io import BytesIO

from flask import Blueprint, Response, abort, current_app
from flask.typing import ResponseReturnValue
from lxml import etree

from mrilu.mail.permalinks import hash_of
from mrilu.runtime.database import database
from mrilu.web import addresses
from mrilu.web.caching import answer
from mrilu.web.keyset import BEGINNING, END
from mrilu.web.patience import ask_database
from mrilu.web.queries import archive as queries
from mrilu.web.queries.archive import MessageRow
from mrilu.web.readers import current_reader, readable, shows_addresses
from mrilu.web.templating import author, shown

pages = Blueprint("feeds", __name__)

ATOM, THR = "http://www.w3.org/2005/Atom", "http://purl.org/syndication/thread/1.0"
NEWEST = 50
SUMMARY_CHARS = 1000


@pages.get("/l/<name>/atom.xml")
def of_list(name: str) -> ResponseReturnValue:
    """Return the newest messages of a list."""
    list_id, reader = "" if name == addresses.NO_LIST else name.lower(), current_reader()
    if not reader.may_see_list(list_id):
        abort(404)
    found = ask_database(lambda: queries.posted(database(), list_id, BEGINNING, (END, 0), NEWEST))
    if not found:
        abort(404)
    texts = ask_database(lambda: queries.with_texts(database(), [row.id for row in found]))
    rows = readable(texts, reader)
    place = addresses.of_list(list_id)
    return _answer(rows, place, f"{place}atom.xml", list_id or "mail of no list")


@pages.get("/t/<message_hash>/atom.xml")
def of_thread(message_hash: str) -> ResponseReturnValue:
    """Return the newest messages of a thread."""
    named = ask_database(lambda: queries.at_hash(database(), message_hash))
    if not named:
        abort(404)
    reader = current_reader()
    found = ask_database(lambda: queries.newest_of_thread(database(), named[0].thread, NEWEST))
    rows = readable(found, reader)
    if not rows:
        abort(404)
    place = addresses.of_thread(message_hash.upper())
    return _answer(rows, place, f"{place}atom.xml", shown(rows[-1].subject))


def _answer(rows: Sequence[MessageRow], place: str, own: str, title: str) -> Response:
    facts = ("atom", place, [row.version() for row in rows], shows_addresses())
    return answer(*facts, make=lambda: _feed(rows, place, own, title))


def _feed(rows: Sequence[MessageRow], place: str, own: str, title: str) -> Response:
    site = str(current_app.config["SITE_URL"]).rstrip("/")
    feed = etree.Element(f"{{{ATOM}}}feed", nsmap={None: ATOM, "thr": THR})
    _add(feed, "id", f"{site}{place}")
    _add(feed, "title", title)
    _add(feed, "updated", _moment(max((row.sent_at for row in rows), default=BEGINNING)))
    etree.SubElement(feed, f"{{{ATOM}}}link", rel="self", href=f"{site}{own}")
    etree.SubElement(
        feed, f"{{{ATOM}}}link", rel="alternate", type="text/html", href=f"{site}{place}"
    )
    for row in rows:
        feed.append(_entry(row, site))
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
