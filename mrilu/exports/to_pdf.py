"""PDF by typst: the book goes as JSON into our template (book.typ), so that no text is ever read as markup."""

from __future__ import annotations

import ctypes
import gc
import json
import re
import shutil
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mrilu.dictionary.jbovlaste_xml import Entry, Reverse
from mrilu.dictionary.markup import Span, one_line, spans
from mrilu.exports import fonts
from mrilu.exports.book import Book, Report, glosses_of, letter_of, naming, reverse_key
from mrilu.exports.entry_lines import facts, gloss_text, letter_of_word, sections, senses_of

TEMPLATE = Path(__file__).with_name("book.typ")
SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
LARGE = 3000  # entries from which each letter starts on a page of its own
LONG = 16  # letters from which a Lojban word may be broken at the end of a line
# Typst has no hyphenation patterns for Lojban. Its words may be broken before a consonant that starts a syllable.
_SYLLABLE = re.compile(r"(?<=\w\w)(?=[bcdfgjklmnprstvxz][aeiouy])", re.IGNORECASE)


class NotTypeset(Exception):
    """Typst refused the book."""


def write(book: Book, path: Path) -> Report:
    """Typeset the book. Raises fonts.NotInstalled, EntryFailed, NotTypeset."""
    if find_spec("typst") is None:
        raise fonts.NotInstalled("typst")
    text = json.dumps(typeset_data(book), ensure_ascii=False)
    missing = fonts.missing_glyphs(text)
    # A character without a glyph shows as its number; "[", "]" and "+" mean nothing to JSON inside a string.
    text = text.translate({ord(letter): f"[U+{ord(letter):04X}]" for letter in missing})
    with TemporaryDirectory(prefix="mrilu-") as folder:
        (Path(folder) / "book.json").write_text(text, encoding="utf-8")
        shutil.copy(TEMPLATE, folder)
        edition = date.fromisoformat(book.edition)
        del book, text
        _give_memory_back()
        warnings = _compile(Path(folder), path, edition)
    return Report(missing, warnings)


def _compile(folder: Path, path: Path, edition: date) -> tuple[str, ...]:
    import typst  # 84 MB: only where a PDF is made

    chosen = typst.Fonts(
        include_system_fonts=False, include_embedded_fonts=True, font_paths=fonts.folders()
    )
    try:
        _, warnings = typst.compile_with_warnings(
            folder / TEMPLATE.name,
            path,
            root=folder,
            font_paths=chosen,
            format="pdf",
            timestamp=datetime(edition.year, edition.month, edition.day, tzinfo=UTC),
            pdf_tags=False,
        )
    except typst.TypstError as error:
        raise NotTypeset(f"{error.message} {error.diagnostic}"[:1000]) from error
    return tuple(warning.message for warning in warnings)


def _give_memory_back() -> None:
    """Have the C library return to the system what Python has freed (glibc): typst will need as much and more."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)


def typeset_data(book: Book) -> dict[str, Any]:
    """Return what the template reads: plain strings and spans, in order, with the guide words."""
    words = [_entry(entry) for entry in book.entries]
    reverse = [
        _reverse(list(group)) for _, group in groupby(book.reverse, key=lambda one: one.text)
    ]
    return {
        "name": one_line(book.name),
        "language": book.language
        if book.language.isalpha() and len(book.language) in (2, 3)
        else "und",
        "families": fonts.families(book.language),
        "headings": (*fonts.LOJBAN, *fonts.families(book.language)),
        "lojban": fonts.LOJBAN[0],
        "large": len(words) > LARGE,
        "edition": book.edition,
        "counts": [len(words), len(reverse)],
        "words": _sections(words, map(letter_of_word, book.entries)),
        "reverse": _sections(reverse, [letter_of(reverse_key(one["guide"])[0]) for one in reverse]),
        "guides": [_short(one["guide"]) for one in (*words, *reverse)],
    }


def _sections(entries: list[dict[str, Any]], letters: Iterable[str]) -> list[dict[str, Any]]:
    return [
        {"letter": letter, "entries": section}
        for letter, section in sections(zip(letters, entries, strict=True))
    ]


def _entry(entry: Entry) -> dict[str, Any]:
    with naming(entry):
        glosses, keywords = glosses_of(entry)
        return {
            "guide": one_line(entry.word),
            "word": breakable(one_line(entry.word)),
            "lojban": entry.word.isascii(),
            "facts": facts(entry),
            "definition": _shown(entry.definition),
            "notes": _shown(entry.notes),
            "glosses": "; ".join(map(gloss_text, glosses)),
            "keywords": [[min(one.place, 99), gloss_text(one)] for one in keywords],
        }


def _reverse(group: list[Reverse]) -> dict[str, Any]:
    """Return one headword of the other direction with all that it leads to."""
    with naming(group[0]):
        senses = [
            {
                "sense": sense,
                "valsi": [[breakable(valsi), min(place, 99)] for valsi, place in leads],
            }
            for sense, leads in senses_of(group)
        ]
        text = one_line(group[0].text)
        return {"guide": text, "word": text, "lojban": False, "senses": senses}


def _shown(text: str) -> list[str | list[str]]:
    """Return the spans of a text: a plain one is a string, another [kind, text]."""
    return [_span(span) for span in _with_digits(spans(text))]


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


def _span(span: Span) -> str | list[str]:
    # A reference that is not ASCII is none to a Lojban word, and is set like the text around it.
    if span.kind == "text" or (span.kind == "word" and not span.text.isascii()):
        return span.text
    return [span.kind, breakable(span.text) if span.kind == "word" else span.text]


def breakable(word: str) -> str:
    """Return the word with soft hyphens where it is so long that it might not fit a column."""
    parts = (
        _SYLLABLE.sub("\N{SOFT HYPHEN}", part) if len(part) >= LONG else part
        for part in word.split(" ")
    )
    return " ".join(parts)


def _short(word: str, most: int = 34) -> str:
    return word if len(word) <= most else word[: most - 1] + "…"
