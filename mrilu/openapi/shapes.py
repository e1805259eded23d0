"""What the tables of the JSON are made of: schemas (JSON Schema 2020-12), parameters, operations. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "integer", "minimum": 0}
FLAG: Schema = {"type": "boolean"}
TIME: Schema = {"type": "string", "format": "date-time"}
DAY: Schema = {"type": "string", "format": "date"}
PLACE: Schema = {"type": "string", "pattern": "^/", "description": "an address on this site"}
HASH: Schema = {"type": "string", "pattern": "^[A-Z2-7]{32}$"}
NEXT: Schema = {**PLACE, "description": "the next page; absent on the last one"}


def of(name: str) -> Schema:
    """Return the reference to a schema of the table."""
    return {"$ref": f"#/components/schemas/{name}"}


def many(item: Schema) -> Schema:
    """Return the schema of an array."""
    return {"type": "array", "items": item}


def record(optional: tuple[str, ...] = (), **fields: Schema) -> Schema:
    """Return the schema of an object that has these fields, all but the `optional` ones always, and no others."""
    return {
        "type": "object",
        "properties": fields,
        "required": [name for name in fields if name not in optional],
        "additionalProperties": False,
    }


def headed(**more: Schema) -> Schema:
    """Return the schema of an object that has the header of a message, and these fields."""
    return record((), **(_HEADER | more))


_HEADER: dict[str, Schema] = {
    "hash": HASH,
    "url": PLACE,
    "message_id": TEXT,
    "subject": TEXT,
    "from": TEXT,
    "sent_at": TIME,
    "lists": many(TEXT),
}


class Parameter(NamedTuple):
    """A parameter of an address; `place` is path or query."""

    name: str
    place: str
    about: str
    schema: Schema = TEXT


class Operation(NamedTuple):
    """What is given as JSON: `page` is the endpoint of the page that it stands beside, `refusals` other statuses."""

    name: str
    rule: str  # as Flask writes it
    page: str
    about: str
    schema: str
    parameters: tuple[Parameter, ...] = ()
    refusals: tuple[int, ...] = ()
