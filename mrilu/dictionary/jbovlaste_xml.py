"""Reads a jbovlaste XML export (jbo-LANG.xml), streaming and without trusting it.

The format, as https://jbovlaste.lojban.org/export/xml.html gives it: <dictionary> with two <direction>; the
first holds <valsi> (Lojban words with their best definition), the second <nlword> (words of the other language
with the Lojban word). In jbo-jbo.xml both directions are from "lojban" to "lojban", so it is the elements' own
names that tell them apart.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, field
from typing import IO, NamedTuple
from uuid import UUID
from xml.etree.ElementTree import Element

from mrilu.dictionary.xml_stream import OVERSIZED, ExportUnreadable, entries

# Raise it when an entry is read differently: files that are unchanged are then read again.
READER_VERSION = 1

# The largest export has 20,724; what is more is made to fill memory.
MAX_ENTRIES = 500_000
MAX_REASON = 200  # characters


class Gloss(NamedTuple):
    """A word for the whole definition (place 0) or for one place of it (x1 is place 1); sense tells homonyms apart."""

    text: str
    sense: str
    place: int


class Entry(NamedTuple):
    """One Lojban word with one definition. `score` is None where the export has none."""

    word: str
    type: str
    unofficial: bool
    rafsi: tuple[str, ...]
    selmaho: str
    username: str
    realname: str
    definition: str
    source_id: int
    notes: str
    score: float | None
    glosses: tuple[Gloss, ...]

    def content_hash(self) -> UUID:
        """Return a hash of everything in the entry."""
        text = json.dumps(self, ensure_ascii=False, separators=(",", ":"))
        return UUID(bytes=hashlib.blake2b(text.encode(), digest_size=16).digest())

    def content(self) -> dict[str, object]:
        """Return the entry for JSON, glosses as objects."""
        return {**self._asdict(), "glosses": [one._asdict() for one in self.glosses]}


class Reverse(NamedTuple):
    """An entry of the other direction: a natural-language word and the Lojban word (place 0: all of it) it leads to."""

    text: str
    sense: str
    valsi: str
    place: int


class Skipped(NamedTuple):
    """An entry that could not be used, and why."""

    word: str
    reason: str


@dataclass
class Export:
    """What one file holds; `language` is the language's own name for people ("English")."""

    language: str = ""
    entries: list[Entry] = field(default_factory=list)
    reverse: list[Reverse] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


def read_export(file: IO[bytes]) -> Export:
    """Read a whole export. Raises ExportUnreadable: broken or truncated XML, a DTD, other content, no bounds."""
    export = Export()
    seen: set[int] = set()
    for number, (language, element) in enumerate(entries(file), 1):
        if number > MAX_ENTRIES:
            raise ExportUnreadable(f"it has more than {MAX_ENTRIES:,} entries")
        if element.tag == "valsi":
            export.language = export.language or language
            _add_entry(export, element, seen)
        else:
            _add_reverse(export, element)
    if not export.entries and not export.skipped:
        raise ExportUnreadable("there is no <valsi> in it")
    return export


def _add_entry(export: Export, valsi: Element, seen: set[int]) -> None:
    word = _squeezed(valsi.get("word"))
    try:
        entry = read_entry(valsi)
    except ValueError as error:
        export.skipped.append(Skipped(word[:MAX_REASON], str(error)[:MAX_REASON]))
        return
    if entry.source_id in seen:
        reason = f"definitionid {entry.source_id} comes twice"
        export.skipped.append(Skipped(word[:MAX_REASON], reason))
        return
    seen.add(entry.source_id)
    export.entries.append(entry)


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
    if not number.isascii() or not number.isdecimal() or len(number) > 19 or int(number) >= 2**63:
        raise ValueError(f"its definitionid is {number!r}")
    user = valsi.find("user")
    return Entry(
        word=word,
        type=_squeezed(valsi.get("type")),
        unofficial=valsi.get("unofficial", "").lower() == "true",
        rafsi=tuple(text for one in valsi.iterfind("rafsi") if (text := _whole(one))),
        selmaho=_text(valsi, "selmaho"),
        username=_text(user, "username"),
        realname=_text(user, "realname"),
        definition=definition,
        source_id=int(number),
        notes=_text(valsi, "notes"),
        score=_score(valsi.get("score") or _text(valsi, "score")),
        glosses=tuple(one for element in valsi if (one := _gloss(element)) is not None),
    )


def _gloss(element: Element) -> Gloss | None:
    if element.tag not in ("glossword", "keyword") or not _squeezed(element.get("word")):
        return None
    place = 0 if element.tag == "glossword" else _place(element)
    return Gloss(_squeezed(element.get("word")), _squeezed(element.get("sense")), place)


def _add_reverse(export: Export, nlword: Element) -> None:
    text, valsi = _squeezed(nlword.get("word")), _squeezed(nlword.get("valsi"))
    if text and valsi and not nlword.get(OVERSIZED):
        export.reverse.append(Reverse(text, _squeezed(nlword.get("sense")), valsi, _place(nlword)))
    else:
        name = (text or valsi)[:MAX_REASON]
        export.skipped.append(Skipped(name, "an nlword without word or valsi"))


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


def _whole(element: Element) -> str:
    return "".join(element.itertext()).strip()


def _squeezed(text: str | None) -> str:
    return " ".join(text.split()) if text else ""
