"""jbovlaste's own XML: <dictionary> of two <direction>, as https://jbovlaste.lojban.org/export/xml.html gives it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lxml import etree

from mrilu.dictionary.entries import Entry, Reverse
from mrilu.dictionary.markup import clean
from mrilu.exports.book import Book, Report, naming

LOJBAN = "lojban"


def write(book: Book, path: Path) -> Report:
    """Write the book; characters that XML 1.0 has no place for become U+FFFD. Raises EntryFailed."""
    with etree.xmlfile(str(path), encoding="utf-8") as file:
        file.write_declaration()
        with file.element("dictionary"):
            with _direction(file, LOJBAN, book.name):
                for entry in book.definitions:
                    with naming(entry):
                        file.write(_valsi(entry), "\n")
            if book.reverse:
                with _direction(file, book.name, LOJBAN):
                    for one in book.reverse:
                        with naming(one):
                            file.write(_nlword(one), "\n")
    return Report()


def _direction(file: Any, source: str, target: str) -> Any:
    return file.element("direction", {"from": clean(source), "to": clean(target)})


def _valsi(entry: Entry) -> Any:
    attributes = {"unofficial": "true"} if entry.unofficial else {}
    valsi = etree.Element(
        "valsi", attributes | {"word": clean(entry.word), "type": clean(entry.type)}
    )
    for rafsi in entry.rafsi:
        _add(valsi, "rafsi", rafsi)
    _add(valsi, "selmaho", entry.selmaho)
    if entry.username or entry.realname:
        user = etree.SubElement(valsi, "user")
        _add(user, "username", entry.username)
        _add(user, "realname", entry.realname)
    _add(valsi, "definition", entry.definition)
    _add(valsi, "definitionid", str(entry.source_id))
    _add(valsi, "notes", entry.notes)
    _add(valsi, "score", "" if entry.score is None else repr(entry.score))
    _add(valsi, "jargon", entry.jargon)
    _add(valsi, "etymology", entry.etymology)
    for example in entry.examples:
        _add(valsi, "example", example)
    for tag in entry.tags:
        _add(valsi, "tag", tag)
    for gloss in entry.glosses:
        _add_word(
            valsi, "keyword" if gloss.place else "glossword", gloss.text, gloss.place, gloss.sense
        )
    return valsi


def _add(parent: Any, tag: str, text: str) -> None:
    if text:
        etree.SubElement(parent, tag).text = clean(text)


def _add_word(parent: Any, tag: str, word: str, place: int, sense: str) -> None:
    element = etree.SubElement(parent, tag, {"word": clean(word)})
    if place:
        element.set("place", str(place))
    if sense:
        element.set("sense", clean(sense))


def _nlword(one: Reverse) -> Any:
    element = etree.Element("nlword", {"word": clean(one.text)})
    if one.sense:
        element.set("sense", clean(one.sense))
    element.set("valsi", clean(one.valsi))
    if one.place:
        element.set("place", str(one.place))
    return element
