"""Threads to read: flat, by date, and as a tree of headers."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from flask import Blueprint, abort, redirect, render_template, request
from flask.typing import ResponseReturnValue

from models import Reader
from mrilu.mail.permalinks import hash_of
from mrilu.runtime.database import database
from mrilu.web import addresses
from mrilu.web.caching import GlossedPage, glossed_answer, kept_answer
from mrilu.web.glosses_kept import current_glosses
from mrilu.web.keyset import BEGINNING, mark_of, place_at
from mrilu.web.pages.glosses import Glosses
from mrilu.web.pages.quotes import Graph
from mrilu.web.pages.threads import tree
from mrilu.web.patience import ask_database
from mrilu.web.queries import archive as queries
from mrilu.web.queries import quotes
from mrilu.web.queries.archive import MessageRow, ThreadState
from mrilu.web.readers import current_reader, readable, told_of
from mrilu.web.states_kept import find_thread
from mrilu.web.texts_kept import texts_of

pages = Blueprint("threads", __name__)

VIEWS = ("flat", "tree", "date")


class _Asked(NamedTuple):
    """Which part of which thread is shown to whom, and how."""

    number: int
    canonical: str
    view: str
    after: tuple[datetime, int]
    state: ThreadState
    reader: Reader

    def headed(self, seen: list[MessageRow]) -> dict[str, Any]:
        """Return what each view of it shows: the subject, a list that it is on, who is readable."""
        named = (one for row in seen for one in row.list_ids if self.reader.may_see_list(one))
        return {
            "state": self.state,
            "view": self.view,
            "canonical": self.canonical,
            "readable": {row.id for row in seen},
            "subject": seen[0].subject if seen else "",
            "list_id": next(named, ""),
        }


@pages.get("/t/<message_hash>/")
def thread(message_hash: str) -> ResponseReturnValue:
    """Show a thread: flat and by date (pages of it), or as a tree of headers."""
    view = request.args.get("view", "flat")
    reader = current_reader()
    found = ask_database(lambda: find_thread(database(), message_hash, reader))
    if found is None:
        abort(404)
    state, canonical = found.state, hash_of(found.state.first)
    view = view if view in VIEWS else "flat"
    if view == "flat" and state.messages > queries.IN_THREAD:
        view = "date"  # a tree in pages would tear answers from what they answer
    if message_hash != canonical:
        return redirect(_place_in_thread(canonical, found.named, view, state))
    after = place_at(request.args.get("after", "")) or (BEGINNING, 0)
    asked = _Asked(found.named.thread, canonical, view, after, state, reader)
    facts = ("thread", state, found.version, view, after, reader)
    if view == "tree":
        return kept_answer(*facts, make=lambda: _outline(asked))
    glosses = current_glosses()
    return glossed_answer(*facts, glosses=glosses, make=lambda: _flat(asked, glosses))


def _place_in_thread(canonical: str, row: MessageRow, view: str, state: ThreadState) -> str:
    """Return the address of a message in its thread; where that has pages, one that begins with the message."""
    if view == "tree" or state.messages <= queries.IN_THREAD:
        return addresses.of_thread(canonical, at=row.hash, view=view)
    before = f"{row.sent_at.timestamp():.6f}-{max(0, row.id - 1)}"
    return f"{addresses.of_thread(canonical)}?view={view}&after={before}#{row.hash}"


def _flat(asked: _Asked, glosses: Glosses) -> GlossedPage:
    found, links = ask_database(lambda: _messages(asked))
    rows = [row for row in found if told_of(row, asked.reader)]
    if asked.view == "flat" and asked.state.messages <= queries.IN_THREAD:
        rows = [node.row for node in tree(rows)]
    seen = readable(rows, asked.reader)
    graph = Graph(links, [row.id for row in seen], together=True)
    texts, stamp = texts_of(seen, graph, glosses)
    html = render_template(
        "thread.html",
        rows=rows,
        texts=texts,
        further=mark_of(found[-1]) if len(found) == queries.IN_THREAD else "",
        **asked.headed(seen),
    )
    return GlossedPage(html, stamp)


def _messages(asked: _Asked) -> tuple[list[MessageRow], list[quotes.LinkRow]]:
    """Ask the database for a page of a thread, with the links of what its reader may read."""
    db = database()
    found = queries.thread_messages(db, asked.number, asked.after)
    seen = readable(found, asked.reader)
    return found, quotes.links(db, [row.id for row in seen], asked.reader)


def _outline(asked: _Asked) -> str:
    found = ask_database(lambda: queries.outline(database(), asked.number))
    rows = [row for row in found if told_of(row, asked.reader)]
    return render_template(
        "outline.html",
        nodes=tree(rows),
        cut=len(found) == queries.IN_OUTLINE and asked.state.messages > len(found),
        **asked.headed(readable(rows, asked.reader)),
    )
