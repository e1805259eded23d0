"""The JSON beside the pages, and its description at /openapi.json. What may be seen is decided as for the pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Flask, Response, abort, current_app, jsonify, request
from flask.typing import ResponseReturnValue

from models import CachedExport, Reader
from mrilu.mail.permalinks import hash_of
from mrilu.openapi.document import openapi
from mrilu.openapi.table import BESIDE, OPERATIONS
from mrilu.runtime.database import database
from mrilu.search.facets import Facet, Facets
from mrilu.search.grammar import QueryError
from mrilu.search.patience import SearchTooSlow
from mrilu.web import addresses
from mrilu.web.api import rows
from mrilu.web.caching import answer
from mrilu.web.json_answers import fit_to_show as _show
from mrilu.web.json_answers import further_page as _next
from mrilu.web.json_answers import json_answer as _answer
from mrilu.web.keyset import BEGINNING, END, mark_at, mark_of, place_at
from mrilu.web.part_links import files_of
from mrilu.web.patience import ask_database
from mrilu.web.queries import archive as queries
from mrilu.web.queries.archive import MessageRow, ThreadState
from mrilu.web.queries.conversations import Period, page_of
from mrilu.web.queries.ledger import standing
from mrilu.web.queries.versions import of_month
from mrilu.web.readers import current_reader, readable, told_of
from mrilu.web.routes import api_operators, api_words
from mrilu.web.routes import asked as asked_pages
from mrilu.web.routes import lists as list_pages
from mrilu.web.routes import search as search_pages
from mrilu.web.routes.why import asked_for, fate_of, status_of
from mrilu.web.states_kept import find_thread

pages = Blueprint("api", __name__)

JSON = "application/json"
MOST_OF_THREAD = 50  # messages of a thread, with their texts, at once


def negotiate(app: Flask) -> None:
    """Have the pages that have JSON beside them answer with it where the client prefers it (RFC 9110, 12.5.1)."""
    views = {one.name: f"{pages.name}.{one.name}" for one in OPERATIONS}

    def turn() -> ResponseReturnValue | None:
        name = BESIDE.get(request.endpoint or "")
        if name is None or not prefers_json():
            return None
        return current_app.ensure_sync(app.view_functions[views[name]])(**(request.view_args or {}))

    def tell(made: Response) -> Response:
        if request.endpoint in BESIDE:
            made.vary.add("Accept")
        return made

    app.before_request(turn)
    app.after_request(tell)


def prefers_json() -> bool:
    """Tell whether the client wants JSON: by the address, or rather than HTML."""
    if (request.endpoint or "").startswith(f"{pages.name}.") or request.path.endswith(".json"):
        return True
    accepted = request.accept_mimetypes
    return accepted[JSON] > accepted["text/html"]


def as_error(status: int, text: str, **more: object) -> Response:
    """Return an error as JSON."""
    made = jsonify({"status": status, "error": text, **more})
    made.status_code = status
    return made


@pages.get("/openapi.json")
def description() -> Response:
    """Describe all of it (OpenAPI 3.1)."""
    made = openapi(str(current_app.config["SITE_URL"]).rstrip("/"))
    return answer("openapi", made, make=lambda: jsonify(made))


def lists() -> Response:
    """Return all lists that the reader may know of."""
    reader = current_reader()
    found = ask_database(lambda: queries.lists(database(), reader))
    return _answer(
        "lists",
        {
            "lists": [
                {
                    "list": one.list_id,
                    "url": addresses.of_list(one.list_id),
                    "newest": rows.time_of(one.newest),
                    "subject": _show(one.subject),
                }
                for one in found
            ]
        },
    )


def mailing_list(name: str) -> Response:
    """Return a list with its months and a page of its threads."""
    list_id = list_pages.list_named(name)
    known, ledger = ask_database(lambda: list_pages.list_and_ledger(list_id))
    if not known.months:
        abort(404)
    fields = {
        "list": list_id,
        "messages": sum(count for _, count in known.months),
        "months": [
            {"month": month, "messages": count, "url": addresses.of_list(list_id, month)}
            for month, count in known.months
        ],
        "ledger": rows.ledger(ledger),
    }
    return _threads(fields, known.version, Period(list_id, BEGINNING, END), list_pages.ON_LIST)


def month_of_list(name: str, month: str) -> Response:
    """Return a page of the threads of a list in a month."""
    list_id = list_pages.list_named(name)
    since = addresses.month_in(month)
    if since is None:
        abort(404)
    known = ask_database(lambda: of_month(database(), list_id, since))
    if not known.messages:
        abort(404)
    period = Period(list_id, since, addresses.month_after(since))
    fields = {"list": list_id, "month": month}
    return _threads(fields, known.version, period, list_pages.IN_MONTH)


def _threads(fields: dict[str, Any], version: str, period: Period, wanted: int) -> Response:
    """Return these fields and a page of the threads of a time, whose version says whether they have changed."""
    reader = current_reader()

    def make() -> Response:
        before = place_at(request.args.get("before", "")) or (END, 0)
        found = ask_database(lambda: page_of(database(), period, before, wanted, reader))
        threads = [rows.conversation(one, _show) for one in found.conversations]
        return jsonify(fields | {"threads": threads, **_next(before=mark_at(found.further))})

    return answer("json", "threads", request.full_path, fields, version, reader, make=make)


def thread(message_hash: str) -> Response:
    """Return a page of the thread of a message."""
    reader = current_reader()
    known = ask_database(lambda: find_thread(database(), message_hash, reader))
    if known is None:
        abort(404)
    after = place_at(request.args.get("after", "")) or (BEGINNING, 0)

    def make() -> Response:
        number, most = known.named.thread, MOST_OF_THREAD
        found = ask_database(lambda: queries.thread_messages(database(), number, after, most))
        return jsonify(_thread(known.state, found, reader))

    facts = ("json", "thread", request.full_path, known.state, known.version, reader)
    return answer(*facts, make=make)


def _thread(state: ThreadState, found: list[MessageRow], reader: Reader) -> dict[str, Any]:
    seen = readable(found, reader)
    shown = {row.id for row in seen}
    told = [row for row in found if told_of(row, reader)]
    return {
        "hash": hash_of(state.first),
        "url": addresses.of_thread(hash_of(state.first)),
        "subject": _show(seen[0].subject) if seen else "",
        "messages": state.told,
        "items": [
            _message(row) if row.id in shown else {"hash": row.hash, "withheld": True}
            for row in told
        ],
        **_next(after=mark_of(found[-1]) if len(found) == MOST_OF_THREAD else ""),
    }


def similar(message_hash: str) -> Response:
    """Return the threads that are nearest in meaning to one."""
    found, first = asked_pages.like(message_hash)
    threads = [
        {
            "thread": addresses.of_thread(hash_of(one.message_id)),
            "subject": _show(one.subject),
            "nearest": hash_of(one.message_id),
            "sent_at": rows.time_of(one.sent_at),
            "lists": list(one.list_ids),
        }
        for one in found
    ]
    return _answer("similar", {"url": addresses.of_thread(hash_of(first)), "threads": threads})


def message(message_hash: str = "", name: str = "") -> Response:
    """Return the messages of a Message-ID."""
    asked, reader = message_hash or name, current_reader()
    found = ask_database(lambda: queries.at_hash(database(), asked))
    seen = readable(found, reader)
    if not seen and any(reader.may_know_of(row.restrictions, row.list_ids) for row in found):
        abort(410)
    if not seen:
        abort(404)
    return _answer("message", {"messages": [_message(row) for row in seen]})


def find() -> Response:
    """Return a page of what answers ?q=."""
    asked = search_pages.asked_for()
    try:
        found, spread, *_ = search_pages.answer_to(asked, asked_before=False)
    except QueryError as error:
        return as_error(400, str(error), column=error.column)
    except SearchTooSlow as error:
        late = as_error(503, str(error))
        late.headers["Retry-After"] = "60"
        return late
    further = {"page": "", **search_pages.further(asked, found)}
    return _answer(
        "search",
        {
            "query": asked.query,
            "kind": asked.kind,
            "total": found.total,
            "more": found.more,
            "notices": list(found.notices),
            "hits": [rows.hit(one, _show) for one in found.hits],
            **({"facets": _spread(asked, spread)} if spread else {}),
            **_next(**further),
        },
    )


def _spread(asked: search_pages.Asked, found: Facets) -> dict[str, Any]:
    """Return the facets; the address of each is that of the narrower search."""
    narrowed = search_pages.narrowing(asked)

    def told(values: list[Facet]) -> list[dict[str, Any]]:
        return [
            {
                "name": one.name,
                "messages": one.messages,
                "url": narrowed(one),
            }
            for one in values
        ]

    counts = {"total": found.total, "more": found.more}
    facets = {"years": found.years, "lists": found.lists, "authors": found.authors}
    return counts | {name: told(values) for name, values in facets.items()}


def exports() -> Response:
    """Return the exported files of the dictionary."""

    def ask() -> list[dict[str, Any]]:
        database()
        return CachedExport.listed()

    return _answer(
        "exports",
        {
            "exports": [
                {
                    "url": f"/exports/{one['tag']}/{one['format']}/{one['filename']}",
                    "language": one["tag"],
                    "format": one["format"],
                    "size": one["size"],
                    "built_at": rows.time_of(one["built_at"]),
                    "sha256": one["sha256"],
                }
                for one in ask_database(ask)
            ]
        },
    )


def why() -> Response:
    """Return what became of a mail."""
    asked, name = asked_for()
    if not name:
        return as_error(400, "id: this is no Message-ID")
    fate = fate_of(name, current_reader())
    if status_of(asked, fate) == 404:
        return as_error(404, "no mail that everyone may read has this Message-ID")
    messages = [
        {**rows.header(row, _show), "has_attachment": row.has_attachment} for row in fate.rows
    ]
    facts = {"message_id": name, "state": fate.state, "messages": messages}
    reason = {"reason": fate.reason} if fate.reason else {}
    ledger = rows.ledger(ask_database(lambda: standing(database())))
    return _answer("why", {**facts, **reason, "ledger": ledger})


def _message(row: MessageRow) -> dict[str, Any]:
    named = [{"name": _show(one.name), "type": one.kind, "size": one.size} for one in files_of(row)]
    return rows.message(row, _show, named)


_VIEWS: dict[str, Callable[..., ResponseReturnValue]] = {
    view.__name__: view
    for view in (
        lists, mailing_list, month_of_list, thread, similar, message, find, exports, why,
        *api_words.VIEWS, *api_operators.VIEWS,
    )
}  # fmt: skip
for _one in OPERATIONS:
    pages.add_url_rule(_one.rule, _one.name, _VIEWS[_one.name])
