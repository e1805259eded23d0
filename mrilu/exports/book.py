"""What a format is made from: the best definitions of one language, in the order of the alphabet. Pure.

Entries, glosses and reverse entries are those of the dictionary's reader, so that what was read is what is written.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mrilu.dictionary.entries import Entry, Gloss, Reverse
from mrilu.exports.alphabet import headword_key, reverse_key


class EntryFailed(Exception):
    """A format cannot show one entry; the message names the entry."""


@dataclass(frozen=True)
class Book:
    """One language's dictionary; `edition` is the day (ISO 8601) on which its data last changed.

    `entries` has the best definition of each word, which printed formats show; `further` the other definitions.
    """

    tag: str
    name: str
    edition: str
    entries: tuple[Entry, ...]
    reverse: tuple[Reverse, ...]
    further: tuple[Entry, ...] = ()

    def to_json(self) -> str:
        """Return the book as JSON, for a process of its own."""
        parts = (self.tag, self.name, self.edition, self.entries, self.reverse, self.further)
        return json.dumps(parts, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Book:
        """Read back what `to_json` wrote."""
        tag, name, edition, entries, reverse, further = json.loads(text)
        return cls(
            tag,
            name,
            edition,
            tuple(map(_entry, entries)),
            tuple(Reverse(*row) for row in reverse),
            tuple(map(_entry, further)),
        )

    @property
    def definitions(self) -> list[Entry]:
        """All definitions: each word's best one, and after it the further ones."""
        if not self.further:
            return list(self.entries)
        further: dict[str, list[Entry]] = {}
        for entry in self.further:
            further.setdefault(entry.word, []).append(entry)
        return [one for best in self.entries for one in (best, *further.get(best.word, ()))]

    @property
    def printed_reverse(self) -> tuple[Reverse, ...]:
        """The other direction as printed formats show it: none in Lojban, where it leads from words to themselves."""
        return () if self.language == "jbo" else self.reverse

    @property
    def language(self) -> str:
        """The ISO 639 code of the language: "en" of "en-simple"."""
        return self.tag.split("-")[0].lower()


def ordered_book(
    tag: str,
    name: str,
    edition: str,
    entries: Iterable[Entry],
    reverse: Iterable[Reverse],
    further: Iterable[Entry] = (),
) -> Book:
    """Return a book with entries and reverse entries in the order of the alphabet; `further` keeps its order."""
    by_alphabet = sorted(entries, key=lambda entry: headword_key(entry.word))
    by_sense = sorted(
        reverse,
        key=lambda one: (reverse_key(one.text), one.sense, headword_key(one.valsi), one.place),
    )
    return Book(tag, name, edition, tuple(by_alphabet), tuple(by_sense), tuple(further))


def _entry(row: list[Any]) -> Entry:
    entry = Entry(*row)
    return entry._replace(
        rafsi=tuple(entry.rafsi),
        glosses=tuple(Gloss(*gloss) for gloss in entry.glosses),
        examples=tuple(entry.examples),
        tags=tuple(entry.tags),
    )


@dataclass(frozen=True)
class Report:
    """What is to be told of a build that succeeded: how often each character is that no font has, and warnings."""

    missing: dict[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 with bare line feeds, on any system."""
    path.write_bytes(text.encode())


@contextmanager
def uncollected() -> Iterator[None]:
    """Look for no cycles in the block: among the million objects of a book there are none, and the look takes long."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


@contextmanager
def naming(entry: Entry | Reverse) -> Iterator[None]:
    """Make every error in the block one that names the entry. Raises EntryFailed."""
    try:
        yield
    except Exception as error:
        number = f" (definitionid {entry.source_id})" if isinstance(entry, Entry) else ""
        name = entry.word if isinstance(entry, Entry) else f"{entry.text} = {entry.valsi}"
        raise EntryFailed(f"entry {name!r}{number}: {type(error).__name__}: {error}") from error


def glosses_of(entry: Entry) -> tuple[list[Gloss], list[Gloss]]:
    """Return the entry's gloss words and its place keywords."""
    return [one for one in entry.glosses if not one.place], [
        one for one in entry.glosses if one.place
    ]
