"""Messages to read."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable
from typing import NamedTuple
from urllib.parse import quote

from flask import Blueprint, abort, redirect, render_template
from flask.typing import ResponseReturnValue

from models import Reader
from mrilu.mail.headers.identifiers import parse_message_id
from mrilu.mail.permalinks import hash_of
from mrilu.runtime.database import database
from mrilu.web import addresses
from mrilu.web.caching import GlossedPage, glossed_answer
from mrilu.web.glosses_kept import current_glosses
from mrilu.web.pages.glosses import Glosses, words_linked
from mrilu.web.pages.quotes import Graph
from mrilu.web.part_links import files_of, html_place
from mrilu.web.patience import ask_database
from mrilu.web.queries import archive as queries
from mrilu.web.queries import quotes
from mrilu.web.queries.archive import MessageRow
from mrilu.web.queries.versions import of_messages
from mrilu.web.readers import Restricted, current_reader, readable, told_of
from mrilu.web.texts_kept import texts_of

pages = Blueprint("messages", __name__)


@pages.get("/m/<path:name>/")
def message(name: str) -> ResponseReturnValue:
    """Show the messages of a Message-ID, by its hash; the Message-ID itself leads there."""
    reader = current_reader()
    known = ask_database(lambda: of_messages(database(), name, reader))
    if not known:
        return _message_elsewhere(name)
    if not (seen := readable(known, reader)):
        return not_shown(known, reader)
    nths = {row.id: nth for nth, row in enumerate(known, 1)}
    beside = (_place(seen[0].earlier), _place(seen[0].later))
    glosses = current_glosses()
    return glossed_answer(
        *("message", seen, nths, reader),
        glosses=glosses,
        make=lambda: _page(name, nths, beside, reader, glosses),
    )


def _page(
    name: str, nths: dict[int, int], beside: tuple[str, str], reader: Reader, glosses: Glosses
) -> GlossedPage:
    """Make the page; raises 404 where what it shows was closed to the reader meanwhile."""
    seen, links = ask_database(lambda: _rows(name, nths, reader))
    if not seen:
        abort(404)
    list_id = next((one for one in seen[0].list_ids if reader.may_see_list(one)), "")
    texts, stamp = texts_of(seen, Graph(links, nths, together=False), glosses)
    html = render_template(
        "message.html",
        rows=seen,
        list_id=list_id,
        earlier=beside[0],
        later=beside[1],
        texts=texts,
        files={row.id: files_of(row, nths[row.id]) for row in seen},
        letters={row.id: html_place(row, nths[row.id]) for row in seen},
        nths=nths,
        words=words_linked(block.block.html for one in texts.values() for block in one),
        reply=_reply(seen[0], list_id),
    )
    return GlossedPage(html, stamp)


def _rows(
    name: str, nths: Container[int], reader: Reader
) -> tuple[list[MessageRow], list[quotes.LinkRow]]:
    """Ask the database for those of the messages that the reader may read, with their links."""
    db = database()
    seen = [row for row in readable(queries.at_hash(db, name), reader) if row.id in nths]
    return seen, quotes.links(db, [row.id for row in seen], reader)


def _place(message_id: str | None) -> str:
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


def not_shown(rows: Iterable[Restricted], reader: Reader) -> ResponseReturnValue:
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
