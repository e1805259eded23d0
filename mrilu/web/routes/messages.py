"""Messages to read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import quote

from flask import Blueprint, abort, redirect, render_template
from flask.typing import ResponseReturnValue

from models import Reader
from mrilu.mail.headers.identifiers import parse_message_id
from mrilu.mail.permalinks import hash_of
from mrilu.runtime.database import database
from mrilu.web import addresses
from mrilu.web.caching import kept_answer
from mrilu.web.glosses_kept import current_glosses
from mrilu.web.pages.glosses import words_linked
from mrilu.web.pages.quotes import Graph
from mrilu.web.part_links import files_of, html_place
from mrilu.web.patience import ask_database
from mrilu.web.queries import archive as queries
from mrilu.web.queries import quotes
from mrilu.web.queries.archive import MessageRow
from mrilu.web.readers import current_reader, readable, shows_addresses, told_of
from mrilu.web.texts_kept import texts_of

pages = Blueprint("messages", __name__)


@pages.get("/m/<path:name>/")
def message(name: str) -> ResponseReturnValue:
    """Show the messages of a Message-ID, by its hash; the Message-ID itself leads there."""
    reader = current_reader()
    found = ask_database(lambda: _find(name, reader))
    if not found.rows:
        return _message_elsewhere(name)
    seen, list_id = found.seen, found.list_id
    if not seen:
        return not_shown(found.rows, reader)
    nths = {row.id: nth for nth, row in enumerate(found.rows, 1)}
    shown_as = (reader, shows_addresses(), current_glosses().version)
    facts = ("message", found.seen, nths, found.beside, found.links, *shown_as)

    def make() -> str:
        texts = texts_of(seen, Graph(found.links, nths, together=False))
        return render_template(
            "message.html",
            rows=seen,
            list_id=list_id,
            earlier=_place(found.beside[0]),
            later=_place(found.beside[1]),
            texts=texts,
            files={row.id: files_of(row, nths[row.id]) for row in seen},
            letters={row.id: html_place(row, nths[row.id]) for row in seen},
            nths=nths,
            words=words_linked(block.block.html for one in texts.values() for block in one),
            reply=_reply(seen[0], list_id),
        )

    return kept_answer(*facts, make=make)


class _Found(NamedTuple):
    """The messages of a hash, and what their page shows to one reader: `beside` are Message-IDs on the list."""

    rows: list[MessageRow]
    seen: list[MessageRow]
    list_id: str = ""
    beside: tuple[str, str] = ("", "")
    links: Sequence[quotes.LinkRow] = ()


def _find(message_hash: str, reader: Reader) -> _Found:
    """Ask the database for all that a page of messages shows."""
    db = database()
    rows = queries.at_hash(db, message_hash)
    seen = readable(rows, reader)
    if not seen:
        return _Found(rows, seen)
    list_id = next((one for one in seen[0].list_ids if reader.may_see_list(one)), "")
    beside = queries.beside(db, list_id, seen[0], reader)
    return _Found(rows, seen, list_id, beside, quotes.links(db, [row.id for row in seen], reader))


def _place(message_id: str) -> str:
    return addresses.of_message(hash_of(message_id)) if message_id else ""


def _message_elsewhere(name: str) -> ResponseReturnValue:
    """Lead from a Message-ID to its hash."""
    message_id = parse_message_id(name if name.startswith("<") else f"<{name}>")
    message_hash = hash_of(message_id) if message_id else ""
    rows = ask_database(lambda: queries.at_hash(database(), message_hash)) if message_hash else []
    reader = current_reader()
    if not any(told_of(row, reader) for row in rows):
        abort(404)
    return redirect(addresses.of_message(message_hash))


def not_shown(rows: list[MessageRow], reader: Reader) -> ResponseReturnValue:
    """Tell of a withheld message that it was here (410); of what is closed to the reader nothing (404)."""
    if not any(reader.may_know_of(row.restrictions, row.list_ids) for row in rows):
        abort(404)
    return render_template("tombstone.html"), 410


class _Reply(NamedTuple):
    """What a reader needs to answer: a mailto: URL, and the line for git send-email; both "" without a list."""

    mailto: str
    command: str


def _reply(row: MessageRow, list_id: str) -> _Reply:
    """Return how to answer to the list. Its address is that of its List-Id, as most lists have it (RFC 2919, 2)."""
    name, _, domain = list_id.partition(".")
    if not domain or row.withheld:
        return _Reply("", "")
    address = f"{name}@{domain}"
    subject = row.subject if row.subject.lower().startswith("re:") else f"Re: {row.subject}"
    fields = {"In-Reply-To": f"<{row.message_id}>", "Subject": " ".join(subject.split())}
    query = "&".join(f"{key}={quote(value, safe='')}" for key, value in fields.items())
    command = f"git send-email --in-reply-to='<{row.message_id}>' --to={address}"
    safe = re.fullmatch(r"[\w.@+=/~$&*!#%^{}|-]+", row.message_id) and "'" not in row.message_id
    return _Reply(f"mailto:{quote(address)}?{query}", command if safe else "")
