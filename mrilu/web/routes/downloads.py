"""Messages, and mboxes of threads, months, lists and searches, for mail programs."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import IO, NamedTuple

from flask import Blueprint, Response, abort, current_app, render_template, request
from flask.typing import ResponseReturnValue

from models import Reader
from mrilu.mail.permalinks import hash_of
from mrilu.runtime.database import database
from mrilu.web import addresses
from mrilu.web.caching import answer
from mrilu.web.downloads.made import BeingMade, MadeFiles
from mrilu.web.downloads.stored import FileAway, FileChanged, FileGone
from mrilu.web.found import found_by, or_told
from mrilu.web.keyset import BEGINNING
from mrilu.web.pages.mails import as_mail, mbox
from mrilu.web.patience import ask_database
from mrilu.web.queries import archive as queries
from mrilu.web.queries.archive import IN_THREAD, MessageRow
from mrilu.web.readers import current_reader, first_told_of, readable, shows_addresses
from mrilu.web.routes import files
from mrilu.web.routes.lists import list_named
from mrilu.web.routes.messages import not_shown
from mrilu.web.sending import safe_name, sent_file, unchanged
from mrilu.web.states_kept import thread_state

pages = Blueprint("downloads", __name__)

A_PIECE = 200  # messages that are read at once
MOST_FOUND = 10_000  # messages of a search's mbox
_GZIP = 31  # zlib's wbits for a gzip header and trailer
Rows = Callable[[], Iterator[MessageRow]]


class Viewer(NamedTuple):
    """Who a file is made for: what the reader may see, and whether addresses are masked."""

    reader: Reader
    mask: bool


@pages.errorhandler(BeingMade)
def _ask_again(error: Exception) -> ResponseReturnValue:
    shown = render_template("error.html", code=503, name=str(BeingMade.__doc__))
    return shown, 503, {"Retry-After": "10"}


@pages.get("/m/<message_hash>/message.eml")
def mail(message_hash: str) -> ResponseReturnValue:
    """Return a message for a mail program: its file, where addresses are shown, else what its page shows of it."""
    reader = current_reader()
    rows = ask_database(lambda: queries.at_hash(database(), message_hash))
    seen = readable(rows, reader)
    if not seen:
        return not_shown(rows, reader)
    mask = not shows_addresses()
    if not mask:
        # Where the file cannot be had, what the database has of it is better than nothing.
        with suppress(FileAway, FileChanged, FileGone):
            return files.raw_answer(seen[0], "message/rfc822", f"{seen[0].hash}.eml")

    def make() -> Response:
        made = Response(as_mail(seen[0], mask=mask), content_type="message/rfc822")
        made.headers.set("Content-Disposition", "attachment", filename=f"{message_hash}.eml")
        return made

    return answer("eml", seen[0].version(), mask, make=make)


@pages.get("/t/<message_hash>/t.mbox.gz")
def thread(message_hash: str) -> ResponseReturnValue:
    """Return all messages of a thread that the reader may see, as a packed mbox."""
    rows = ask_database(lambda: queries.at_hash(database(), message_hash))
    named = first_told_of(rows, current_reader())
    if named is None:
        abort(404)
    return thread_mbox(named.thread)


def thread_mbox(number: int) -> Response:
    """Return the mbox of a thread. Raises 404 where the reader may see nothing of it, BeingMade."""
    viewer = _viewer()
    known = ask_database(lambda: thread_state(database(), number, viewer.reader))
    if not known.state.readable:
        abort(404)
    first = known.state.first
    kind, name = f"thread {first}", f"{hash_of(first)}.mbox.gz"
    return _mbox(kind, known, name, lambda: _of_thread(number, viewer.reader))


@pages.get("/l/<name>/<month>/mbox.gz")
def month(name: str, month: str) -> ResponseReturnValue:
    """Return a month of a list as a packed mbox."""
    list_id, viewer = list_named(name), _viewer()
    states = ask_database(lambda: queries.month_states(database(), list_id, month))
    if addresses.month_in(month) is None or not states:
        abort(404)
    rows: Rows = lambda: _of_month(list_id, month, viewer.reader)  # noqa: E731
    return _mbox(
        _kind_of_month(list_id, month), states, f"{list_id or 'mail'}-{month}.mbox.gz", rows
    )


@pages.get("/l/<name>/mbox.gz")
def whole_list(name: str) -> ResponseReturnValue:
    """Return a list as a packed mbox: those of its months, one behind the other (RFC 1952, 2.2)."""
    list_id, viewer = list_named(name), _viewer()
    states = ask_database(lambda: queries.month_states(database(), list_id))
    if not states:
        abort(404)
    kept = _made_files()

    def make() -> Iterator[bytes]:
        for one in states:
            rows: Rows = lambda: _of_month(list_id, one[0], viewer.reader)  # noqa: B023, E731 - used up at once
            kind = _kind_of_month(list_id, one[0])
            yield from kept.taken(kind, ([one], viewer), lambda: _packed(rows(), viewer.mask))  # noqa: B023

    kind, saved_as = f"list {list_id}", f"{list_id or 'mail'}.mbox.gz"
    return _sent(kept, kind, (states, viewer), make, saved_as)


@pages.get("/search/mbox.gz")
def found() -> ResponseReturnValue:
    """Return the messages that answer ?q=, at most MOST_FOUND, as a packed mbox."""
    return search_mbox(request.args.get("q", ""))


def search_mbox(query: str, *, threads: bool = False) -> ResponseReturnValue:
    """Return the mbox of a search, of whole threads if wanted; a plain line of text says what is wrong with it."""
    numbers = or_told(lambda: found_by(query, MOST_FOUND))
    if isinstance(numbers, Response):
        return numbers
    if not numbers:
        return Response("nothing found\n", 404, content_type="text/plain; charset=utf-8")
    if threads:
        hits = numbers
        numbers = ask_database(lambda: queries.whole_threads(database(), hits, MOST_FOUND))
    state = ask_database(lambda: queries.state_of(database(), numbers))
    reader = _viewer().reader
    return _mbox(
        f"search {query}", (numbers, state), "search.mbox.gz", lambda: _these(numbers, reader)
    )


def _viewer() -> Viewer:
    return Viewer(current_reader(), not shows_addresses())


def _made_files() -> MadeFiles:
    kept: MadeFiles = current_app.extensions["made_files"]
    return kept


def _kind_of_month(list_id: str, month: str) -> str:
    return f"month {list_id} {month}"


def _mbox(kind: str, state: object, name: str, rows: Rows) -> Response:
    viewer = _viewer()
    facts = (state, viewer)
    return _sent(_made_files(), kind, facts, lambda: _packed(rows(), viewer.mask), name)


def _sent(
    kept: MadeFiles, kind: str, facts: object, make: Callable[[], Iterable[bytes]], name: str
) -> Response:
    saved_as = safe_name(name, "mail.mbox.gz")
    tag = kept.tag_of(kind, facts)
    if (same := unchanged(tag, saved_as)) is not None:
        return same
    file: IO[bytes] = kept.get(kind, facts, make)
    size = file.seek(0, 2)
    file.seek(0)
    return sent_file(file, size=size, tag=tag, kind="application/gzip", name=saved_as)


def _packed(rows: Iterable[MessageRow], mask: bool) -> Iterator[bytes]:
    """Yield an mbox of the messages as one member of a gzip file."""
    packer = zlib.compressobj(wbits=_GZIP)
    for one in mbox(rows, mask=mask):
        yield packer.compress(one)
    yield packer.flush()


def _of_thread(thread_number: int, reader: Reader) -> Iterator[MessageRow]:
    """Yield a thread's messages that the reader may see, oldest first, a page at a time."""
    after = (BEGINNING, 0)
    while True:
        place = after
        rows = ask_database(
            lambda: queries.thread_messages(database(), thread_number, place)  # noqa: B023 - asked at once
        )
        yield from readable(rows, reader)
        if len(rows) < IN_THREAD:
            return
        after = (rows[-1].sent_at, rows[-1].id)


def _of_month(list_id: str, month: str, reader: Reader) -> Iterator[MessageRow]:
    """Yield a month's messages that the reader may see, oldest first."""
    since = addresses.month_in(month) or BEGINNING
    until, after = addresses.month_after(since), (since, 0)
    while True:
        place = after
        rows = ask_database(
            lambda: queries.posted_since(database(), list_id, place, until, A_PIECE)  # noqa: B023 - asked at once
        )
        yield from readable(rows, reader)
        if len(rows) < A_PIECE:
            return
        after = (rows[-1].sent_at, rows[-1].id)


def _these(numbers: list[int], reader: Reader) -> Iterator[MessageRow]:
    """Yield these messages, as far as the reader may see them, in their order."""
    for start in range(0, len(numbers), A_PIECE):
        piece = numbers[start : start + A_PIECE]
        rows = ask_database(lambda: queries.with_texts(database(), piece))  # noqa: B023 - asked at once
        by_number = {row.id: row for row in readable(rows, reader)}
        yield from (by_number[number] for number in piece if number in by_number)
