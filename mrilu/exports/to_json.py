"""JSON: one object, an entry a line, so that two editions can be compared with diff."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mrilu.dictionary.entries import Entry, Reverse
from mrilu.exports.book import Book, Report, glosses_of, naming, write_text


def write(book: Book, path: Path) -> Report:
    """Write the book. Raises EntryFailed."""
    head = {"tag": book.tag, "name": book.name}
    parts = (
        f'{{"language": {_json(head)},\n"edition": {_json(book.edition)},\n"entries": [\n',
        ",\n".join(_lines(book.definitions)),
        '\n],\n"reverse": [\n',
        ",\n".join(_lines(book.reverse)),
        "\n]}\n",
    )
    write_text(path, "".join(parts))
    return Report()


def _lines(entries: Iterable[Entry | Reverse]) -> Iterable[str]:
    for entry in entries:
        with naming(entry):
            yield _json(_word_object(entry) if isinstance(entry, Entry) else entry._asdict())


def _word_object(entry: Entry) -> dict[str, Any]:
    glosses, keywords = glosses_of(entry)
    return {
        "word": entry.word,
        "type": entry.type,
        "unofficial": entry.unofficial,
        "rafsi": entry.rafsi,
        "selmaho": entry.selmaho,
        "user": {"username": entry.username, "realname": entry.realname},
        "definition": entry.definition,
        "definitionid": entry.source_id,
        "notes": entry.notes,
        "score": entry.score,
        "glosswords": [{"word": one.text, "sense": one.sense} for one in glosses],
        "keywords": [
            {"word": one.text, "sense": one.sense, "place": one.place} for one in keywords
        ],
        **entry.rare(),
    }


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
