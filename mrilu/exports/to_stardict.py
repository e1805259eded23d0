"""StarDict, zipped: a dictionary of the Lojban words, and one of the other direction.

The format is that of https://github.com/huzheng001/stardict-3/blob/master/dict/doc/StarDictFileFormat: an index of
words in the order of `stardict_strcmp`, the articles, and synonyms that name a place in the index.
"""

from __future__ import annotations

import struct
from itertools import groupby
from pathlib import Path

from mrilu.dictionary.entries import Entry, Reverse
from mrilu.dictionary.markup import one_line
from mrilu.exports.archives import write_zip
from mrilu.exports.book import Book, Report, naming
from mrilu.exports.entry_html import entry_html, sense_html
from mrilu.exports.entry_lines import numbers_of_headwords, reference_key, senses_of
from mrilu.exports.phrases import phrases_of

LONGEST = 255  # bytes of a word in the index
Articles = list[tuple[str, str]]


def write(book: Book, path: Path) -> Report:
    """Write the zip of both dictionaries. Raises EntryFailed."""
    words = _Words(book)
    said, name = phrases_of(book.language), one_line(book.name)
    articles = [_article(entry, words) for entry in book.entries]
    synonyms = [(other, entry.word) for entry in book.entries for other in synonyms_of(entry.word)]
    files = _files(f"jbo-{book.tag}", f"{said.lojban} – {name}", book.edition, articles, synonyms)
    if book.printed_reverse:
        articles = [
            _reverse_article(text, list(group), words)
            for text, group in groupby(book.printed_reverse, key=lambda one: one.text)
        ]
        files |= _files(f"{book.tag}-jbo", f"{name} – {said.lojban}", book.edition, articles, [])
    write_zip(path, files)
    return Report()


class _Words:
    """Where references lead to: `bword://WORD` is a word in any dictionary of the reader."""

    def __init__(self, book: Book) -> None:
        self.numbers = numbers_of_headwords(book)
        self.entries = book.entries

    def __call__(self, word: str) -> str | None:
        number = self.numbers.get(reference_key(word))
        return None if number is None else f"bword://{one_line(self.entries[number].word)}"


def synonyms_of(word: str) -> list[str]:
    """Return how else people type a Lojban word: h for the apostrophe, the typographic one, no dots."""
    plain = one_line(word).replace("’", "'")
    undotted = "".join(plain.split("."))
    forms = {form.replace("'", mark) for form in (plain, undotted) for mark in "'h’"}
    return sorted(forms - {one_line(word), ""})


def _article(entry: Entry, words: _Words) -> tuple[str, str]:
    with naming(entry):
        return entry.word, "".join(f"<div>{piece}</div>" for piece in entry_html(entry, words))


def _reverse_article(text: str, group: list[Reverse], words: _Words) -> tuple[str, str]:
    with naming(group[0]):
        senses = (sense_html(sense, leads, words) for sense, leads in senses_of(group))
        return text, "".join(f"<div>{sense}</div>" for sense in senses)


def _files(
    name: str, title: str, edition: str, articles: Articles, synonyms: Articles
) -> dict[str, bytes]:
    """Return the files of one dictionary, by name."""
    ordered = sorted(((_key(word), article) for word, article in articles), key=_order)
    index, content = bytearray(), bytearray()
    places: dict[bytes, int] = {}
    for number, (word, article) in enumerate(ordered):
        data = article.encode()
        index += word + b"\0" + struct.pack(">II", len(content), len(data))
        content += data
        places.setdefault(word, number)
    others = sorted({(_key(other), places[_key(word)]) for other, word in synonyms}, key=_order)
    listed = b"".join(
        other + b"\0" + struct.pack(">I", place) for other, place in others if other not in places
    )
    count = sum(other not in places for other, _ in others)
    facts = {
        "version": "3.0.0",
        "bookname": title,
        "wordcount": len(ordered),
        **({"synwordcount": count} if count else {}),
        "idxfilesize": len(index),
        "date": edition.replace("-", "."),
        "sametypesequence": "h",
    }
    lines = "".join(f"{key}={value}\n" for key, value in facts.items())
    files = {"dict": bytes(content), "idx": bytes(index)}
    files["ifo"] = f"StarDict's dict ifo file\n{lines}".encode()
    if count:
        files["syn"] = listed
    return {f"{name}.{kind}": data for kind, data in files.items()}


def _key(word: str) -> bytes:
    """Return a word as the index holds it: at most LONGEST bytes of UTF-8, no part of a letter."""
    return one_line(word).encode()[:LONGEST].decode(errors="ignore").encode()


def _order(pair: tuple[bytes, object]) -> tuple[bytes, bytes, str]:
    """Sort as `stardict_strcmp` does: g_ascii_strcasecmp, then strcmp."""
    word, what = pair
    return word.lower(), word, str(what)
