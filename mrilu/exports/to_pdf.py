"""PDF by typst: the book goes as JSON into our template (book.typ), so that no text is ever read as markup."""

from __future__ import annotations

import ctypes
import gc
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mrilu.dictionary.entries import Entry, Reverse
from mrilu.dictionary.markup import Span, one_line, spans
from mrilu.exports import fonts, pdf_links
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
from mrilu.exports.typeset import PDF

TEMPLATE = Path(__file__).with_name("book.typ")
PROJECT = Path(__file__).resolve().parents[2]
SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
LARGE = 3000  # entries of a book from which a letter starts on a page of its own
RUN = 60  # entries that such a letter has at least
PIECE = 40_000  # spans that typst lays out at once, before the next letter: some 400 MB
LONG = 16  # letters from which a Lojban word may be broken at the end of a line
# Typst has no hyphenation patterns for Lojban. Its words may be broken before a consonant that starts a syllable.
_SYLLABLE = re.compile(r"(?<=\w\w)(?=[bcdfgjklmnprstvxz][aeiouy])", re.IGNORECASE)


class NotTypeset(Exception):
    """Typst refused the book."""


def write(book: Book, path: Path) -> Report:
    """Typeset the book. Raises fonts.NotInstalled, EntryFailed, NotTypeset."""
    for package in ("typst", "pikepdf"):
        if find_spec(package) is None:
            raise fonts.NotInstalled(package)
    data = typeset_data(book)
    missing = fonts.missing_glyphs(json.dumps(data, ensure_ascii=False))
    # A character without a glyph shows as its number; "[", "]" and "+" mean nothing to JSON inside a string.
    shown = {ord(letter): f"[U+{ord(letter):04X}]" for letter in missing}
    outline = [
        (part["name"], part["title"], [(one["name"], one["letter"]) for one in part["sections"]])
        for part in _parts(data)
    ]
    with TemporaryDirectory(prefix="mrilu-") as name:
        folder = Path(name)
        pieces = _write_pieces(data, folder, shown)
        del book, data
        _give_memory_back()
        warnings = _typeset_pieces(pieces)
        pdf_links.join([piece / PDF for piece in pieces], outline, path)
    return Report(missing, warnings)


def _write_pieces(data: dict[str, Any], folder: Path, shown: dict[int, str]) -> list[Path]:
    """Write each piece of the book into a folder of its own."""
    made = []
    for number, piece in enumerate(pieces_of(data)):
        made.append(folder / str(number))
        made[-1].mkdir()
        text = json.dumps(piece, ensure_ascii=False).translate(shown)
        (made[-1] / "book.json").write_text(text, encoding="utf-8")
        shutil.copy(TEMPLATE, made[-1])
    return made


def _typeset_pieces(pieces: list[Path]) -> tuple[str, ...]:
    """Typeset the pieces, one after the other: each starts on the page after the last one of the piece before.

    A process each, since typst gives no memory back.
    """
    warnings: dict[str, None] = {}
    pages = 0
    for piece in pieces:
        command = [sys.executable, "-P", "-m", "mrilu.exports.typeset", str(piece), str(pages)]
        done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
        if done.returncode or not (piece / PDF).exists():
            said = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
            raise NotTypeset(f"typst: {said[0][-1000:]}")
        told = json.loads(done.stdout)
        pages = told["pages"]
        warnings |= dict.fromkeys(told["warnings"])
    return tuple(warnings)


def _give_memory_back() -> None:
    """Have the C library return to the system what Python has freed (glibc): typst will need as much and more."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)


def pieces_of(data: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Cut a book into pieces that are typeset by themselves: at starts of pages, PIECE spans or more."""
    common = {name: value for name, value in data.items() if name not in ("words", "reverse")}
    parts: list[dict[str, Any]] = []
    size, first, last = 0, 0, 0

    def piece() -> dict[str, Any]:
        guides = data["guides"][first:last]
        return {**common, "front": not first, "parts": parts, "guides": guides}

    for part in _parts(data):
        for number, section in enumerate(part["sections"]):
            if size >= PIECE and (section["apart"] or not number):
                yield piece()
                parts, size, first = [], 0, last
            if not number or not parts:
                title = "" if number else part["title"]
                parts.append({**part, "title": title, "sections": []})
            parts[-1]["sections"].append(section)
            size += sum(map(_size, section["entries"]))
            last += len(section["entries"])
    yield piece()


def _parts(data: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the parts of the book that have entries, or the first one of a book without any."""
    from_lojban, to_lojban = data["titles"]
    words = {
        "name": "part-0",
        "title": from_lojban,
        "reverse": False,
        "sections": data["words"],
    }
    reverse = {
        "name": "part-1",
        "title": to_lojban,
        "reverse": True,
        "sections": data["reverse"],
    }
    return [words, reverse] if data["reverse"] else [words]


def _size(entry: dict[str, Any]) -> int:
    if "senses" in entry:
        return 2 + sum(len(sense["valsi"]) for sense in entry["senses"])
    return 3 + len(entry["definition"]) + len(entry["notes"]) + len(entry["keywords"])


def typeset_data(book: Book) -> dict[str, Any]:
    """Return what the template reads: plain strings and spans, in order, with the guide words."""
    targets = numbers_of_headwords(book)
    words = [_entry(entry, targets) for entry in book.entries]
    reverse = [
        _reverse(list(group), targets)
        for _, group in groupby(book.printed_reverse, key=lambda one: one.text)
    ]
    large = len(words) > LARGE
    for number in _targets_of(words, reverse):
        words[number]["number"] = number
    reverse_letters = [letter_of(reverse_key(one["guide"])[0]) for one in reverse]
    return {
        **_front_matter(book, len(words), len(reverse)),
        "families": fonts.families(book.language),
        "headings": (*fonts.LOJBAN, *fonts.families(book.language)),
        "lojban": fonts.LOJBAN[0],
        "titles": _part_titles(book),
        "words": _sections("words", words, map(letter_of_word, book.entries), large),
        "reverse": _sections("reverse", reverse, reverse_letters, large),
        "guides": [guide_word(one.pop("guide")) for one in (*words, *reverse)],
    }


def _part_titles(book: Book) -> tuple[str, str]:
    lojban = phrases_of(book.language).lojban
    other = [] if book.language == "jbo" else [one_line(book.name)]
    return " – ".join([lojban, *other]), " – ".join([*other, lojban])


def _front_matter(book: Book, words: int, reverse: int) -> dict[str, Any]:
    name, said = one_line(book.name), phrases_of(book.language)
    known = book.language.isalpha() and len(book.language) in (2, 3)
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


def _sections(
    name: str, entries: list[dict[str, Any]], letters: Iterable[str], large: bool
) -> list[dict[str, Any]]:
    """Put the entries under letters; `apart` says that a letter starts a page.

    Typst lays runs of pages out at the same time, so that a large book is to have such runs; a letter with a few
    entries is none.
    """
    found: list[dict[str, Any]] = []
    after = 0
    for letter, section in sections(zip(letters, entries, strict=True)):
        apart = large and bool(found) and len(section) >= RUN and after >= RUN
        after = len(section) if apart else after + len(section)
        found.append(
            {
                "name": f"{name}-{len(found)}",
                "letter": letter,
                "apart": apart,
                "entries": section,
            }
        )
    return found


def _targets_of(words: list[dict[str, Any]], reverse: list[dict[str, Any]]) -> set[int]:
    """Return the numbers of the entries that something leads to: only they need a label."""
    spans_of_all = (span for entry in words for span in (*entry["definition"], *entry["notes"]))
    targets = {span[2] for span in spans_of_all if not isinstance(span, str) and len(span) > 2}
    leads = (one for entry in reverse for sense in entry["senses"] for one in sense["valsi"])
    return targets | {one[2] for one in leads if one[2] >= 0}


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
