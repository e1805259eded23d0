"""The EPUB as epubcheck and readers find it."""

from __future__ import annotations

import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
import zipfile
from pathlib import Path

import pytest

from mrilu.dictionary.entries import Reverse
from mrilu.exports import to_epub
from mrilu.exports.book import Book, ordered_book
from tests.exports.books import book, entry, hostile_book


def check(path: Path) -> None:
    """Let epubcheck judge the book; Debian's program is a jar."""
    program, java = shutil.which("epubcheck"), shutil.which("java")
    if program is None or java is None:
        pytest.skip("epubcheck is not installed")
    jar = Path(program).read_bytes()[:2] == b"PK"
    command = [java, "-jar", program] if jar else [program]
    done = subprocess.run([*command, str(path)], capture_output=True, text=True)
    assert "0 fatals / 0 errors / 0 warnings" in done.stdout, (done.stdout + done.stderr)[-3000:]


def written(one: Book, folder: Path) -> dict[str, str]:
    to_epub.write(one, folder / "x.epub")
    with zipfile.ZipFile(folder / "x.epub") as archive:
        assert archive.infolist()[0].filename == "mimetype"
        assert archive.infolist()[0].compress_type == zipfile.ZIP_STORED
        assert archive.read("mimetype") == b"application/epub+zip"
        return {name: archive.read(name).decode() for name in archive.namelist()}


REVERSE = (Reverse("cat", "animal", "mlatu", 1), Reverse("0", "", "gerku", 0))


@pytest.mark.parametrize(
    "one",
    [book(), book(entry("mlatu", 1), entry("gerku", 2), reverse=REVERSE), hostile_book()],
    ids=["one entry", "both directions", "hostile"],
)
def test_epubcheck_finds_nothing(one, tmp_path):
    for name, text in written(one, tmp_path).items():
        if name.endswith((".xhtml", ".opf", ".ncx", ".xml")):
            ElementTree.fromstring(text)
    check(tmp_path / "x.epub")


def test_hostile_texts_stay_text(tmp_path):
    chapters = "".join(
        text for name, text in written(hostile_book(), tmp_path).items() if "/c0" in name
    )
    assert "<script" not in chapters and "&lt;script&gt;" in chapters


@pytest.mark.parametrize(
    ("tag", "languages"), [("en-simple", ["jbo", "en"]), ("jbo", ["jbo"]), ("x1", ["jbo", "und"])]
)
def test_the_languages_are_named_by_their_tags(tag, languages, tmp_path):
    package = written(book(tag=tag), tmp_path)["EPUB/package.opf"]
    assert re.findall("<dc:language>(.*?)</dc:language>", package) == languages


def test_references_lead_to_their_entries_in_whichever_chapter(tmp_path):
    one = book(entry("mlatu", 1, notes="{gerku} {nosuch}"), entry("gerku", 2), reverse=REVERSE)
    files = written(one, tmp_path)
    assert '<a href="c001.xhtml#e0">gerku</a> <b>nosuch</b>' in files["EPUB/c002.xhtml"]
    assert '<p id="e0"><dfn xml:lang="jbo" lang="jbo">gerku</dfn>' in files["EPUB/c001.xhtml"]
    assert '<a href="c002.xhtml#e1">mlatu</a>' in files["EPUB/c003.xhtml"]


def test_a_letter_that_is_too_long_has_several_chapters(tmp_path):
    entries = [entry(f"a{n:03}", n, "{mlatu} word " * 1500) for n in range(60)]
    files = written(ordered_book("en", "English", "2026-11-20", entries, ()), tmp_path)
    chapters = {name: text for name, text in files.items() if "/c0" in name}
    assert len(chapters) > 3
    assert max(len(text.encode()) for text in chapters.values()) < 250_000
    assert sum(text.count("<p id=") for text in chapters.values()) == 60
    assert "A: a000 – " in files["EPUB/nav.xhtml"]


def test_no_headword_has_invisible_characters(tmp_path):
    word = "jbojevysofkemsuzgugje'ake'eborkemfaipaltrusi'oke'ekemgubyseltru"
    files = written(book(entry(word)), tmp_path)
    assert word.replace("'", "&#x27;") in files["EPUB/c001.xhtml"]
    assert not re.search("[\u200b\u00ad]", "".join(files.values()))
