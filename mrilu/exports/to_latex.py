"""LaTeX source for XeLaTeX or LuaLaTeX, complete in one file. Every character that TeX gives a meaning is escaped.

Fonts are those of whoever typesets it, named at the head of preamble.tex: Noto where they have it, Latin Modern
otherwise. Runs of other scripts are marked, since TeX does not look for a font that has a glyph.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from mrilu.dictionary.entries import Entry, Reverse
from mrilu.dictionary.markup import one_line, spans
from mrilu.exports.alphabet import letter_of, reverse_key
from mrilu.exports.book import Book, Report, glosses_of, naming, write_text
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
from mrilu.exports.line_breaks import breakable, breakable_spans
from mrilu.exports.phrases import colophon, phrases_of, signs, title_lines

PREAMBLE = Path(__file__).with_name("preamble.tex")
# TeX commands for hyphenation patterns; a language that is not here is not hyphenated.
HYPHENATION = {"en": "english", "de": "ngerman"}

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    '"': '"{}',
    "`": "`{}",
    "'": "'{}",
    "-": "-{}",
    "<": "<{}",
    ">": ">{}",
    "\u00a0": r"\nobreakspace{}",
    "\u00ad": r"\-",
    "[": "{[}",
    "]": "{]}",
    "/": r"/\hspace{0pt}",
    "\u200b": r"\hspace{0pt}",
    # LuaTeX takes the character itself for broken UTF-8.
    "\ufffd": r'\symbol{"FFFD}',
}
_ESCAPE = str.maketrans(_SPECIAL)
_PAR = "\\par "

# First character of a block -> its script in preamble.tex ("": the main font's own).
_BLOCKS = (
    (0x0000, ""),
    (0x0370, "Grek"),
    (0x0400, "Cyrl"),
    (0x0530, "Armn"),
    (0x0590, "Hebr"),
    (0x0600, "Arab"),
    (0x0700, "Other"),
    (0x0900, "Deva"),
    (0x0980, "Beng"),
    (0x0A00, "Other"),
    (0x0E00, "Thai"),
    (0x0E80, "Other"),
    (0x1000, "Mymr"),
    (0x10A0, "Other"),
    (0x1100, "Hang"),
    (0x1200, "Other"),
    (0x1D00, ""),
    (0x1F00, "Grek"),
    (0x2000, ""),
    # Letterlike symbols: fonts for mathematics have those of mathematics alone.
    (0x2100, ""),
    (0x2102, "Math"),
    (0x2103, ""),
    (0x210A, "Math"),
    (0x210F, ""),
    (0x2110, "Math"),
    (0x2113, ""),
    (0x2115, "Math"),
    (0x2116, ""),
    (0x2119, "Math"),
    (0x211E, ""),
    (0x2124, "Math"),
    (0x2125, ""),
    (0x2128, "Math"),
    (0x2129, ""),
    (0x212C, "Math"),
    (0x212E, ""),
    (0x212F, "Math"),
    (0x2132, ""),
    (0x2133, "Math"),
    (0x2139, ""),
    (0x213C, "Math"),
    (0x2141, ""),
    (0x2145, "Math"),
    (0x214A, ""),
    (0x2150, "Math"),
    (0x2600, "Sign"),
    (0x27C0, "Math"),
    (0x2E80, "Hani"),
    (0xA000, "Other"),
    (0xAC00, "Hang"),
    (0xD7FC, "Other"),
    (0xF900, "Hani"),
    (0xFB00, ""),
    (0xFB1D, "Hebr"),
    (0xFB50, "Arab"),
    (0xFE00, ""),
    (0xFE10, "Hani"),
    (0xFE70, "Arab"),
    (0xFEFF, "Hani"),
    (0xFFF0, ""),
    (0x10000, "Other"),
    (0x1F000, "Sign"),
    (0x20000, "Hani"),
    (0x32000, "Other"),
)
_STARTS = [start for start, _ in _BLOCKS]


def write(book: Book, path: Path) -> Report:
    """Write the source. Raises EntryFailed."""
    write_text(path, "".join(_document(book)))
    return Report()


def _document(book: Book) -> Iterator[str]:
    language = HYPHENATION.get(book.language, "nohyphenation")
    yield PREAMBLE.read_text(encoding="utf-8")
    yield f"\\hyphenationof{{{language}}}\n\\begin{{document}}\n"
    yield from _front_matter(book)
    targets = numbers_of_headwords(book)
    said, name = phrases_of(book.language), latex(one_line(book.name))
    lojban, other = latex(said.lojban), [] if book.language == "jbo" else [name]
    yield _part([lojban, *other])
    words = ((letter_of_word(entry), (number, entry)) for number, entry in enumerate(book.entries))
    for letter, entries in sections(words):
        yield f"\\letter{{{latex(letter)}}}\n"
        yield from (_entry(entry, number, targets) for number, entry in entries)
    if book.printed_reverse:
        yield _part([*other, lojban])
        yield from _reverse_part(book, targets)
    yield "\\end{document}\n"


def _part(names: list[str]) -> str:
    title = r" \textendash{} ".join(names)
    return f"\\dictionarypart{{{title}}}\n"


def _front_matter(book: Book) -> Iterator[str]:
    said, name = phrases_of(book.language), one_line(book.name)
    other = "" if book.language == "jbo" else name
    headwords = len({one.text for one in book.printed_reverse})
    counts = title_lines(book.language, name, len(book.entries), headwords)
    lines = _PAR.join(map(latex, counts))
    yield f"\\dictionarytitle{{{latex(said.lojban)}}}{{{latex(other)}}}{{{lines}}}{{{latex(book.edition)}}}\n"
    facts_of_book = (
        f"{heading}: {text}" if heading else text
        for heading, text in colophon(book.language, book.edition)
    )
    rows = "".join(
        f"\\signrow{{{latex(sign)}}}{{{latex(meaning)}}}" for sign, meaning in signs(book.language)
    )
    yield (
        f"\\colophon{{{latex(said.title.format(name=name))}}}{{{_PAR.join(map(latex, facts_of_book))}}}"
        f"{{{latex(said.signs)}}}{{{rows}}}\n"
    )


def _reverse_part(book: Book, targets: dict[str, int]) -> Iterator[str]:
    for letter, entries in sections(
        (letter_of(reverse_key(one.text)[0]), one) for one in book.printed_reverse
    ):
        yield f"\\letter{{{latex(letter)}}}\n"
        for _, group in groupby(entries, key=lambda one: one.text):
            yield _reverse(list(group), targets)


def _entry(entry: Entry, number: int, targets: dict[str, int]) -> str:
    with naming(entry):
        glosses, keywords = glosses_of(entry)
        parts = [_shown(entry.definition, targets)]
        if glosses:
            parts.append(rf"\glosses{{{'; '.join(_text(gloss_text(one)) for one in glosses)}}}")
        parts += [rf"\placekeyword{{{one.place}}}{{{_text(gloss_text(one))}}}" for one in keywords]
        notes = " — ".join(filter(None, [entry.notes, *remarks(entry)]))
        if notes:
            parts.append(rf"\notes{{{_shown(notes, targets)}}}")
        guide = latex(guide_word(entry.word))
        return (
            f"\\entry{{entry-{number}}}{{{guide}}}{{{_text(one_line(entry.word))}}}{{{_text(facts(entry))}}}"
            f"{{{' '.join(parts)}}}\n"
        )


def _reverse(group: list[Reverse], targets: dict[str, int]) -> str:
    with naming(group[0]):
        senses = []
        for sense, leads in senses_of(group):
            words = ", ".join(
                _word(valsi, targets) + (rf"\,\place{{{place}}}" if place else "")
                for valsi, place in leads
            )
            senses.append(rf"\sense{{{_text(sense)}}}{words}" if sense else words)
        word = one_line(group[0].text)
        return f"\\entry{{}}{{{latex(guide_word(word))}}}{{{_text(word)}}}{{}}{{{'; '.join(senses)}}}\n"


def _text(text: str) -> str:
    return latex(breakable(text))


def _word(word: str, targets: dict[str, int], shown: str | None = None) -> str:
    target = targets.get(reference_key(word))
    valsi = rf"\valsi{{{latex(breakable(word) if shown is None else shown)}}}"
    return valsi if target is None else rf"\lead{{entry-{target}}}{{{valsi}}}"


_COMMANDS = {"letter": "variable", "low": "low", "high": "high"}


def _shown(text: str, targets: dict[str, int]) -> str:
    given = spans(text)
    return "".join(
        latex(span.text)
        if span.kind == "text"
        else _word(plain.text, targets, span.text)
        if span.kind == "word"
        else rf"\{_COMMANDS[span.kind]}{{{latex(span.text)}}}"
        for plain, span in zip(given, breakable_spans(given), strict=True)
    )


def latex(text: str) -> str:
    """Return one line of plain text as LaTeX that shows just it."""
    if text.isascii():
        return text.translate(_ESCAPE)
    runs = groupby(text, key=_script)
    return "".join(_run(script, "".join(letters)) for script, letters in runs)


def _run(script: str, letters: str) -> str:
    escaped = letters.translate(_ESCAPE)
    return rf"\script{{{script}}}{{{escaped}}}" if script else escaped


def _script(letter: str) -> str:
    return _BLOCKS[bisect_right(_STARTS, ord(letter)) - 1][1]


def unescape(source: str) -> str:
    """Undo `latex` for text in the main font's script (for tests and for reading sources)."""
    back = {value: key for key, value in _SPECIAL.items()}
    return re.sub(
        "|".join(map(re.escape, sorted(back, key=len, reverse=True))),
        lambda found: back[found[0]],
        source,
    )
