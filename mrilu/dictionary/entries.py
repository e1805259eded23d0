"""What a dictionary's export is read into: entries, their glosses, and entries of the other direction."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from mrilu.dictionary.xml_stream import ExportUnreadable

__all__ = ["Entry", "Export", "ExportUnreadable", "Gloss", "Reverse", "Skipped"]

FREQUENT = 12  # fields of an entry that every export has
# The largest export has 20,724; what is more is made to fill memory.
MAX_ENTRIES = 500_000
MAX_REASON = 200  # characters
MAX_WORD = 500  # characters: PostgreSQL indexes at most 2704 bytes, and words are far shorter
MADE_ID = 2**62  # jbovlaste's own numbers are far below


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
    jargon: str = ""
    etymology: str = ""
    examples: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()

    def rare(self) -> dict[str, object]:
        """Return the fields that few entries have, if this one has them: jargon, etymology, examples, tags."""
        fields = zip(self._fields[FREQUENT:], self[FREQUENT:], strict=True)
        return {name: value for name, value in fields if value}

    def content_hash(self) -> UUID:
        """Return a hash of everything in the entry; a rare field that it lacks does not count."""
        rare = self.rare()
        frequent = self[:FREQUENT]
        text = json.dumps(
            [*frequent, rare] if rare else frequent, ensure_ascii=False, separators=(",", ":")
        )
        return UUID(bytes=hashlib.blake2b(text.encode(), digest_size=16).digest())

    def content(self) -> dict[str, object]:
        """Return the entry for JSON, glosses as objects; rare fields only where it has them."""
        frequent = dict(zip(self._fields[:FREQUENT], self[:FREQUENT], strict=True))
        return {**frequent, "glosses": [one._asdict() for one in self.glosses], **self.rare()}


class Reverse(NamedTuple):
    """An entry of the other direction: a natural-language word and the Lojban word (place 0: all of it) it leads to."""

    text: str
    sense: str
    valsi: str
    place: int


class Skipped(NamedTuple):
    """An entry that could not be used, and why; or, among what was lost, a part of one that could not be kept."""

    word: str
    reason: str


@dataclass
class Export:
    """What one file holds; `language` is the language's own name for people ("English"), "" if it is not said.

    `skipped` has the entries that could not be used, `lost` the parts of others for which there is no place.
    """

    language: str = ""
    entries: list[Entry] = field(default_factory=list)
    reverse: list[Reverse] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    lost: list[Skipped] = field(default_factory=list)

    def add(self, entry: Entry) -> None:
        """Add an entry, unless its definitionid came before, or its word is none."""
        if len(entry.word) > MAX_WORD:
            self.skip(entry.word, f"its word has more than {MAX_WORD} characters")
            return
        if entry.source_id in self._seen:
            self.skip(entry.word, f"definitionid {entry.source_id} comes twice")
            return
        self._seen.add(entry.source_id)
        self.entries.append(entry)

    def add_reverse(self, entry: Reverse) -> None:
        """Add an entry of the other direction; the same one again says nothing new."""
        if entry in self._seen_reverse:
            self.lose(entry.text, [f"the same nlword for {entry.valsi!r} comes twice"])
            return
        self._seen_reverse.add(entry)
        self.reverse.append(entry)

    def skip(self, word: str, reason: str) -> None:
        """Note an entry that cannot be used."""
        self.skipped.append(Skipped(word[:MAX_REASON], reason[:MAX_REASON]))

    def lose(self, place: str, reasons: Iterable[str]) -> None:
        """Note what an entry says that there is no place for."""
        for reason in reasons:
            self.lost.append(Skipped(place[:MAX_REASON], reason[:MAX_REASON]))

    def made_id(self, word: str) -> int:
        """Return a number for a definition that came without a definitionid: by its word, and how many came before."""
        nth = self._made[word] = self._made.get(word, 0) + 1
        digest = hashlib.blake2b(f"{word}\0{nth}".encode(), digest_size=8).digest()
        return MADE_ID + int.from_bytes(digest) % MADE_ID

    _seen: set[int] = field(default_factory=set, repr=False, compare=False)
    _seen_reverse: set[Reverse] = field(default_factory=set, repr=False, compare=False)
    _made: dict[str, int] = field(default_factory=dict, repr=False, compare=False)
