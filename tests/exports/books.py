"""Small books for the tests, and texts that try to break out of a format."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from mrilu.dictionary.entries import Entry, Gloss, Reverse
from mrilu.exports.book import Book, headword_key

HOSTILE = {
    "latex": r"\input{/etc/passwd} \write18{id} \end{document} \catcode`\%=12 ^^5cinput{x}",
    "specials": "# % & ~ ^ _ {{ } } \\ $x_1$ and $ open $$ $\\frac{1}{$ [1] `` '' -- --- \"q\" |<>",
    "typst": '#import "@preview/cetz:0.3.0" #read("/etc/passwd") #eval("1+1") *bold* _it_ `raw` <here> @there = head',
    "xml": "<script>alert(1)</script> ]]> &amp; &#0; <!ENTITY x SYSTEM 'file:///etc/passwd'> -->",
    "rtl": "\u05e9\u05dc\u05d5\u05dd (abc) \u202etrick\u202c \u0633\u0644\u0627\u0645",
    "emoji": "\U0001f600 \U0001f468\u200d\U0001f469\u200d\U0001f467 \u2665\ufe0f",
    "scripts": "日本語 ｼｬ 한국어 हिन्दुस्तान မြန်မာ ৳ ไทย Ἰθάκη привет ∘ ∄ √ ụṣ ɾɑʔ x\u0303 ℥ ₨",
    "spaces": "tab\there\nline\r\nreturn  two\u00a0hard\u200bzero",
    "control": "bell\x07 \x01 escape\x1b[31m \ufffe",
    "formula": "=1+1",
    "long": "a" * 3000 + " " + "mlatu" * 200,
    "spreadsheet": "@SUM(A1) -- +1",
}


def entry(
    word: str = "mlatu",
    number: int = 1,
    definition: str = "$x_1$ is a cat of breed $x_{2}$.",
    **more,
) -> Entry:
    """Return one entry; `more` are other fields of it."""
    facts = {
        "type": "gismu", "unofficial": False, "rafsi": ("lat",), "selmaho": "", "username": "mirli",
        "realname": "Mirli Alis", "notes": "See also {gerku}.", "score": 12.5,
        "glosses": (Gloss("cat", "", 0), Gloss("feline", "animal", 1)),
    }  # fmt: skip
    return Entry(word=word, source_id=number, definition=definition, **(facts | more))


def book(
    *entries: Entry, reverse: tuple[Reverse, ...] = (), tag: str = "en", name: str = "English"
) -> Book:
    """Return a book of these entries, in the order of the alphabet."""
    ordered = sorted(entries or (entry(),), key=lambda one: headword_key(one.word))
    return Book(tag, name, "2026-11-20", tuple(ordered), reverse)


def hostile_book() -> Book:
    """Return a book in which every field of some entry holds each hostile text."""
    entries = [
        entry(
            text[:900],
            number,
            text,
            notes=text,
            type=text,
            selmaho=text,
            rafsi=(text,),
            username=text,
            realname=text,
            glosses=(Gloss(text, text, 0), Gloss(text, text, 2)),
        )
        for number, text in enumerate(HOSTILE.values(), 1)
    ]
    reverse = tuple(Reverse(text, text, text, place) for place, text in enumerate(HOSTILE.values()))
    return Book("en", HOSTILE["specials"], "2026-11-20", tuple(entries), reverse)


def text_of(pdf: Path, first: int = 1, last: int = 0, *options: str) -> str:
    """Return the text of a PDF's pages by pdftotext, or skip the test with the reason."""
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext is not installed (poppler-utils)")
    pages = ["-f", str(first), *(["-l", str(last)] if last else [])]
    done = subprocess.run(
        ["pdftotext", *options, *pages, pdf, "-"], capture_output=True, check=True
    )
    return done.stdout.decode()
