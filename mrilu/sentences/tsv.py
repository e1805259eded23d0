"""Reads a TSV of Lojban sentence, English sentence, rating (may be empty), and refuses other files."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import NamedTuple
from uuid import UUID

READER_VERSION = 1
# A file with more bad lines than this share is another kind of file, not one with a few slips.
MAX_BAD_SHARE = 0.2
_SPACES = re.compile(r"\s+")
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufeff]")
_HIDDEN = frozenset(("script", "style"))


class MuplisUnreadable(ValueError):
    """The file is not a list of sentence pairs; the message says why."""


class Pair(NamedTuple):
    """A Lojban sentence, its English, how good the pair is ("" when not rated), and its line in the file."""

    lojban: str
    english: str
    rating: str
    line: int

    def pair_hash(self) -> UUID:
        """Return the pair's identity: the two sentences, not the rating."""
        text = f"{self.lojban}\x1f{self.english}"
        return UUID(bytes=hashlib.blake2b(text.encode(), digest_size=16).digest())


class Skipped(NamedTuple):
    """A line that is not used, and why."""

    line: int
    reason: str


@dataclass
class Pairs:
    """What the file holds."""

    pairs: list[Pair] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


def read_pairs(data: bytes) -> Pairs:
    """Return the pairs of the file, each once. Raises MuplisUnreadable."""
    text = _decoded(data)
    found, seen, bad = Pairs(), set(), 0
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            pair = read_line(line, number)
        except ValueError as error:
            found.skipped.append(Skipped(number, str(error)))
            bad += 1
            continue
        if pair[:2] in seen:
            found.skipped.append(Skipped(number, "a pair that came before"))
            continue
        seen.add(pair[:2])
        found.pairs.append(pair)
    _refuse_implausible(found, bad)
    return found


def _decoded(data: bytes) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise MuplisUnreadable(
            f"it is not UTF-8: byte {data[error.start]:#04x} in line {line}"
        ) from error
    if "\x00" in text:
        raise MuplisUnreadable("it has NUL characters: it is not text, or it is UTF-16")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _refuse_implausible(found: Pairs, bad: int) -> None:
    if not found.pairs and not found.skipped:
        raise MuplisUnreadable("it is empty")
    if bad > MAX_BAD_SHARE * (len(found.pairs) + bad):
        line, reason = found.skipped[0]
        total = len(found.pairs) + len(found.skipped)
        raise MuplisUnreadable(
            f"{bad} of its {total} lines are not pairs, such as line {line}: {reason}"
        )


def read_line(line: str, number: int) -> Pair:
    """Return the pair of one line, without markup. Raises ValueError with what is wrong."""
    columns = line.split("\t")
    if len(columns) not in (
        2,
        3,
    ):  # editors that strip white space at the end of a line take an empty rating along
        raise ValueError(f"{len(columns)} columns instead of 3")
    lojban, english, rating = (plain(column) for column in (*columns, "")[:3])
    if not lojban or not english:
        raise ValueError("an empty sentence")
    return Pair(lojban, english, rating, number)


def plain(text: str) -> str:
    """Return the text without HTML tags, with entities resolved, control characters out and white space squeezed."""
    if "<" in text or "&" in text:
        reader = _TextOnly()
        reader.feed(text)
        reader.close()
        text = "".join(reader.parts)
    return unicodedata.normalize("NFC", _SPACES.sub(" ", _CONTROLS.sub("", text)).strip())


class _TextOnly(HTMLParser):
    """Keeps what a reader would see; a lone "<" is text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in _HIDDEN
        if tag in ("br", "p", "div"):
            self.parts.append(" ")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in _HIDDEN and self._hidden > 0

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(data)
