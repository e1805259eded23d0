"""Answers in JSON: an ETag of what they hold, foreign texts as the pages show them, the address of the next page."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify, request

from mrilu.web import addresses
from mrilu.web.caching import answer
from mrilu.web.masking import masked
from mrilu.web.readers import shows_addresses


def json_answer(name: str, made: dict[str, Any]) -> Response:
    """Return what was made as JSON, or 304 where the client has it already."""
    return answer("json", name, made, make=lambda: jsonify(made))


def fit_to_show(text: str) -> str:
    """Return a foreign text as readers may have it: addresses masked."""
    return text if shows_addresses() else masked(text)


def further_page(**argument: str) -> dict[str, str]:
    """Return as `next` the address of the next page, which has the argument in place of this one's; or nothing."""
    if not any(argument.values()):
        return {}
    kept = request.args.to_dict() | argument
    return {"next": addresses.with_query(request.path, kept)}
