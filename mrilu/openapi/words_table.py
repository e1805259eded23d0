"""What of the dictionary is given as JSON. Pure."""

from __future__ import annotations

from mrilu.openapi.shapes import (
    DAY,
    FLAG,
    NEXT,
    NUMBER,
    PLACE,
    TEXT,
    TIME,
    Operation,
    Parameter,
    Schema,
    many,
    of,
    record,
)

SCHEMAS: dict[str, Schema] = {
    "Definition": record(
        id=NUMBER, language=TEXT, type=TEXT, rafsi=many(TEXT), definition=TEXT, notes=TEXT
    ),
    "Word": record(word=TEXT, url=PLACE, definitions=many(of("Definition"))),
    "WordThen": record(
        ("before", "after"),
        word=TEXT,
        url=PLACE,
        at=DAY,
        before={**DAY, "description": "the last day before `at` on which the word changed"},
        after={**DAY, "description": "the first day after `at` on which the word changed"},
        definitions=many(of("Definition")),
    ),
    "Version": record(
        id=NUMBER,
        language=TEXT,
        version=NUMBER,
        change={"enum": ["added", "edited", "gone", "returned"]},
        bulk={**FLAG, "description": "whether it came with a dictionary that was read anew"},
        recorded_at=TIME,
        definition=TEXT,
        notes=TEXT,
    ),
    "Versions": record(("next",), word=TEXT, url=PLACE, versions=many(of("Version")), next=NEXT),
    "IndexedWord": record(word=TEXT, url=PLACE, type=TEXT, meaning=TEXT),
    "Words": record(("next", "at"), at=DAY, words=many(of("IndexedWord")), next=NEXT),
}

_WORD = Parameter("word", "path", "the word")
_AT = Parameter("at", "query", "the day (UTC) at whose end the dictionary is looked at", DAY)

OPERATIONS = (
    Operation(
        "word",
        "/w/<path:word>.json",
        "words.word",
        "A word of the dictionary, with its definitions in all languages",
        "Word",
        (_WORD,),
        (404,),
    ),
    Operation(
        "word_then",
        "/w/<path:word>/at/<day>.json",
        "words_then.word",
        "A word as the dictionary had it at the end of a day",
        "WordThen",
        (_WORD, Parameter("day", "path", "as 2024-01-31, UTC", DAY)),
        (404,),
    ),
    Operation(
        "word_history",
        "/w/<path:word>/history.json",
        "words.history",
        "What was recorded of a word's definitions, newest first",
        "Versions",
        (_WORD, Parameter("before", "query", "where the page begins, as `next` says", NUMBER)),
        (404,),
    ),
    Operation(
        "words",
        "/words.json",
        "words.index",
        "The words of the dictionary in order",
        "Words",
        (
            Parameter("q", "query", "a word, or a pattern with * and ?"),
            Parameter("type", "query", "gismu, cmavo …"),
            Parameter("lang", "query", "the tag of a language that defines it"),
            _AT,
            Parameter("after", "query", "where the page begins, as `next` of the page before says"),
        ),
        (404,),
    ),
)
