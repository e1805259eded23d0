"""The OpenAPI description (3.1) of the JSON, made of the table. Pure."""

from __future__ import annotations

import re
from typing import Any

from mrilu.openapi.shapes import Operation, of
from mrilu.openapi.table import OPERATIONS, SCHEMAS

VERSION = "1"  # of what is given, changed when a field goes or means something else
_VARIABLE = re.compile(r"<(?:\w+:)?(\w+)>")
ABOUT = (
    "Each page of the archive that is data has this beside it, at its own address with `Accept: application/json`, "
    "too. What is shown, masked addresses and ETags are those of the pages; `next` leads on."
)
REFUSALS = {
    400: "the query cannot be read, or something is missing",
    401: "it is for operators, whose password is missing or wrong",
    404: "there is no such thing here",
    410: "it was here, and is not shown any more",
    429: "too many wrong passwords: see Retry-After",
    503: "it takes too long, or comes too often: see Retry-After",
}


def openapi(site: str) -> dict[str, Any]:
    """Return the description of a site at this URL."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "mrilu", "version": VERSION, "description": ABOUT},
        "servers": [{"url": site}],
        "paths": {path_of(one): {"get": _operation(one)} for one in OPERATIONS},
        "components": {"schemas": SCHEMAS},
    }


def path_of(operation: Operation) -> str:
    """Return the path as OpenAPI writes it."""
    return _VARIABLE.sub(r"{\1}", operation.rule)


def _operation(one: Operation) -> dict[str, Any]:
    refused = {str(status): _answer(REFUSALS[status], "Error") for status in one.refusals}
    return {
        "operationId": one.name,
        "summary": one.about,
        "parameters": [
            {
                "name": name,
                "in": place,
                "description": about,
                "required": place == "path",
                "schema": schema,
            }
            for name, place, about, schema in one.parameters
        ],
        "responses": {"200": _answer(one.about, one.schema), **refused},
    }


def _answer(about: str, schema: str) -> dict[str, Any]:
    return {"description": about, "content": {"application/json": {"schema": of(schema)}}}
