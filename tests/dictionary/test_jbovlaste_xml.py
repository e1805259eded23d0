"""The reader of jbovlaste's XML exports."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrilu.dictionary.entries import MADE_ID, Entry, Export, ExportUnreadable, Gloss, Reverse
from mrilu.dictionary.jbovlaste_xml import read_export
from tests.downloads.sources import export, valsi


def read(data: bytes) -> Export:
    return read_export(io.BytesIO(data))


def test_an_entry_has_all_its_fields() -> None:
    more = (
        "<selmaho>UI1</selmaho><score>2.5</score>"
        '<glossword word="cat" sense="animal" /><keyword word="species" place="2" sense="of cat" />'
    )
    entry = valsi(
        "mla'u",
        7,
        notes="See {mlatu}.",
        rafsi=("lat", "la'u"),
        attributes='unofficial="true"',
        more=more,
    )
    [found] = read(export(entry)).entries
    assert found == Entry(
        word="mla'u",
        type="gismu",
        unofficial=True,
        rafsi=("lat", "la'u"),
        selmaho="UI1",
        username="mirli",
        realname="Mirli Alis",
        definition="$x_1$ is a cat.",
        source_id=7,
        notes="See {mlatu}.",
        score=2.5,
        glosses=(Gloss("cat", "animal", 0), Gloss("species", "of cat", 2)),
    )


def test_the_other_direction_is_read_even_when_both_are_lojban() -> None:
    reverse = '<nlword word="mlatu" sense="danlu" valsi="mla\'u" place="2" />'
    found = read(export(valsi(), reverse=reverse, name="lojban"))
    assert found.language == "lojban"
    assert found.reverse == [Reverse("mlatu", "danlu", "mla'u", 2)]
    assert len(found.entries) == 1


def test_every_change_of_an_entry_changes_its_hash() -> None:
    texts = [
        valsi(),
        valsi(notes="n"),
        valsi(rafsi=("lat",)),
        valsi(type="lujvo"),
        valsi(attributes='unofficial="true"'),
        valsi(more="<score>1</score>"),
        valsi(more='<glossword word="cat" />'),
        valsi(more='<keyword word="cat" place="1" />'),
    ]
    assert len({read(export(text)).entries[0].content_hash() for text in texts}) == len(texts)
    assert (
        read(export(valsi())).entries[0].content_hash()
        == read(export(valsi())).entries[0].content_hash()
    )


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (valsi(number=None), "definitionid"),
        (valsi(number="x1"), "definitionid"),
        (valsi(number=2**63), "definitionid"),
        (valsi(word=" "), "no word"),
        (valsi(definition=" "), "no definition"),
    ],
)
def test_an_entry_that_cannot_be_used_is_skipped_with_the_reason(entry: str, reason: str) -> None:
    found = read(export(entry, valsi("gerku", 2)))
    assert [one.word for one in found.entries] == ["gerku"]
    assert reason in found.skipped[0].reason


def test_a_definitionid_that_comes_twice_counts_once() -> None:
    found = read(export(valsi("mlatu", 1), valsi("gerku", 1)))
    assert [one.word for one in found.entries] == ["mlatu"] and len(found.skipped) == 1


@pytest.mark.parametrize("score", ["", "many", "nan", "inf"])
def test_a_score_that_is_no_number_is_none(score: str) -> None:
    assert read(export(valsi(more=f"<score>{score}</score>"))).entries[0].score is None


ENTITIES = '<!DOCTYPE dictionary [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not XML at all",
        b"<html><body>404</body></html>",
        export(valsi())[:-40],
        export(head=ENTITIES) + b"&b;",
        export(valsi(), head='<!DOCTYPE dictionary SYSTEM "http://127.0.0.1:1/a.dtd">'),
        export(valsi(), head='<!DOCTYPE dictionary [<!ENTITY x SYSTEM "file:///etc/passwd">]>'),
        export(),
        b'<?xml version="1.0" encoding="x-unknown"?><dictionary/>',
        export(valsi(definition="caf\u00e9")).replace("\u00e9".encode(), b"\xe9"),
        b"<dictionary><direction/></dictionary>",
    ],
)
def test_what_is_no_export_is_refused(data: bytes) -> None:
    with pytest.raises(ExportUnreadable):
        read(data)


def test_character_references_and_nested_markup_lose_no_text() -> None:
    entry = valsi(more="").replace("$x_1$ is a cat.", "a&apos;a &#233; <i>in</i> &lt;b&gt;")
    assert read(export(entry)).entries[0].definition == "a'a é in <b>"


def test_deep_nesting_does_no_harm() -> None:
    nested = valsi().replace("$x_1$", "<a>" * 100_000 + "deep" + "</a>" * 100_000)
    assert read(export(nested)).entries[0].definition == "deep is a cat."


@given(st.binary(max_size=300), st.integers(0, 400))
def test_no_bytes_raise_anything_else(junk: bytes, place: int) -> None:
    good = export(valsi())
    for data in (junk, good[:place] + junk + good[place:], good[:place] + junk):
        try:
            entries = read(data).entries
        except ExportUnreadable:
            continue
        assert all("\0" not in entry.definition for entry in entries)


def test_what_few_entries_have_is_read_and_counts_only_where_it_is() -> None:
    more = "<jargon>maths</jargon><etymology>from x</etymology><example>a</example><example>b</example><tag>t</tag>"
    [plain], [rare] = read(export(valsi())).entries, read(export(valsi(more=more))).entries
    assert (rare.jargon, rare.etymology, rare.examples, rare.tags) == (
        "maths",
        "from x",
        ("a", "b"),
        ("t",),
    )
    assert rare.content_hash() != plain.content_hash()
    assert "jargon" not in plain.content() and rare.content()["tags"] == ("t",)
    # What databases hold for entries that were read before these fields were.
    assert str(plain.content_hash()) == BEFORE


BEFORE = "9b4d23dd-d2d6-0cd7-4245-15b39c96468a"


def test_further_definitions_of_one_valsi_are_entries() -> None:
    more = "<definition>second</definition><definition>third</definition><definitionid>9</definitionid>"
    found = read(export(valsi(more=more)))
    assert [(one.definition, one.source_id) for one in found.entries[:2]] == [
        ("$x_1$ is a cat.", 1),
        ("second", 9),
    ]
    assert found.entries[2].definition == "third" and found.entries[2].source_id >= MADE_ID


def test_what_cannot_be_kept_is_named_with_its_place() -> None:
    more = (
        '<video>v</video><selmaho>A</selmaho><selmaho>B</selmaho><score>many</score><keyword word="x" place="y"/>'
        '<glossword word="g" lang="en"/><glossword word=""/>'
    )
    reverse = '<nlword word="a" valsi="mlatu"/>' * 2 + '<nlword word="b" valsi="mlatu" rank="1"/>'
    found = read(export(valsi(attributes='id="4"', more=more), reverse=reverse))
    assert [f"{one.word}: {one.reason}" for one in found.lost] == [
        'mlatu (definitionid 1): id="4" of <valsi> is not kept',
        "mlatu (definitionid 1): <video> is not kept: 'v'",
        "mlatu (definitionid 1): a second <selmaho> is not kept: 'B'",
        "mlatu (definitionid 1): its score is not a number: 'many'",
        'mlatu (definitionid 1): place="y" of <keyword> is no place',
        'mlatu (definitionid 1): lang="en" of <glossword> is not kept',
        "mlatu (definitionid 1): <glossword> without a word is not kept",
        "a: the same nlword for 'mlatu' comes twice",
        'b: rank="1" of <nlword> is not kept',
    ]
    assert len(found.reverse) == 2
