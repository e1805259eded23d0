"""EPUB 3 (with the table of contents of EPUB 2 beside its own, for old readers): a chapter for each letter.

Chapters stay below what small readers open (Adobe's RMSDK: 300 kB); a letter with more has several.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple
from uuid import NAMESPACE_URL, uuid5

from mrilu.dictionary.entries import Reverse
from mrilu.dictionary.markup import one_line
from mrilu.exports.alphabet import letter_of, reverse_key
from mrilu.exports.archives import write_zip
from mrilu.exports.book import Book, Report, naming
from mrilu.exports.entry_html import entry_html, sense_html
from mrilu.exports.entry_lines import (
    letter_of_word,
    numbers_of_headwords,
    reference_key,
    sections,
    senses_of,
)
from mrilu.exports.phrases import colophon, phrases_of, signs, title_lines

LARGEST = 200_000  # bytes of a chapter
LINK = 12  # bytes that a link gains at most, for each of the two marks around its number
# A link names its entry's number between these until all entries have their chapters; no text holds one.
_NUMBER = re.compile("\0(\\d+)\0")
MIMETYPE = b"application/epub+zip"
CONTAINER = """<?xml version="1.0" encoding="UTF-8"?>
<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container">
<rootfiles><rootfile full-path="EPUB/package.opf" media-type="application/oebps-package+xml"/></rootfiles>
</container>
"""
STYLE = """body { margin: 0 4%; overflow-wrap: anywhere; }
p { margin: 0.2em 0; padding-left: 1em; text-indent: -1em; }
dfn { font: bold 1em sans-serif; }
a { color: inherit; text-decoration: none; border-bottom: 1px dotted; }
h1, h2 { text-align: center; }
dt { float: left; clear: left; width: 6em; }
dd { margin-left: 7em; }
"""


class Paragraph(NamedTuple):
    """An entry as XHTML, its letter and its word; `number` is its place among the Lojban words, or -1."""

    letter: str
    word: str
    number: int
    text: str


class Chapter(NamedTuple):
    """One file of the book: its letter (with its first and last word, if the letter has more files) and its part."""

    title: str
    part: str
    paragraphs: list[Paragraph]


def write(book: Book, path: Path) -> Report:
    """Write the book. Raises EntryFailed."""
    numbers = numbers_of_headwords(book)

    def target(word: str) -> str | None:
        number = numbers.get(reference_key(word))
        return None if number is None else f"\0{number}\0"

    chapters = _chapters(_part_title(book, True), _words(book, target))
    if book.printed_reverse:
        chapters += _chapters(_part_title(book, False), _reverse(book, target))
    write_zip(path, _files(book, chapters), stored="mimetype")
    return Report()


def _part_title(book: Book, from_lojban: bool) -> str:
    said = phrases_of(book.language)
    names = [said.lojban, *([] if book.language == "jbo" else [one_line(book.name)])]
    return " – ".join(names if from_lojban else reversed(names))


def _words(book: Book, target: Callable[[str], str | None]) -> Iterator[Paragraph]:
    for number, entry in enumerate(book.entries):
        with naming(entry):
            word = one_line(entry.word)
            head = f'<p id="e{number}"><dfn xml:lang="jbo" lang="jbo">{_escaped(word)}</dfn> '
            text = f"{head}{' '.join(entry_html(entry, target))}</p>"
            yield Paragraph(letter_of_word(entry), word, number, text)


def _reverse(book: Book, target: Callable[[str], str | None]) -> Iterator[Paragraph]:
    for text, group in groupby(book.printed_reverse, key=lambda one: one.text):
        rows: list[Reverse] = list(group)
        with naming(rows[0]):
            senses = "; ".join(sense_html(sense, leads, target) for sense, leads in senses_of(rows))
            word = one_line(text)
            shown = f"<p><dfn>{_escaped(word)}</dfn> {senses}</p>"
            yield Paragraph(letter_of(reverse_key(text)[0]), word, -1, shown)


def _chapters(part: str, paragraphs: Iterable[Paragraph]) -> list[Chapter]:
    chapters = []
    for letter, section in sections((one.letter, one) for one in paragraphs):
        runs = list(_runs(section))
        for run in runs:
            title = letter if len(runs) == 1 else f"{letter}: {run[0].word} – {run[-1].word}"
            chapters.append(Chapter(title, part, run))
    return chapters


def _runs(section: list[Paragraph]) -> Iterator[list[Paragraph]]:
    """Cut a letter's paragraphs into runs of LARGEST bytes at most; a link may become some bytes longer."""
    run: list[Paragraph] = []
    size = 0
    for one in section:
        length = len(one.text.encode()) + LINK * one.text.count("\0")
        if run and size + length > LARGEST:
            yield run
            run, size = [], 0
        run.append(one)
        size += length
    yield run


def _files(book: Book, chapters: list[Chapter]) -> dict[str, bytes]:
    names = [f"c{number:03}.xhtml" for number in range(1, len(chapters) + 1)]
    places = {
        str(one.number): f"{name}#e{one.number}"
        for name, chapter in zip(names, chapters, strict=True)
        for one in chapter.paragraphs
    }
    texts = {
        "META-INF/container.xml": CONTAINER,
        "EPUB/package.opf": _package(book, names),
        "EPUB/nav.xhtml": _navigation(book, names, chapters),
        "EPUB/toc.ncx": _ncx(book, names, chapters),
        "EPUB/style.css": STYLE,
        "EPUB/title.xhtml": _title_page(book),
    }
    for name, chapter in zip(names, chapters, strict=True):
        text = _page(book, chapter.title, "\n".join(one.text for one in chapter.paragraphs))
        texts[f"EPUB/{name}"] = _NUMBER.sub(lambda found: places[found[1]], text)
    return {"mimetype": MIMETYPE, **{name: text.encode() for name, text in texts.items()}}


def _identifier(book: Book) -> str:
    return f"urn:uuid:{uuid5(NAMESPACE_URL, f'jbo-{book.tag}')}"


def _title(book: Book) -> str:
    return _escaped(phrases_of(book.language).title.format(name=one_line(book.name)))


def _language(book: Book) -> str:
    """Return the language's tag; "und" (undetermined) for one that is none."""
    known = book.language.isascii() and book.language.isalpha() and len(book.language) in (2, 3)
    return book.language if known else "und"


def _package(book: Book, names: list[str]) -> str:
    languages = dict.fromkeys(("jbo", _language(book)))
    items = [
        '<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>',
        '<item id="ncx" href="toc.ncx" media-type="application/x-dtbncx+xml"/>',
        '<item id="style" href="style.css" media-type="text/css"/>',
        *(
            f'<item id="{name[:-6]}" href="{name}" media-type="application/xhtml+xml"/>'
            for name in ("title.xhtml", *names)
        ),
    ]
    spine = [
        f'<itemref idref="{name}"/>' for name in ("title", "nav", *(name[:-6] for name in names))
    ]
    metadata = [
        f'<dc:identifier id="id">{_identifier(book)}</dc:identifier>',
        f"<dc:title>{_title(book)}</dc:title>",
        *(f"<dc:language>{language}</dc:language>" for language in languages),
        f"<dc:date>{_escaped(book.edition)}</dc:date>",
        f'<meta property="dcterms:modified">{_escaped(book.edition)}T00:00:00Z</meta>',
    ]
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id">\n'
        f'<metadata xmlns:dc="http://purl.org/dc/elements/1.1/">\n{_lines(metadata)}</metadata>\n'
        f'<manifest>\n{_lines(items)}</manifest>\n<spine toc="ncx">\n{_lines(spine)}</spine>\n</package>\n'
    )


def _navigation(book: Book, names: list[str], chapters: list[Chapter]) -> str:
    parts = []
    rows = zip(names, chapters, strict=True)
    for part, group in groupby(rows, key=lambda row: row[1].part):
        listed = list(group)
        links = [f'<li><a href="{name}">{_escaped(one.title)}</a></li>' for name, one in listed]
        first = listed[0][0]
        parts.append(f'<li><a href="{first}">{_escaped(part)}</a>\n<ol>\n{_lines(links)}</ol></li>')
    return _page(
        book,
        phrases_of(book.language).title.format(name=one_line(book.name)),
        f'<nav epub:type="toc">\n<ol>\n{_lines(parts)}</ol>\n</nav>',
    )


def _ncx(book: Book, names: list[str], chapters: list[Chapter]) -> str:
    points = [
        f'<navPoint id="p{order}" playOrder="{order}"><navLabel><text>{_escaped(one.title)}</text></navLabel>'
        f'<content src="{name}"/></navPoint>'
        for order, (name, one) in enumerate(zip(names, chapters, strict=True), 1)
    ]
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/" version="2005-1">\n'
        f'<head><meta name="dtb:uid" content="{_identifier(book)}"/></head>\n'
        f"<docTitle><text>{_title(book)}</text></docTitle>\n<navMap>\n{_lines(points)}</navMap>\n</ncx>\n"
    )


def _title_page(book: Book) -> str:
    words = len({one.text for one in book.printed_reverse})
    counts = title_lines(book.language, one_line(book.name), len(book.entries), words)
    said = [
        f"{heading}: {text}" if heading else text
        for heading, text in colophon(book.language, book.edition)
    ]
    key = (
        f"<dt>{_escaped(sign)}</dt><dd>{_escaped(meaning)}</dd>"
        for sign, meaning in signs(book.language)
    )
    body = [f"<p>{_escaped(line)}</p>" for line in (*counts, *said)]
    heading = f"<h2>{_escaped(phrases_of(book.language).signs)}</h2>"
    title = phrases_of(book.language).title.format(name=one_line(book.name))
    return _page(book, title, f"{_lines(body)}{heading}\n<dl>\n{_lines(key)}</dl>")


def _page(book: Book, title: str, body: str) -> str:
    language = _language(book)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE html>\n'
        '<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops" '
        f'xml:lang="{language}" lang="{language}">\n<head><title>{_escaped(title)}</title>\n'
        '<link rel="stylesheet" type="text/css" href="style.css"/></head>\n'
        f"<body>\n<h1>{_escaped(title)}</h1>\n{body}\n</body>\n</html>\n"
    )


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _escaped(text: str) -> str:
    return html.escape(text)
