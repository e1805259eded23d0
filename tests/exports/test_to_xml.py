"""The XML is jbovlaste's: its readers read back all that was written."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import pytest

from mrilu.dictionary.entries import Reverse
from mrilu.dictionary.jbovlaste_xml import read_export
from mrilu.dictionary.markup import clean
from mrilu.exports import to_xml
from mrilu.exports.book import Book, EntryFailed
from tests.conftest import unpacked
from tests.exports.books import book, entry, hostile_book


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpacked("dictionary", tmp_path_factory.mktemp("dictionary"))


def written(one: Book, folder: Path) -> Path:
    to_xml.write(one, folder / "x.xml")
    return folder / "x.xml"


@pytest.mark.parametrize("tag", ["de", "en", "en-simple", "ja", "jbo"])
def test_the_real_dictionaries_come_back_as_they_went(corpus, tag, tmp_path):
    with (corpus / f"jbo-{tag}.xml").open("rb") as file:
        real = read_export(file)
    path = written(
        Book(tag, real.language, "2026-11-20", tuple(real.entries), tuple(real.reverse)), tmp_path
    )
    with path.open("rb") as file:
        back = read_export(file)
    assert (back.language, back.entries, back.reverse) == (
        real.language,
        real.entries,
        real.reverse,
    )
    assert not back.skipped


def test_a_plain_parser_finds_every_hostile_text(tmp_path):
    one = hostile_book()
    root = ElementTree.parse(written(one, tmp_path)).getroot()
    first, second = root
    assert (
        (first.get("from"), first.get("to"))
        == ("lojban", one.name)
        == (second.get("to"), second.get("from"))
    )
    for element, known in zip(first, one.entries, strict=True):
        # XML has "\n" alone for the end of a line; lxml writes a carriage return as a reference, so that it stays.
        assert element.findtext("definition") == clean(known.definition)
        assert element.get("word") == clean(known.word)
        assert element.find("keyword").get("sense") == clean(known.glosses[1].sense)
    assert [element.get("word") for element in second] == [clean(one.text) for one in one.reverse]


def test_it_has_the_elements_of_jbovlaste(tmp_path):
    one = book(
        entry(unofficial=True, selmaho="UI"), reverse=(Reverse("cat", "animal", "mlatu", 1),)
    )
    lines = written(one, tmp_path).read_text().splitlines()
    assert lines[0] == "<?xml version='1.0' encoding='utf-8'?>"
    root = ElementTree.parse(tmp_path / "x.xml").getroot()
    assert list(tags(root)) == [
        "dictionary",
        "direction",
        "valsi",
        "rafsi",
        "selmaho",
        "user",
        "username",
        "realname",
        "definition",
        "definitionid",
        "notes",
        "score",
        "glossword",
        "keyword",
        "direction",
        "nlword",
    ]
    assert root[1][0].attrib == {"word": "cat", "sense": "animal", "valsi": "mlatu", "place": "1"}
    assert root[0][0].attrib == {"unofficial": "true", "word": "mlatu", "type": "gismu"}


def tags(element: ElementTree.Element) -> Iterator[str]:
    return (one.tag for one in element.iter())


def test_an_error_names_the_entry(tmp_path):
    with pytest.raises(EntryFailed, match=r"entry 'broda' \(definitionid 7\): .*NoneType"):
        written(book(entry(), entry("broda", 7, rafsi=None)), tmp_path)
