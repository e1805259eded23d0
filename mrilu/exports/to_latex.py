"""LaTeX source for XeLaTeX, complete in one file. Every character that TeX gives a meaning is escaped.

Fonts are those of whoever typesets it: Noto where they have it, Latin Modern otherwise. Runs of other scripts are
marked, since TeX does not look for a font that has a glyph.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from mrilu.dictionary.jbovlaste_xml import Entry, Reverse
from mrilu.dictionary.markup import one_line, spans
from mrilu.exports.book import Book, Report, glosses_of, letter_of, naming, reverse_key, write_text
from mrilu.exports.entry_lines import facts, gloss_text, letter_of_word, sections, senses_of

PREAMBLE = Path(__file__).with_name("preamble.tex")
# TeX commands for hyphenation patterns; a language that is not here is not hyphenated.
HYPHENATION = {"en": "english", "de": "ngerman"}

_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", '"': '"{}', "`": "`{}", "'": "'{}", "-": "-{}", "<": "<{}",
    ">": ">{}", "\u00a0": r"\nobreakspace{}", "\u00ad": r"\-", "[": "{[}", "]": "{]}", "/": r"/\hspace{0pt}",
    "\u200b": r"\hspace{0pt}",
}  # fmt: skip
_ESCAPE = str.maketrans(_SPECIAL)

# First character of a block -> its script in preamble.tex ("": the main font's own).
_BLOCKS = (
    (0x0000, ""), (0x0370, "Grek"), (0x0400, "Cyrl"), (0x0530, "Armn"), (0x0590, "Hebr"), (0x0600, "Arab"),
    (0x0700, "Other"), (0x0900, "Deva"), (0x0980, "Beng"), (0x0A00, "Other"), (0x0E00, "Thai"), (0x0E80, "Other"),
    (0x1000, "Mymr"), (0x10A0, "Other"), (0x1100, "Hang"), (0x1200, "Other"), (0x1D00, ""), (0x1F00, "Grek"),
    (0x2000, ""), (0x2070, "Math"), (0x20A0, ""), (0x2100, "Math"), (0x2600, "Sign"), (0x27C0, "Math"),
    (0x2E80, "Hani"), (0xA000, "Other"), (0xAC00, "Hang"), (0xD7FC, "Other"), (0xF900, "Hani"), (0xFB00, ""),
    (0xFB1D, "Hebr"), (0xFB50, "Arab"), (0xFE00, ""), (0xFE10, "Hani"), (0xFE70, "Arab"), (0xFEFF, "Hani"),
    (0xFFF0, ""), (0x10000, "Other"), (0x1F000, "Sign"), (0x20000, "Hani"), (0x32000, "Other"),
)  # fmt: skip
_STARTS = [start for start, _ in _BLOCKS]


def write(book: Book, path: Path) -> Report:
    """Write the source. Raises EntryFailed."""
    write_text(path, "".join(_document(book)))
    return Report()


def _document(book: Book) -> Iterator[str]:
    name, language = latex(book.name), HYPHENATION.get(book.language, "nohyphenation")
    yield PREAMBLE.read_text(encoding="utf-8")
    yield f"\\hyphenationof{{{language}}}\n\\begin{{document}}\n"
    yield f"\\dictionarytitle{{{name}}}{{{len(book.entries)}}}{{{len(book.reverse)}}}{{{latex(book.edition)}}}\n"
    yield f"\\part*{{Lojban \\textendash{{}} {name}}}\n"
    for letter, entries in sections((letter_of_word(entry), entry) for entry in book.entries):
        yield f"\\letter{{{latex(letter)}}}\n"
        yield from map(_entry, entries)
    if book.reverse:
        yield f"\\part*{{{name} \\textendash{{}} Lojban}}\n"
        yield from _reverse_part(book)
    yield "\\end{document}\n"


def _reverse_part(book: Book) -> Iterator[str]:
    for letter, entries in sections(
        (letter_of(reverse_key(one.text)[0]), one) for one in book.reverse
    ):
        yield f"\\letter{{{latex(letter)}}}\n"
        for _, group in groupby(entries, key=lambda one: one.text):
            yield _reverse(list(group))


def _entry(entry: Entry) -> str:
    with naming(entry):
        glosses, keywords = glosses_of(entry)
        parts = [_shown(entry.definition)]
        if glosses:
            parts.append(rf"\glosses{{{'; '.join(latex(gloss_text(one)) for one in glosses)}}}")
        parts += [rf"\placekeyword{{{one.place}}}{{{latex(gloss_text(one))}}}" for one in keywords]
        if entry.notes:
            parts.append(rf"\notes{{{_shown(entry.notes)}}}")
        return f"\\entry{{{latex(one_line(entry.word))}}}{{{latex(facts(entry))}}}{{{' '.join(parts)}}}\n"


def _reverse(group: list[Reverse]) -> str:
    with naming(group[0]):
        senses = []
        for sense, leads in senses_of(group):
            words = ", ".join(
                _word(valsi) + (rf"\,\place{{{place}}}" if place else "") for valsi, place in leads
            )
            senses.append(rf"\sense{{{latex(sense)}}}{words}" if sense else words)
        return f"\\entry{{{latex(one_line(group[0].text))}}}{{}}{{{'; '.join(senses)}}}\n"


def _word(word: str) -> str:
    return rf"\valsi{{{latex(word)}}}"


_COMMANDS = {"letter": "variable", "low": "low", "high": "high", "word": "valsi"}


def _shown(text: str) -> str:
    return "".join(
        latex(span.text)
        if span.kind == "text"
        else rf"\{_COMMANDS[span.kind]}{{{latex(span.text)}}}"
        for span in spans(text)
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
