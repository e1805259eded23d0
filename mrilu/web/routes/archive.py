"""Lists, months, threads and messages to read."""

from __future__ import annotations

import hashlib
import re
import threading
from collections import OrderedDict
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import quote

from flask import Blueprint, abort, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from models import Message, Reader
from mrilu.mail.headers.identifiers import parse_message_id
from mrilu.mail.permalinks import hash_of
from mrilu.runtime.database import database
from mrilu.web import addresses
from mrilu.web.caching import answer
from mrilu.web.kept import Kept
from mrilu.web.pages.charts import months_histogram
from mrilu.web.pages.texts import Block, blocks
from mrilu.web.pages.threads import conversations, tree
from mrilu.web.patience import ask_database
from mrilu.web.queries import archive as queries
from mrilu.web.queries.archive import MessageRow, ThreadState
from mrilu.web.readers import current_reader, shows_addresses

pages = Blueprint("archive", __name__)

VIEWS = ("flat", "tree", "date")
_BEGINNING, _END = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)
_HIGHEST = 2**63 - 1


@pages.get("/l/")
def all_lists() -> ResponseReturnValue:
    """Show all lists."""
    return redirect(url_for("start.start"))


@pages.get("/l/<name>/")
def mailing_list(name: str) -> ResponseReturnValue:
    """Show a list: its months, and its newest threads."""
    list_id, reader = _list_named(name), current_reader()

    rows = ask_database(lambda: queries.posted(database(), list_id, _BEGINNING, (_END, 0), 200))
    if not rows:
        return _list_elsewhere(name)
    by_month = months_of(list_id)
    facts = ("list", list_id, by_month, [row.version() for row in rows], reader)

    def make() -> str:
        return render_template(
            "list.html",
            list_id=list_id,
            months=by_month,
            histogram=months_histogram(by_month, lambda month: addresses.of_list(list_id, month)),
            conversations=conversations(_readable(rows, reader))[:30],
            count=sum(number for _, number in by_month),
        )

    return answer(*facts, make=make)


@pages.get("/l/<name>/<month>/")
def month_of_list(name: str, month: str) -> ResponseReturnValue:
    """Show the threads of a month (in UTC), that with the newest message first; ?before= goes on."""
    list_id, reader = _list_named(name), current_reader()
    if (since := addresses.month_in(month)) is None:
        abort(404)
    until = addresses.month_after(since)
    before = _place(request.args.get("before", "")) or (until, 0)
    rows = ask_database(lambda: queries.posted(database(), list_id, since, min(before, (until, 0))))
    if not rows and "before" not in request.args:
        abort(404)
    others = [one for one, _ in months_of(list_id)]
    facts = ("month", list_id, month, before, others, [row.version() for row in rows], reader)

    def make() -> str:
        return render_template(
            "month.html",
            list_id=list_id,
            month=month,
            earlier=max((one for one in others if one < month), default=""),
            later=min((one for one in others if one > month), default=""),
            conversations=conversations(_readable(rows, reader)),
            further=_mark(rows[-1]) if len(rows) == queries.IN_MONTH else "",
        )

    return answer(*facts, make=make)


@pages.get("/m/<path:name>/")
def message(name: str) -> ResponseReturnValue:
    """Show the messages of a Message-ID, by its hash; the Message-ID itself leads there."""
    rows = ask_database(lambda: queries.at_hash(database(), name))
    if not rows:
        return _message_elsewhere(name)
    reader = current_reader()
    seen = _readable(rows, reader)
    if not seen:
        return not_shown(rows, reader)
    list_id = next((one for one in seen[0].list_ids if reader.may_see_list(one)), "")

    def beside(later: bool) -> str:
        found = ask_database(
            lambda: queries.beside(database(), list_id, seen[0], reader, later=later)
        )
        return addresses.of_message(hash_of(found)) if found else ""

    earlier, later = beside(False), beside(True)
    facts = ("message", [row.version() for row in seen], earlier, later, reader, shows_addresses())

    def make() -> str:
        return render_template(
            "message.html",
            rows=seen,
            list_id=list_id,
            earlier=earlier,
            later=later,
            texts={row.id: body_of(row) for row in seen},
            reply=_reply(seen[0], list_id),
        )

    return answer(*facts, make=make)


@pages.get("/t/<message_hash>/")
def thread(message_hash: str) -> ResponseReturnValue:
    """Show a thread: flat and by date (pages of it), or as a tree of headers."""
    rows = ask_database(lambda: queries.at_hash(database(), message_hash))
    if not rows:
        abort(404)
    state = ask_database(lambda: queries.thread_state(database(), rows[0].thread))
    canonical, view = hash_of(state.first), request.args.get("view", "flat")
    view = view if view in VIEWS else "flat"
    if view == "flat" and state.messages > queries.IN_THREAD:
        view = "date"  # a tree in pages would tear answers from what they answer
    reader = current_reader()
    if not any(_is_told_of(row, reader) for row in rows):
        abort(404)
    if message_hash != canonical:
        return redirect(_place_in_thread(canonical, rows[0], view, state))
    after = _place(request.args.get("after", "")) or (_BEGINNING, 0)
    facts = ("thread", state, view, after, reader, shows_addresses())
    make = _outline if view == "tree" else _flat
    return answer(*facts, make=lambda: make(rows[0].thread, canonical, view, after, state, reader))


def _is_told_of(row: MessageRow, reader: Reader) -> bool:
    return reader.may_read(row.restrictions, row.list_ids) or reader.may_know_of(
        row.restrictions, row.list_ids
    )


def _place_in_thread(canonical: str, row: MessageRow, view: str, state: ThreadState) -> str:
    """Return the address of a message in its thread; where that has pages, one that begins with the message."""
    if view == "tree" or state.messages <= queries.IN_THREAD:
        return addresses.of_thread(canonical, at=row.hash, view=view)
    before = f"{row.sent_at.timestamp():.6f}-{max(0, row.id - 1)}"
    return f"{addresses.of_thread(canonical)}?view={view}&after={before}#{row.hash}"


def _flat(
    number: int,
    canonical: str,
    view: str,
    after: tuple[datetime, int],
    state: ThreadState,
    reader: Reader,
) -> str:
    found = ask_database(lambda: queries.thread_messages(database(), number, after))
    rows = [row for row in found if _is_told_of(row, reader)]
    if view == "flat" and state.messages <= queries.IN_THREAD:
        rows = [node.row for node in tree(rows)]
    seen = _readable(rows, reader)
    return render_template(
        "thread.html",
        rows=rows,
        readable={row.id for row in seen},
        state=state,
        view=view,
        canonical=canonical,
        **_headed(seen, reader),
        texts={row.id: body_of(row) for row in seen},
        further=_mark(found[-1]) if len(found) == queries.IN_THREAD else "",
    )


def _outline(
    number: int,
    canonical: str,
    view: str,
    after: tuple[datetime, int],
    state: ThreadState,
    reader: Reader,
) -> str:
    found = ask_database(lambda: queries.outline(database(), number))
    rows = [row for row in found if _is_told_of(row, reader)]
    seen = _readable(rows, reader)
    return render_template(
        "outline.html",
        nodes=tree(rows),
        cut=len(found) == queries.IN_OUTLINE and state.messages > len(found),
        readable={row.id for row in seen},
        state=state,
        view=view,
        canonical=canonical,
        **_headed(seen, reader),
    )


def _headed(seen: list[MessageRow], reader: Reader) -> dict[str, str]:
    """Return what stands above a thread: its subject, and a list that it is on."""
    named = (one for row in seen for one in row.list_ids if reader.may_see_list(one))
    return {"subject": seen[0].subject if seen else "", "list_id": next(named, "")}


class _Texts:
    """The texts of messages as HTML blocks, those last shown, up to some megabytes of them."""

    LIMIT = 32 * 1024 * 1024

    def __init__(self) -> None:
        self._made: OrderedDict[tuple[object, ...], list[Block]] = OrderedDict()
        self._lock = threading.Lock()
        self._size = 0

    def of(self, row: MessageRow) -> list[Block]:
        """Return a message's blocks."""
        # By the text itself: numbers are given anew when a database is.
        digest = hashlib.blake2b(row.body.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        key = (digest, tuple(row.own_spans), shows_addresses())
        with self._lock:
            if key in self._made:
                self._made.move_to_end(key)
                return self._made[key]
        made = blocks(row.body, row.own_spans, mask=not shows_addresses())
        with self._lock:
            if key not in self._made:
                self._made[key] = made
                self._size += _size(made)
            while self._size > self.LIMIT and len(self._made) > 1:
                self._size -= _size(self._made.popitem(last=False)[1])
        return made


def _size(made: list[Block]) -> int:
    return 200 + sum(len(one.html) for one in made)


_texts = _Texts()


def body_of(row: MessageRow) -> list[Block]:
    """Return a message's text in blocks, made once as long as it is shown now and then."""
    return _texts.of(row)


def _readable(rows: list[MessageRow], reader: Reader) -> list[MessageRow]:
    return [row for row in rows if reader.may_read(row.restrictions, row.list_ids)]


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


def months_of(list_id: str) -> list[tuple[str, int]]:
    """Return how many messages each month of a list has; up to KEPT_SECONDS old, since all of a list is counted."""
    kept: Kept[list[tuple[str, int]]] = current_app.extensions["months"]
    return kept.get(list_id, lambda: ask_database(lambda: queries.months(database(), list_id)))


def _list_named(name: str) -> str:
    """Return the List-Id; raises 404 for a list that the reader may not know of."""
    list_id = "" if name == addresses.NO_LIST else name.lower()
    if not current_reader().may_see_list(list_id):
        abort(404)
    return list_id


def _list_elsewhere(name: str) -> ResponseReturnValue:
    """Lead from the first part of a List-Id to the list, where it is the only one."""
    reader = current_reader()
    found = ask_database(lambda: queries.lists(database(), reader))
    named = [one.list_id for one in found if one.list_id.startswith(f"{name.lower()}.")]
    if len(named) != 1:
        abort(404)
    return redirect(addresses.of_list(named[0]))


def _message_elsewhere(name: str) -> ResponseReturnValue:
    """Lead from a Message-ID to its hash."""
    message_id = parse_message_id(name if name.startswith("<") else f"<{name}>")
    message_hash = hash_of(message_id) if message_id else ""
    if message_hash and ask_database(lambda: queries.at_hash(database(), message_hash)):
        return redirect(addresses.of_message(message_hash))
    abort(404)


def not_shown(rows: list[MessageRow], reader: Reader) -> ResponseReturnValue:
    """Tell of a withheld message that it was here (410); of what is closed to the reader nothing (404)."""
    if not any(reader.may_know_of(row.restrictions, row.list_ids) for row in rows):
        abort(404)
    return render_template("tombstone.html"), 410


@pages.get("/message/<int:number>")
def message_by_number(number: int) -> ResponseReturnValue:
    """Lead from the address in older notifications to the message."""
    row = (
        ask_database(lambda: Message.get_or_none(Message.id == number))
        if number <= _HIGHEST
        else None
    )
    if row is None or not current_reader().may_read(row.restrictions, row.list_ids):
        abort(404)
    return redirect(addresses.of_message(hash_of(row.message_id)))


@pages.get("/list/<name>/message/<message_hash>/")
@pages.get("/hyperkitty/list/<name>/message/<message_hash>/")
def message_at_hyperkittys(name: str, message_hash: str) -> ResponseReturnValue:
    """Lead from HyperKitty's address of a message to ours: the hash is the same."""
    return redirect(addresses.of_message(message_hash.upper()), 301)


@pages.get("/list/<name>/thread/<message_hash>/")
@pages.get("/hyperkitty/list/<name>/thread/<message_hash>/")
def thread_at_hyperkittys(name: str, message_hash: str) -> ResponseReturnValue:
    """Lead from HyperKitty's address of a thread to ours."""
    return redirect(addresses.of_thread(message_hash.upper()), 301)


def _mark(row: MessageRow) -> str:
    return f"{row.sent_at.timestamp():.6f}-{row.id}"


def _place(mark: str) -> tuple[datetime, int] | None:
    """Return the (date, id) that a mark in an address means."""
    match = re.fullmatch(r"(-?\d{1,12}\.\d{6})-(\d{1,18})", mark)
    if not match:
        return None
    try:
        return datetime.fromtimestamp(float(match[1]), UTC), int(match[2])
    except (ValueError, OverflowError, OSError):
        return None
