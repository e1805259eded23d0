"""The JSON beside the operators' pages: whoever is no operator is refused, as there."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Response, jsonify
from flask.typing import ResponseReturnValue

from mrilu.web.access import refuse_strangers
from mrilu.web.api import status_rows
from mrilu.web.json_answers import fit_to_show, json_answer
from mrilu.web.patience import ask_database
from mrilu.web.queries.history import History, history
from mrilu.web.queries.status import rejected_facts
from mrilu.web.routes import operators as operator_pages
from mrilu.web.routes import status as status_pages


def _for_operators(view: Callable[..., Response]) -> Callable[..., ResponseReturnValue]:
    """Let only operators have what a view returns, and no one keep it."""

    @wraps(view)
    def guarded(**arguments: Any) -> ResponseReturnValue:
        if refusal := refuse_strangers():
            return _as_json(refusal)
        made = view(**arguments)
        made.headers["Cache-Control"] = "no-store, no-transform"
        return made

    return guarded


def _as_json(refusal: Response) -> Response:
    made = jsonify({"status": refusal.status_code, "error": refusal.get_data(True).strip()})
    made.status_code = refusal.status_code
    for name in ("WWW-Authenticate", "Retry-After"):
        if name in refusal.headers:
            made.headers[name] = refusal.headers[name]
    return made


@_for_operators
def status() -> Response:
    """Return what the page of the machine room shows."""
    looked, slow = status_pages.last_look(), status_pages.slow_facts()
    facts = {"down": looked.down(), **status_rows.all_of(looked, slow, fit_to_show)}
    return status_pages.tell_of_servers(looked, json_answer("status", facts))


@_for_operators
def rejected(number: int) -> Response:
    """Return why a file was rejected, and its first lines."""
    row, maildir = status_pages.rejection(number)
    lines, problem = status_pages.first_lines(maildir, row)
    shown = status_rows.rejected_file(rejected_facts(row, maildir.name), fit_to_show)
    told = [fit_to_show(line) for line in lines]
    return json_answer("rejected", {"file": shown, "lines": told, "problem": problem})


@_for_operators
def message_history(message_hash: str) -> Response:
    """Return where the files of a Message-ID lie, and when they came in."""

    found = ask_database(lambda: [history(row) for row in operator_pages.named(message_hash)])
    told = [status_rows.history(one, _facts_of(one), fit_to_show) for one in found]
    return json_answer("message-history", {"hash": message_hash.upper(), "messages": told})


def _facts_of(found: History) -> list[dict[str, Any]]:
    return [rejected_facts(row, name) for name, row in found.rejected]


VIEWS = (status, rejected, message_history)
