"""The one table of what is given as JSON: the routes and the OpenAPI description are made of it. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "integer", "minimum": 0}
FLAG: Schema = {"type": "boolean"}
TIME: Schema = {"type": "string", "format": "date-time"}
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
SCHEMAS: dict[str, Schema] = {
    "Error": record(("column",), status={"type": "integer"}, error=TEXT, column=NUMBER),
    "List": record(list=TEXT, url=PLACE, newest=TIME, subject=TEXT),
    "Lists": record(lists=many(of("List"))),
    "Month": record(month=TEXT, messages=NUMBER, url=PLACE),
    "Ledger": record(
        ("complete_to", "checked_at"),
        complete_to=TIME,
        checked_at=TIME,
        waiting=NUMBER,
        rejected=NUMBER,
        trouble=FLAG,
    ),
    "Conversation": record(
        url=PLACE, subject=TEXT, messages=NUMBER, newest=of("Header"), people=many(TEXT)
    ),
    "MailingList": record(
        ("next",),
        list=TEXT,
        messages=NUMBER,
        months=many(of("Month")),
        ledger=of("Ledger"),
        threads=many(of("Conversation")),
        next=NEXT,
    ),
    "MonthOfList": record(
        ("next",), list=TEXT, month=TEXT, threads=many(of("Conversation")), next=NEXT
    ),
    "Header": headed(has_attachment=FLAG),
    "File": record(name=TEXT, type=TEXT, size=NUMBER),
    "Message": headed(
        has_attachment=FLAG,
        thread=PLACE,
        in_reply_to=many(TEXT),
        references=many(TEXT),
        body=TEXT,
        own_text=TEXT,
        files=many(of("File")),
    ),
    "Messages": record(messages=many(of("Message"))),
    "Withheld": record(hash=HASH, withheld={"const": True}),
    "Thread": record(
        ("next",),
        hash=HASH,
        url=PLACE,
        subject=TEXT,
        messages=NUMBER,
        items=many({"oneOf": [of("Message"), of("Withheld")]}),
        next=NEXT,
    ),
    "MessageHit": headed(in_thread=NUMBER, snippet=TEXT),
    "WordHit": record(
        word=TEXT, url=PLACE, type=TEXT, language=TEXT, glosses=many(TEXT), definition=TEXT
    ),
    "SentenceHit": record(lojban=TEXT, english=TEXT),
    "Facet": record(name=TEXT, messages=NUMBER, url=PLACE),
    "Facets": record(
        total={**NUMBER, "description": "messages that hold every term, among which is counted"},
        more={**FLAG, "description": "whether these are the newest of a larger number"},
        years=many(of("Facet")),
        lists=many(of("Facet")),
        authors=many(of("Facet")),
    ),
    "Found": record(
        ("next", "facets"),
        query=TEXT,
        kind={"enum": ["message", "word", "sentence"]},
        total=NUMBER,
        more={**FLAG, "description": "whether `total` counts only what has been looked at so far"},
        notices=many(TEXT),
        facets=of("Facets"),
        hits=many({"oneOf": [of("MessageHit"), of("WordHit"), of("SentenceHit")]}),
        next=NEXT,
    ),
    "Definition": record(
        id=NUMBER, language=TEXT, type=TEXT, rafsi=many(TEXT), definition=TEXT, notes=TEXT
    ),
    "Word": record(word=TEXT, url=PLACE, definitions=many(of("Definition"))),
    "Export": record(
        url=PLACE, language=TEXT, format=TEXT, size=NUMBER, built_at=TIME, sha256=TEXT
    ),
    "Exports": record(exports=many(of("Export"))),
    "Fate": record(
        ("reason",),
        message_id=TEXT,
        state={"enum": ["archived", "withheld", "rejected", "unknown"]},
        reason=TEXT,
        messages=many(of("Header")),
        ledger=of("Ledger"),
    ),
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


_LIST = Parameter("name", "path", 'a List-Id; "-" for mail of no list')
_BEFORE = Parameter("before", "query", "where the page begins, as `next` of the page before says")
_AFTER = Parameter("after", "query", "where the page begins, as `next` of the page before says")
_HASH = Parameter(
    "message_hash", "path", "base32(sha1(Message-ID)), Mailman's X-Message-ID-Hash", HASH
)
_KIND = {"enum": ["message", "word", "sentence"], "default": "message"}

OPERATIONS = (
    Operation("lists", "/lists.json", "start.start", "All lists", "Lists"),
    Operation(
        "mailing_list",
        "/l/<name>.json",
        "lists.mailing_list",
        "A list: its months, and its threads, that with the newest message first",
        "MailingList",
        (_LIST, _BEFORE),
        (404,),
    ),
    Operation(
        "month_of_list",
        "/l/<name>/<month>.json",
        "lists.month_of_list",
        "The threads of a list in a month (UTC)",
        "MonthOfList",
        (_LIST, Parameter("month", "path", "as 2024-03"), _BEFORE),
        (404,),
    ),
    Operation(
        "thread",
        "/t/<message_hash>.json",
        "threads.thread",
        "The thread of a message, oldest message first",
        "Thread",
        (_HASH, _AFTER),
        (404,),
    ),
    Operation(
        "message",
        "/m/<message_hash>.json",
        "messages.message",
        "The messages of a Message-ID",
        "Messages",
        (_HASH,),
        (404, 410),
    ),
    Operation(
        "find",
        "/search.json",
        "search.find",
        "What a search finds",
        "Found",
        (
            Parameter("q", "query", "the query, with the operators of the search page"),
            Parameter("in", "query", "what is looked for", _KIND),
            Parameter("by", "query", "`thread`: the best message of each thread"),
            Parameter("page", "query", "which page, from 1", {"type": "integer", "minimum": 1}),
        ),
        (400, 503),
    ),
    Operation(
        "word",
        "/w/<path:word>.json",
        "words.word",
        "A word of the dictionary, with its definitions in all languages",
        "Word",
        (Parameter("word", "path", "the word"),),
        (404,),
    ),
    Operation(
        "exports", "/exports.json", "exports.all_exports", "The dictionary as files", "Exports"
    ),
    Operation(
        "why",
        "/why.json",
        "why.why",
        "What became of a mail",
        "Fate",
        (Parameter("id", "query", "its Message-ID"),),
        (400, 404),
    ),
)
BESIDE = {one.page: one.name for one in OPERATIONS}
