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

from mrilu.dictionary.entries import Entry, Reverse
from mrilu.dictionary.markup import Span, one_line, spans
from mrilu.exports import fonts
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

TEMPLATE = Path(__file__).with_name("book.typ")
SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
LARGE = 3000  # entries of a book from which a letter starts on a page of its own
RUN = 60  # entries that such a letter has at least
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
        "words": _sections(words, map(letter_of_word, book.entries), large),
        "reverse": _sections(reverse, reverse_letters, large),
        "guides": [guide_word(one.pop("guide")) for one in (*words, *reverse)],
    }


def _front_matter(book: Book, words: int, reverse: int) -> dict[str, Any]:
    name, said = one_line(book.name), phrases_of(book.language)
    known = book.language.isalpha() and len(book.language) in (2, 3)
    other = [] if book.language == "jbo" else [name]
    return {
        "title": said.title.format(name=name),
        "lojban-name": said.lojban,
        "name": name,
        "parts": [" – ".join([said.lojban, *other]), " – ".join([*other, said.lojban])],
        "language": book.language if known else "und",
        "edition": book.edition,
        "counts": title_lines(book.language, name, words, reverse),
        "colophon": colophon(book.language, book.edition),
        "signs-title": said.signs,
        "signs": signs(book.language),
    }


def _sections(
    entries: list[dict[str, Any]], letters: Iterable[str], large: bool
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
        found.append({"letter": letter, "apart": apart, "entries": section})
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
