"""The one table of what is given as JSON: the routes and the OpenAPI description are made of it. Pure."""

from __future__ import annotations

from mrilu.openapi import operators_table, words_table
from mrilu.openapi.shapes import (
    FLAG,
    HASH,
    NEXT,
    NUMBER,
    PLACE,
    TEXT,
    TIME,
    Operation,
    Parameter,
    Schema,
    headed,
    many,
    of,
    record,
)

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
    "Similar": record(thread=PLACE, subject=TEXT, nearest=HASH, sent_at=TIME, lists=many(TEXT)),
    "AskedBefore": record(url=PLACE, threads=many(of("Similar"))),
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
    **words_table.SCHEMAS,
    **operators_table.SCHEMAS,
}

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
        "similar",
        "/t/<message_hash>/similar.json",
        "asked.similar",
        "Threads that are about the same, the nearest first",
        "AskedBefore",
        (_HASH,),
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
    *words_table.OPERATIONS,
    *operators_table.OPERATIONS,
)
BESIDE = {one.page: one.name for one in OPERATIONS}
