"""What a format is made from: the best definitions of one language, in the order of the alphabet. Pure.

Entries, glosses and reverse entries are those of the dictionary's reader, so that what was read is what is written.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mrilu.dictionary.jbovlaste_xml import Entry, Gloss, Reverse
from mrilu.text.marks import limit_marks


class EntryFailed(Exception):
    """A format cannot show one entry; the message names the entry."""


@dataclass(frozen=True)
class Book:
    """One language's dictionary; `edition` is the day (ISO 8601) on which its data last changed."""

    tag: str
    name: str
    edition: str
    entries: tuple[Entry, ...]
    reverse: tuple[Reverse, ...]

    def to_json(self) -> str:
        """Return the book as JSON, for a process of its own."""
        return json.dumps(
            [self.tag, self.name, self.edition, self.entries, self.reverse], ensure_ascii=False
        )

    @classmethod
    def from_json(cls, text: str) -> Book:
        """Read back what `to_json` wrote."""
        tag, name, edition, entries, reverse = json.loads(text)
        return cls(
            tag, name, edition, tuple(map(_entry, entries)), tuple(Reverse(*row) for row in reverse)
        )

    @property
    def language(self) -> str:
        """The ISO 639 code of the language: "en" of "en-simple"."""
        return self.tag.split("-")[0].lower()


def _entry(row: list[Any]) -> Entry:
    entry = Entry(*row)
    return entry._replace(
        rafsi=tuple(entry.rafsi), glosses=tuple(Gloss(*gloss) for gloss in entry.glosses)
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
def naming(entry: Entry | Reverse) -> Iterator[None]:
    """Make every error in the block one that names the entry. Raises EntryFailed."""
    try:
        yield
    except Exception as error:
        number = f" (definitionid {entry.source_id})" if isinstance(entry, Entry) else ""
        name = entry.word if isinstance(entry, Entry) else f"{entry.text} = {entry.valsi}"
        raise EntryFailed(f"entry {name!r}{number}: {type(error).__name__}: {error}") from error


def headword_key(word: str) -> tuple[str, str]:
    """Return the sorting key of a Lojban word: letters alone, without pauses and stress; "'" sorts as "h"."""
    letters = word.lower().replace("'", "h").replace("’", "h")
    return "".join(letter for letter in letters if letter.isalnum() or letter == " ").strip(), word


def reverse_key(text: str) -> tuple[str, str]:
    """Return the sorting key of a word of any language: letters without marks, case and leading punctuation."""
    plain = "".join(
        letter
        for letter in unicodedata.normalize("NFKD", limit_marks(text))
        if not unicodedata.combining(letter)
    )
    return plain.casefold().lstrip("-–—'’\"“„«(.…*¿¡ "), text


def letter_of(key: str) -> str:
    """Return the section that a sorting key belongs to: its first letter, "#" when it starts with none."""
    return key[:1].upper() if key[:1].isalpha() else "#"


def glosses_of(entry: Entry) -> tuple[list[Gloss], list[Gloss]]:
    """Return the entry's gloss words and its place keywords."""
    return [one for one in entry.glosses if not one.place], [
        one for one in entry.glosses if one.place
    ]
