"""Reads a TSV of Lojban sentence, English sentence, rating (may be empty), and refuses other files."""

from __future__ import annotations

import codecs
import hashlib
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import unescape
from typing import NamedTuple
from uuid import UUID

from mrilu.text.marks import limit_marks

READER_VERSION = 1
# A file with more bad lines than this share is another kind of file, not one with a few slips.
MAX_BAD_SHARE = 0.2
_SPACES = re.compile(r"\s+")
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufeff]")
_HIDDEN = frozenset(("script", "style"))
_BREAKS = frozenset(("br", "p", "div"))
_MARKUP = re.compile(
    r"(?P<comment><!--)|<(?P<end>/?)(?P<name>[A-Za-z][^\s<>/]*+)[^<>]*+>|<[!?/][^<>]*+>"
)
_LINE = re.compile(rb"([^\r\n]*+)(?:\r\n|\r|\n|\Z)")

# The real file has some 20,000 lines, the longest of a few hundred bytes.
MAX_LINES = 500_000
MAX_LINE_BYTES = 20_000
MAX_REASON = 200


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
    found, seen, bad = Pairs(), set(), 0
    for number, line in enumerate(_lines(data), 1):
        if number > MAX_LINES:
            raise MuplisUnreadable(f"it has more than {MAX_LINES:,} lines")
        if not line.strip():
            continue
        try:
            pair = read_line(_decoded(line, number), number)
        except ValueError as error:
            if isinstance(error, MuplisUnreadable):
                raise
            found.skipped.append(Skipped(number, str(error)[:MAX_REASON]))
            bad += 1
            continue
        if pair[:2] in seen:
            found.skipped.append(Skipped(number, "a pair that came before"))
            continue
        seen.add(pair[:2])
        found.pairs.append(pair)
    _refuse_implausible(found, bad)
    return found


def _lines(data: bytes) -> Iterator[bytes]:
    """Yield the lines without their ends, one at a time: there may be as many as bytes."""
    if data:
        yield from (match[1] for match in _LINE.finditer(data.removeprefix(codecs.BOM_UTF8)))


def _decoded(line: bytes, number: int) -> str:
    if b"\x00" in line:
        raise MuplisUnreadable("it has NUL characters: it is not text, or it is UTF-16")
    if len(line) > MAX_LINE_BYTES:
        raise ValueError(f"{len(line):,} bytes, more than {MAX_LINE_BYTES:,}")
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MuplisUnreadable(
            f"it is not UTF-8: byte {line[error.start]:#04x} in line {number}"
        ) from error


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
        text = "".join(_shown(text))
    squeezed = _SPACES.sub(" ", _CONTROLS.sub("", text)).strip()
    return unicodedata.normalize("NFC", limit_marks(squeezed))


def _shown(text: str) -> Iterator[str]:
    """Yield what a reader would see, in time linear in the text; a lone "<" is text."""
    place = hidden = 0
    for mark in _MARKUP.finditer(text):
        if mark.start() < place:
            continue  # in a comment
        if not hidden:
            yield unescape(text[place : mark.start()])
        place = _end_of(mark)
        name = (mark["name"] or "").lower()
        if name in _HIDDEN:
            hidden = max(0, hidden - 1) if mark["end"] else hidden + 1
        elif name in _BREAKS:
            yield " "
    if not hidden:
        yield unescape(text[place:])


def _end_of(mark: re.Match[str]) -> int:
    """Return where the tag, or the comment that begins here, ends."""
    if not mark["comment"]:
        return mark.end()
    end = mark.string.find("-->", mark.end())
    return len(mark.string) if end < 0 else end + 3
