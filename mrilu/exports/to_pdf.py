"""PDF by typst: the book goes as JSON into our template (book.typ), so that no text is ever read as markup."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from mrilu.dictionary.entries import Entry, Reverse
from mrilu.dictionary.markup import Span, one_line, spans
from mrilu.exports import fonts, pdf_join
from mrilu.exports.alphabet import letter_of, reverse_key
from mrilu.exports.book import Book, Report, glosses_of, naming
from mrilu.exports.entry_lines import (
    facts,
    gloss_text,
    guide_word,
    letter_of_word,
    numbers_of_headwords,
    reference_key,
    remarks,
    sections,
    senses_of,
)
from mrilu.exports.line_breaks import breakable as broken
from mrilu.exports.line_breaks import breakable_spans
from mrilu.exports.phrases import colophon, phrases_of, signs, title_lines
from mrilu.exports.typeset import BOOK, FONTS, PIECE_DATA
from mrilu.exports.typeset import TEMPLATE as TYPST
from mrilu.exports.typesetters import Piece, typeset_all

TEMPLATE = Path(__file__).with_name("book.typ")
SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
LARGE = 3000  # entries of a book from which a letter starts on a page of its own
RUN = 60  # entries that such a letter has at least
PIECE = 12_000  # spans of a piece, before the next letter
LONG = 16  # letters from which a Lojban word may be broken at the end of a line
# Typst has no hyphenation patterns for Lojban. Its words may be broken before a consonant that starts a syllable.
_SYLLABLE = re.compile(r"(?<=\w\w)(?=[bcdfgjklmnprstvxz][aeiouy])", re.IGNORECASE)


def write(book: Book, path: Path) -> Report:
    """Typeset the book. Raises fonts.NotInstalled, EntryFailed, NotTypeset."""
    for package in ("typst", "pikepdf"):
        if find_spec(package) is None:
            raise fonts.NotInstalled(package)
    glyphs, warnings = _Glyphs(), dict[str, None]()
    parts = parts_of(book)
    outline = [
        (part.name, part.title, [(one.name, one.letter) for one in part.sections]) for part in parts
    ]
    with TemporaryDirectory(prefix="mrilu-") as name:
        pieces = _written_pieces(book, parts, Path(name), glyphs)
        with closing(typeset_all(pieces)) as typeset, pdf_join.Joined() as joined:
            for one in typeset:
                joined.add(one.pdf, one.places)
                warnings |= dict.fromkeys(one.warnings)
            joined.save(outline, path)
    return Report(dict(glyphs.missing), tuple(warnings))


class _Glyphs:
    """Writes data as JSON in which a character without a glyph is its number, and counts such characters."""

    def __init__(self) -> None:
        self.missing = Counter[str]()

    def shown(self, data: Any) -> str:
        text = json.dumps(data, ensure_ascii=False)
        missing = fonts.missing_glyphs(text)
        self.missing.update(missing)
        # "[", "]" and "+" mean nothing to JSON inside a string.
        numbers = {ord(letter): f"[U+{ord(letter):04X}]" for letter in missing}
        return text.translate(numbers) if numbers else text


def _written_pieces(
    book: Book, parts: list[Part], folder: Path, glyphs: _Glyphs
) -> Iterator[Piece]:
    """Write each piece of the book into a folder of its own, when it is asked for."""
    common = glyphs.shown(_front_matter(book, parts))
    for number, (piece, size) in enumerate(pieces_of(book, parts)):
        place = folder / str(number)
        _write_piece(place, common, glyphs.shown(piece), book.language)
        del piece  # some 40 MB in a large book, which typst can use meanwhile
        yield Piece(place, size)


def _write_piece(place: Path, common: str, own: str, language: str) -> None:
    families = fonts.families_for(common + own, language)
    needed = {
        "text": families,
        "headings": (*fonts.LOJBAN, *families),
        "lojban": fonts.LOJBAN[0],
    }
    place.mkdir()
    for data, text in ((BOOK, common), (PIECE_DATA, own), (FONTS, json.dumps(needed))):
        (place / data).write_text(text, encoding="utf-8")
    shutil.copy(TEMPLATE, place / TYPST)


class Section(NamedTuple):
    """A letter and what stands under it: its part's entries from number `first` on. `apart`: it starts a page."""

    name: str
    letter: str
    apart: bool
    first: int
    entries: list[Any]


class Part(NamedTuple):
    """One direction of the dictionary: of Lojban words, or in reverse, of groups of what leads to them."""

    name: str
    title: str
    reverse: bool
    sections: list[Section]


def parts_of(book: Book) -> list[Part]:
    """Return the parts of the book that have entries, or the first one of a book without any."""
    from_lojban, to_lojban = _part_titles(book)
    large = len(book.entries) > LARGE
    groups = [list(group) for _, group in groupby(book.printed_reverse, key=lambda one: one.text)]
    words = _sections("words", book.entries, map(letter_of_word, book.entries), large)
    reverse = _sections("reverse", groups, map(_letter_of_group, groups), large)
    both = (
        Part("part-0", from_lojban, False, words),
        Part("part-1", to_lojban, True, reverse),
    )
    return list(both) if reverse else [both[0]]


def _letter_of_group(group: list[Reverse]) -> str:
    with naming(group[0]):
        return letter_of(reverse_key(one_line(group[0].text))[0])


def pieces_of(book: Book, parts: list[Part]) -> Iterator[tuple[dict[str, Any], int]]:
    """Cut a book into pieces that are typeset by themselves, each with its number of spans.

    A piece is cut where a page starts, and has PIECE spans or more.
    """
    targets = numbers_of_headwords(book)
    front, shown, guides, size = True, list[dict[str, Any]](), list[str](), 0
    for part in parts:
        for number, section in enumerate(part.sections):
            if size >= PIECE and (section.apart or not number):
                yield {"front": front, "parts": shown, "guides": guides}, size
                front, shown, guides, size = False, [], [], 0
            if not number or not shown:
                title = "" if number else part.title
                shown.append(
                    {"name": part.name, "title": title, "reverse": part.reverse, "sections": []}
                )
            entries = _entries(part, section, targets)
            shown[-1]["sections"].append({**section._asdict(), "entries": entries})
            guides.extend(guide_word(one.pop("guide")) for one in entries)
            size += sum(map(_size, entries))
    yield {"front": front, "parts": shown, "guides": guides}, size


def _entries(part: Part, section: Section, targets: dict[str, int]) -> list[dict[str, Any]]:
    """Return what the template shows of each entry: plain strings and spans, in order, with the guide word."""
    if part.reverse:
        return [_reverse(group, targets) for group in section.entries]
    return [
        _entry(entry, targets) | {"number": number}
        for number, entry in enumerate(section.entries, section.first)
    ]


def _size(entry: dict[str, Any]) -> int:
    if "senses" in entry:
        return 2 + sum(len(sense["valsi"]) for sense in entry["senses"])
    return 3 + len(entry["definition"]) + len(entry["notes"]) + len(entry["keywords"])


def _part_titles(book: Book) -> tuple[str, str]:
    lojban = phrases_of(book.language).lojban
    other = [] if book.language == "jbo" else [one_line(book.name)]
    return " – ".join([lojban, *other]), " – ".join([*other, lojban])


def _front_matter(book: Book, parts: list[Part]) -> dict[str, Any]:
    """Return what all pieces have in common."""
    name, said = one_line(book.name), phrases_of(book.language)
    known = book.language.isalpha() and len(book.language) in (2, 3)
    words, reverse = (_number_of_entries(parts, direction) for direction in (False, True))
    return {
        "title": said.title.format(name=name),
        "lojban-name": said.lojban,
        "name": name,
        "language": book.language if known else "und",
        "edition": book.edition,
        "counts": title_lines(book.language, name, words, reverse),
        "colophon": colophon(book.language, book.edition),
        "signs-title": said.signs,
        "signs": signs(book.language),
    }


def _number_of_entries(parts: list[Part], reverse: bool) -> int:
    sections_of = (part.sections for part in parts if part.reverse == reverse)
    return sum(len(section.entries) for sections in sections_of for section in sections)


def _sections(
    name: str, entries: Sequence[Any], letters: Iterable[str], large: bool
) -> list[Section]:
    """Put the entries under letters; in a large book, letters start pages.

    Such a book can be cut there, and typst lays runs of pages out at the same time; a letter with a few entries is no
    run.
    """
    found: list[Section] = []
    first = after = 0
    for letter, section in sections(zip(letters, entries, strict=True)):
        apart = large and bool(found) and len(section) >= RUN and after >= RUN
        after = len(section) if apart else after + len(section)
        found.append(Section(f"{name}-{len(found)}", letter, apart, first, section))
        first += len(section)
    return found


def _entry(entry: Entry, targets: dict[str, int]) -> dict[str, Any]:
    with naming(entry):
        glosses, keywords = glosses_of(entry)
        notes = " — ".join(filter(None, [entry.notes, *remarks(entry)]))
        return {
            "guide": one_line(entry.word),
            "word": breakable(one_line(entry.word)),
            "lojban": entry.word.isascii(),
            "facts": broken(facts(entry)),
            "definition": _shown(entry.definition, targets),
            "notes": _shown(notes, targets),
            "glosses": broken("; ".join(map(gloss_text, glosses))),
            "keywords": [[min(one.place, 99), broken(gloss_text(one))] for one in keywords],
        }


def _reverse(group: list[Reverse], targets: dict[str, int]) -> dict[str, Any]:
    """Return one headword of the other direction with all that it leads to."""
    with naming(group[0]):
        senses = [
            {
                "sense": broken(sense),
                "valsi": [
                    [breakable(valsi), min(place, 99), targets.get(reference_key(valsi), -1)]
                    for valsi, place in leads
                ],
            }
            for sense, leads in senses_of(group)
        ]
        text = one_line(group[0].text)
        return {"guide": text, "word": broken(text), "lojban": False, "senses": senses}


def _shown(text: str, targets: dict[str, int]) -> list[str | list[str | int]]:
    """Return the spans of a text: a plain one is a string, another [kind, text] or ["word", text, its entry]."""
    pieces = breakable_spans(list(_with_digits(spans(text))))
    return [_span(span, targets) for span in pieces]


def _with_digits(pieces: list[Span]) -> Iterator[Span]:
    """Join a variable and its number to one span with the font's own subscript digits; there are 200,000 of them."""
    letter: Span | None = None
    for piece in pieces:
        if letter and piece.kind == "low" and piece.text.isascii() and piece.text.isdecimal():
            letter = Span("letter", letter.text + piece.text.translate(SUBSCRIPTS))
            continue
        if letter:
            yield letter
        letter = piece if piece.kind == "letter" else None
        if not letter:
            yield piece
    if letter:
        yield letter


def _span(span: Span, targets: dict[str, int]) -> str | list[str | int]:
    # A reference that is not ASCII is none to a Lojban word, and is set like the text around it.
    if span.kind == "text" or (span.kind == "word" and not span.text.isascii()):
        return span.text
    if span.kind != "word":
        return [span.kind, span.text]
    target = targets.get(reference_key(span.text))
    shown = breakable(span.text)
    return ["word", shown] if target is None else ["word", shown, target]


def breakable(word: str) -> str:
    """Return the word with soft hyphens where it is so long that it might not fit a column."""
    parts = (
        _SYLLABLE.sub("\N{SOFT HYPHEN}", part) if len(part) >= LONG else part
        for part in word.split(" ")
    )
    return broken(" ".join(parts))
