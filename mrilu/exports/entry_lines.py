"""What the formats for readers say of an entry besides its definition, and how entries are put under letters. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import TypeVar

from mrilu.dictionary.entries import Entry, Gloss, Reverse
from mrilu.dictionary.markup import one_line
from mrilu.exports.alphabet import headword_key, letter_of
from mrilu.exports.book import Book

T = TypeVar("T")
GUIDE = 28  # characters of a word at the head of a page
SHORT_TYPES = {"experimental": "exp.", "obsolete": "obs."}


def facts(entry: Entry) -> str:
    """Return type, selma'o and rafsi in one line: "exp. gismu, -baj-"; such types are unofficial by themselves."""
    first, _, rest = one_line(entry.type).partition(" ")
    kind = f"{SHORT_TYPES[first]} {rest}" if first in SHORT_TYPES else f"{first} {rest}".strip()
    unofficial = ["unofficial"] if entry.unofficial and first not in SHORT_TYPES else []
    rafsi = [" ".join(f"-{one_line(one)}-" for one in entry.rafsi)] if entry.rafsi else []
    rare = [one_line(text) for text in (entry.jargon, *entry.tags)]
    return ", ".join(filter(None, [kind, one_line(entry.selmaho), *unofficial, *rafsi, *rare]))


def remarks(entry: Entry) -> list[str]:
    """Return what follows the notes, as markup: the etymology in brackets, and each example."""
    return [*([f"[{entry.etymology}]"] if entry.etymology else ()), *entry.examples]


def gloss_text(gloss: Gloss) -> str:
    """Return a gloss word with its sense in brackets."""
    return one_line(f"{gloss.text} ({gloss.sense})" if gloss.sense else gloss.text)


def senses_of(group: Iterable[Reverse]) -> list[tuple[str, list[tuple[str, int]]]]:
    """Return what one word of the other direction leads to: each sense with its Lojban words and their places."""
    return [
        (one_line(sense), [(one_line(one.valsi), one.place) for one in leads])
        for sense, leads in groupby(group, key=lambda one: one.sense)
    ]


def guide_word(word: str) -> str:
    """Return a headword for the head of a page, half of which it fits."""
    plain = one_line(word)
    return plain if len(plain) <= GUIDE else plain[: GUIDE - 1] + "…"


def reference_key(word: str) -> str:
    """Return what a reference and the headword that it means have in common: no pauses, no stress."""
    return one_line(word).lower().replace("’", "'").strip(". ")


def numbers_of_headwords(book: Book) -> dict[str, int]:
    """Return the place of each headword among the entries, by the key of references to it."""
    numbers: dict[str, int] = {}
    for number, entry in enumerate(book.entries):
        numbers.setdefault(reference_key(entry.word), number)
    return numbers


def letter_of_word(entry: Entry) -> str:
    """Return the letter under which a Lojban word stands."""
    return letter_of(headword_key(entry.word)[0])


def sections(lettered: Iterable[tuple[str, T]]) -> Iterator[tuple[str, list[T]]]:
    """Group pairs of letter and entry, which are in order, by letter."""
    for letter, group in groupby(lettered, key=lambda pair: pair[0]):
        yield letter, [entry for _, entry in group]
