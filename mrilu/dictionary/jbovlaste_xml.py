"""Reads a dictionary's export (jbo-LANG.xml or .json), streaming and without trusting it.

The format, as https://jbovlaste.lojban.org/export/xml.html gives it: <dictionary> with two <direction>; the
first holds <valsi> (Lojban words with their best definition), the second <nlword> (words of the other language
with the Lojban word). In jbo-jbo.xml both directions are from "lojban" to "lojban", so it is the elements' own
names that distinguish them. Where the second level is <entry> instead, or the file is JSON, it is lensisku's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import zip_longest
from typing import IO
from xml.etree.ElementTree import Element

from mrilu.dictionary import lensisku
from mrilu.dictionary.entries import (
    MAX_ENTRIES,
    Entry,
    Export,
    ExportUnreadable,
    Gloss,
    Reverse,
)
from mrilu.dictionary.xml_stream import OVERSIZED, entries

# Raise it when an entry is read differently: files that are unchanged are then read again.
READER_VERSION = 2

# What has a place in an Entry; all else is lost, and said to be.
_ONCE = frozenset(("selmaho", "user", "score"))
_KNOWN = _ONCE | {
    "rafsi",
    "definition",
    "definitionid",
    "notes",
    "jargon",
    "etymology",
    "example",
    "tag",
    "glossword",
    "keyword",
}
_ATTRIBUTES = {
    "valsi": {"word", "type", "unofficial", "score"},
    "glossword": {"word", "sense"},
    "keyword": {"word", "sense", "place"},
    "nlword": {"word", "sense", "valsi", "place"},
}


def read_export(file: IO[bytes]) -> Export:
    """Read a whole export, of jbovlaste or of lensisku.

    Raises ExportUnreadable: broken or truncated XML or JSON, a DTD, other content, no bounds.
    """
    export = Export()
    if lensisku.is_json(file):
        lensisku.read_json(file, export)
    else:
        _read_xml(file, export)
    if not export.entries and not export.skipped:
        raise ExportUnreadable("there is no <valsi> in it")
    return export


def _read_xml(file: IO[bytes], export: Export) -> None:
    for number, (language, element) in enumerate(entries(file), 1):
        if number > MAX_ENTRIES:
            raise ExportUnreadable(f"it has more than {MAX_ENTRIES:,} entries")
        if element.tag == "valsi":
            export.language = export.language or language
            _add_entry(export, element)
        elif element.tag == "nlword":
            _add_reverse(export, element)
        elif element.tag == "entry":
            lensisku.add_xml_entry(export, element)
        else:
            export.language = export.language or _whole(element)


def _add_entry(export: Export, valsi: Element) -> None:
    try:
        entry = read_entry(valsi)
    except ValueError as error:
        export.skip(_squeezed(valsi.get("word")), str(error))
        return
    export.add(entry)
    for further in _further(export, valsi, entry):
        export.add(further)
    where = f"{entry.word} (definitionid {entry.source_id})"
    export.lose(where, _lost_of(valsi))


def _further(export: Export, valsi: Element, first: Entry) -> Iterator[Entry]:
    """Yield an entry for each <definition> after the first one."""
    texts = [_whole(one) for one in valsi.findall("definition")][1:]
    numbers = [_whole(one) for one in valsi.findall("definitionid")][1:]
    for text, number in zip_longest(texts, numbers[: len(texts)], fillvalue=""):
        if text:
            source_id = int(number) if _is_id(number) else export.made_id(first.word)
            yield first._replace(definition=text, source_id=source_id)


def _lost_of(valsi: Element) -> Iterator[str]:
    """Yield what an entry says that an Entry has no place for."""
    seen: set[str] = set()
    yield from _lost_attributes(valsi)
    for element in valsi:
        if element.tag not in _KNOWN:
            yield f"<{element.tag}> is not kept: {_whole(element)[:60]!r}"
        elif element.tag in seen & _ONCE:
            yield f"a second <{element.tag}> is not kept: {_whole(element)[:60]!r}"
        elif element.tag == "score" and _whole(element) and _score(_whole(element)) is None:
            yield f"its score is not a number: {_whole(element)[:60]!r}"
        elif element.tag in ("glossword", "keyword"):
            yield from _lost_attributes(element)
            if not _squeezed(element.get("word")):
                yield f"<{element.tag}> without a word is not kept"
        seen.add(element.tag)


def _lost_attributes(element: Element) -> Iterator[str]:
    for name, value in element.attrib.items():
        if name not in _ATTRIBUTES[element.tag]:
            yield f'{name}="{value[:60]}" of <{element.tag}> is not kept'
        elif name == "place" and value not in ("", "0") and not _place(element):
            yield f'place="{value[:60]}" of <{element.tag}> is no place'


def read_entry(valsi: Element) -> Entry:
    """Return the entry of a <valsi>. Raises ValueError with what is wrong with it."""
    if too_much := valsi.get(OVERSIZED):
        raise ValueError(too_much)
    word, definition, number = (
        _squeezed(valsi.get("word")),
        _text(valsi, "definition"),
        _text(valsi, "definitionid"),
    )
    if not word or not definition:
        raise ValueError("it has no word" if not word else "it has no definition")
    if not _is_id(number):
        raise ValueError(f"its definitionid is {number!r}")
    user = valsi.find("user")
    return Entry(
        word=word,
        type=_squeezed(valsi.get("type")),
        unofficial=valsi.get("unofficial", "").lower() == "true",
        rafsi=_all(valsi, "rafsi"),
        selmaho=_text(valsi, "selmaho"),
        username=_text(user, "username"),
        realname=_text(user, "realname"),
        definition=definition,
        source_id=int(number),
        notes="\n".join(_all(valsi, "notes")),
        score=_score(valsi.get("score") or _text(valsi, "score")),
        glosses=tuple(one for element in valsi if (one := _gloss(element)) is not None),
        jargon="\n".join(_all(valsi, "jargon")),
        etymology="\n".join(_all(valsi, "etymology")),
        examples=_all(valsi, "example"),
        tags=_all(valsi, "tag"),
    )


def _is_id(number: str) -> bool:
    return number.isascii() and number.isdecimal() and len(number) < 20 and int(number) < 2**63


def _gloss(element: Element) -> Gloss | None:
    if element.tag not in ("glossword", "keyword") or not _squeezed(element.get("word")):
        return None
    place = 0 if element.tag == "glossword" else _place(element)
    return Gloss(_squeezed(element.get("word")), _squeezed(element.get("sense")), place)


def _add_reverse(export: Export, nlword: Element) -> None:
    text, valsi = _squeezed(nlword.get("word")), _squeezed(nlword.get("valsi"))
    if text and valsi and not nlword.get(OVERSIZED):
        export.add_reverse(Reverse(text, _squeezed(nlword.get("sense")), valsi, _place(nlword)))
        export.lose(text, _lost_attributes(nlword))
    else:
        export.skip(text or valsi, "an nlword without word or valsi")


def _place(element: Element) -> int:
    place = element.get("place", "")
    return int(place) if place.isascii() and place.isdecimal() and len(place) < 4 else 0


def _score(text: str) -> float | None:
    try:
        score = float(text)
    except ValueError:
        return None
    return score if math.isfinite(score) else None


def _text(parent: Element | None, tag: str) -> str:
    element = parent.find(tag) if parent is not None else None
    return _whole(element) if element is not None else ""


def _all(parent: Element, tag: str) -> tuple[str, ...]:
    """Return the texts of all elements of the name that have one."""
    return tuple(text for one in parent.iterfind(tag) if (text := _whole(one)))


def _whole(element: Element) -> str:
    return "".join(element.itertext()).strip()


def _squeezed(text: str | None) -> str:
    return " ".join(text.split()) if text else ""
