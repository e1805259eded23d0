"""StarDict and EPUB, as their readers find them."""

from __future__ import annotations

import struct
import xml.etree.ElementTree as ElementTree
import zipfile

import pytest

from mrilu.exports import to_glossary
from mrilu.exports.build import check_installed
from mrilu.exports.fonts import NotInstalled
from tests.exports.books import book, entry, hostile_book


@pytest.fixture(autouse=True)
def _installed() -> None:
    try:
        check_installed("epub")
    except NotInstalled as error:
        pytest.skip(str(error))


def articles(path) -> dict[str, str]:
    """Read a StarDict dictionary by its format's description."""
    with zipfile.ZipFile(path) as archive:
        files = {name.rpartition(".")[2]: archive.read(name) for name in archive.namelist()}
    assert b"StarDict's dict ifo file" in files["ifo"]
    found, index = {}, files["idx"]
    while index:
        word, _, rest = index.partition(b"\0")
        start, size = struct.unpack(">II", rest[:8])
        found[word.decode()] = files["dict"][start : start + size].decode()
        index = rest[8:]
    return found


def test_stardict_holds_every_word(tmp_path):
    to_glossary.write_stardict(
        book(entry(), entry("gerku", 2, "$x_1$ is a <dog> & friend")), tmp_path / "x"
    )
    found = articles(tmp_path / "x")
    assert found.keys() == {"mlatu", "gerku"}
    assert "<i>x</i><sub>1</sub> is a &lt;dog&gt; &amp; friend" in found["gerku"]


def test_hostile_texts_stay_text(tmp_path):
    to_glossary.write_stardict(hostile_book(), tmp_path / "x")
    found = articles(tmp_path / "x")
    assert len(found) == len(hostile_book().entries)
    assert not any("<script" in article for article in found.values())


def test_epub_is_well_formed(tmp_path):
    to_glossary.write_epub(hostile_book(), tmp_path / "x")
    with zipfile.ZipFile(tmp_path / "x") as archive:
        assert archive.infolist()[0].filename == "mimetype"
        assert archive.infolist()[0].compress_type == zipfile.ZIP_STORED
        assert archive.read("mimetype") == b"application/epub+zip"
        pages = [name for name in archive.namelist() if name.endswith((".xhtml", ".opf", ".ncx"))]
        for name in pages:
            ElementTree.fromstring(archive.read(name))
    assert pages
