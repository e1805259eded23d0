"""Reads the exports of lensisku, jbovlaste's successor: XML with <entry> elements, or JSON.

Their names are those of lensisku's export (https://github.com/lojban/lensisku, src/export). Its XML has no
definitionid, and neither has numbers of places: keywords come in the order of their places. The JSON that mrilu
exports has other names for a few fields, and is read as well.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator
from typing import IO, Any
from xml.etree.ElementTree import Element

from mrilu.dictionary.entries import MAX_ENTRIES, Entry, Export, Gloss, Reverse
from mrilu.dictionary.xml_stream import MAX_ENTRY_CHARS, OVERSIZED, ExportUnreadable

# lensisku's name of a field, and ours where it differs.
_NAMES = {
    "word_type": "type",
    "definition_id": "definitionid",
    "gloss_keywords": "glosswords",
    "place_keywords": "keywords",
}
_FIELDS = frozenset(
    (
        "word",
        "type",
        "unofficial",
        "rafsi",
        "selmaho",
        "user",
        "definition",
        "definitionid",
        "notes",
        "score",
        "glosswords",
        "keywords",
        "jargon",
        "etymology",
        "examples",
        "tags",
    )
)
_KEYWORD = frozenset(("word", "meaning", "sense", "place"))
_UNFIT = re.compile("[\0\ud800-\udfff]")  # JSON can write them, PostgreSQL cannot hold them
_START = 64  # bytes that are looked at to tell JSON from XML


def is_json(file: IO[bytes]) -> bool:
    """Tell whether the file starts as JSON does; it is read from its start afterwards."""
    start = file.read(_START).removeprefix(b"\xef\xbb\xbf").lstrip()
    file.seek(0)
    return start[:1] in (b"[", b"{")


def read_json(file: IO[bytes], export: Export) -> None:
    """Read a JSON export: a list of entries, or an object with "entries". Raises ExportUnreadable."""
    try:
        whole = json.loads(file.read().decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ExportUnreadable(f"{type(error).__name__}: {error}") from error
    rows: Any = whole
    if isinstance(whole, dict):
        export.language = _language(whole)
        rows = whole.get("entries")
    if not isinstance(rows, list):
        raise ExportUnreadable("it has no list of entries")
    if len(rows) > MAX_ENTRIES:
        raise ExportUnreadable(f"it has more than {MAX_ENTRIES:,} entries")
    for entry in rows:
        _add(export, entry if isinstance(entry, dict) else {})
    if isinstance(whole, dict):
        _read_reverse(whole.get("reverse"), export)


def add_xml_entry(export: Export, element: Element) -> None:
    """Add the entry of an <entry> of lensisku's XML."""
    if too_much := element.get(OVERSIZED):
        export.skip(_whole(element)[:40], too_much)
        return
    fields: dict[str, Any] = {}
    for child in element:
        if child.tag in ("gloss_keywords", "place_keywords"):
            fields[child.tag] = [{part.tag: _whole(part) for part in one} for one in child]
        elif child.tag == "user":
            fields[child.tag] = {part.tag: _whole(part) for part in child}
        else:
            fields[child.tag] = _whole(child)
    _add(export, fields)


def _language(whole: dict[str, Any]) -> str:
    metadata = whole.get("metadata")
    found = whole.get("language") or (
        metadata.get("language") if isinstance(metadata, dict) else ""
    )
    name = found.get("name") if isinstance(found, dict) else found
    return _UNFIT.sub("", name).strip()[:100] if isinstance(name, str) else ""


def _read_reverse(rows: Any, export: Export) -> None:
    for row in rows if isinstance(rows, list) else ():
        one = row if isinstance(row, dict) else {}
        try:
            text, valsi, sense = (_text(one.get(name)) for name in ("text", "valsi", "sense"))
        except ValueError as error:
            export.skip("", f"a reverse entry: {error}")
            continue
        if text and valsi:
            export.add_reverse(Reverse(text, sense, valsi, _place(one, 0)))
        else:
            export.skip(text or valsi, "a reverse entry without text or valsi")


def _add(export: Export, given: dict[str, Any]) -> None:
    fields = {_NAMES.get(name, name): value for name, value in given.items()}
    word = ""
    try:
        word = " ".join(_text(fields.get("word")).split())
        entry = _entry(export, word, fields)
    except (ValueError, AttributeError, TypeError) as error:
        export.skip(word, str(error))
        return
    export.add(entry)
    where = f"{word} (definitionid {entry.source_id})"
    export.lose(where, _lost_of(fields))


def _entry(export: Export, word: str, fields: dict[str, Any]) -> Entry:
    if len(str(fields)) > MAX_ENTRY_CHARS:
        raise ValueError(f"it has more than {MAX_ENTRY_CHARS:,} characters")
    definition, user = _text(fields.get("definition")), fields.get("user") or {}
    if not isinstance(user, dict):
        raise ValueError(f"its user is {str(user)[:40]!r}")
    if not word or not definition:
        raise ValueError("it has no word" if not word else "it has no definition")
    return Entry(
        word=word,
        type=_text(fields.get("type")),
        unofficial=str(fields.get("unofficial", "")).lower() == "true",
        rafsi=_rafsi(fields.get("rafsi")),
        selmaho=_text(fields.get("selmaho")),
        username=_text(user.get("username")),
        realname=_text(user.get("realname")),
        definition=definition,
        source_id=_id(export, word, fields.get("definitionid")),
        notes=_text(fields.get("notes")),
        score=_score(fields.get("score")),
        glosses=(
            *_glosses(fields.get("glosswords"), False),
            *_glosses(fields.get("keywords"), True),
        ),
        jargon=_text(fields.get("jargon")),
        etymology=_text(fields.get("etymology")),
        examples=_list(fields.get("examples")),
        tags=_list(fields.get("tags")),
    )


def _id(export: Export, word: str, given: Any) -> int:
    if given in (None, ""):
        return export.made_id(word)
    number = str(given)
    if not number.isascii() or not number.isdecimal() or len(number) > 19 or int(number) >= 2**63:
        raise ValueError(f"its definitionid is {number[:40]!r}")
    return int(number)


def _rafsi(given: Any) -> tuple[str, ...]:
    """Return the rafsi of a list, or of a text that has blanks or commas between them."""
    return _list(given) if isinstance(given, list) else tuple(re.findall(r"[^\s,]+", _text(given)))


def _glosses(given: Any, placed: bool) -> Iterator[Gloss]:
    for number, one in enumerate(given or (), 1):
        text = " ".join(_text(one.get("word")).split())
        if text:
            sense = _text(one.get("meaning") or one.get("sense"))
            yield Gloss(text, " ".join(sense.split()), _place(one, number) if placed else 0)


def _place(one: dict[str, Any], otherwise: int) -> int:
    place = str(one.get("place", otherwise))
    return int(place) if place.isascii() and place.isdecimal() and len(place) < 4 else otherwise


def _score(given: Any) -> float | None:
    try:
        score = float(given)
    except (TypeError, ValueError):
        return None
    return score if math.isfinite(score) else None


def _lost_of(fields: dict[str, Any]) -> Iterator[str]:
    for name, value in fields.items():
        if name not in _FIELDS and value not in (None, "", [], {}):
            yield f"{name!r} is not kept: {str(value)[:60]!r}"
    for one in (*(fields.get("glosswords") or ()), *(fields.get("keywords") or ())):
        for name in one.keys() - _KEYWORD:
            yield f"{name!r} of a keyword is not kept: {str(one[name])[:60]!r}"


def _list(given: Any) -> tuple[str, ...]:
    values: Iterable[Any] = given if isinstance(given, list) else [given]
    return tuple(text for one in values if (text := _text(one)))


def _text(given: Any) -> str:
    """Return a text; numbers as they are written, nothing for null. Raises ValueError."""
    if given is None:
        return ""
    if isinstance(given, dict | list):
        raise ValueError(f"a text is expected where {str(given)[:40]!r} is")
    text = str(given).strip()
    if unfit := _UNFIT.search(text):
        raise ValueError(f"it has the character U+{ord(unfit[0]):04X}, which no text has")
    return text


def _whole(element: Element) -> str:
    return "".join(element.itertext()).strip()
