r"""TSV, zipped: the words, their glosses, and the other direction; UTF-8 with a header line.

In a field "\t" is a tab, "\n" a line feed, "\r" a carriage return, and a backslash before any other character
stands for that character: "\\" for itself, "\=" for a "=" that starts a field, which a spreadsheet would
otherwise take for a formula.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from mrilu.dictionary.entries import Entry, Reverse
from mrilu.exports.archives import write_zip
from mrilu.exports.book import Book, Report, naming

T = TypeVar("T", Entry, Reverse)

WORDS = (
    "word",
    "type",
    "unofficial",
    "rafsi",
    "selmaho",
    "definition",
    "notes",
    "glosswords",
    "username",
    "realname",
    "score",
    "definitionid",
    "jargon",
    "etymology",
    "examples",
    "tags",
)
GLOSSES = ("definitionid", "place", "word", "sense")
REVERSE = ("word", "sense", "valsi", "place")
_ESCAPED = re.compile(r"[\\\t\n\r]|\A[=+@-]")
_NAMES = {"\t": r"\t", "\n": r"\n", "\r": r"\r"}


def write(book: Book, path: Path) -> Report:
    """Write the zip of up to three tables. Raises EntryFailed."""
    definitions = book.definitions
    tables = {
        f"jbo-{book.tag}.tsv": _table(WORDS, definitions, lambda entry: [_word(entry)]),
        f"jbo-{book.tag}-glosses.tsv": _table(GLOSSES, definitions, _glosses),
    }
    if book.reverse:
        reverse = _table(REVERSE, book.reverse, lambda one: [_reverse(one)])
        tables[f"{book.tag}-jbo.tsv"] = reverse
    write_zip(path, {name: table.encode() for name, table in tables.items()})
    return Report()


def _table(
    header: Iterable[str], entries: Iterable[T], rows_of: Callable[[T], Iterable[Iterable[str]]]
) -> str:
    table = io.StringIO()
    table.write("\t".join(header) + "\n")
    for entry in entries:
        with naming(entry):
            for row in rows_of(entry):
                table.write("\t".join(map(escape, row)) + "\n")
    return table.getvalue()


def _word(entry: Entry) -> Iterable[str]:
    glosses = "; ".join(one.text for one in entry.glosses if not one.place)
    return (
        entry.word,
        entry.type,
        "true" if entry.unofficial else "false",
        " ".join(entry.rafsi),
        entry.selmaho,
        entry.definition,
        entry.notes,
        glosses,
        entry.username,
        entry.realname,
        "" if entry.score is None else repr(entry.score),
        str(entry.source_id),
        entry.jargon,
        entry.etymology,
        "\n".join(entry.examples),
        "; ".join(entry.tags),
    )


def _glosses(entry: Entry) -> Iterable[Iterable[str]]:
    return ((str(entry.source_id), str(one.place), one.text, one.sense) for one in entry.glosses)


def _reverse(one: Reverse) -> Iterable[str]:
    return one.text, one.sense, one.valsi, str(one.place)


def escape(field: str) -> str:
    """Return the field as a TSV holds it."""
    return _ESCAPED.sub(lambda found: _NAMES.get(found[0], "\\" + found[0]), field)
