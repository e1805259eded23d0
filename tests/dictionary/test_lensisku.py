"""Exports of lensisku, and JSON that we exported ourselves."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from mrilu.dictionary.entries import MADE_ID, Entry, Export, ExportUnreadable, Gloss, Reverse
from mrilu.dictionary.jbovlaste_xml import read_export
from mrilu.exports import to_json
from tests.exports.books import book, entry

ENTRY: dict[str, Any] = {
    "word": "klama", "word_type": "gismu", "rafsi": "kla kle", "selmaho": None, "definition": "$x_1$ comes",
    "definition_id": 7, "notes": "n", "etymology": "e", "jargon": "j", "score": 2.5,
    "gloss_keywords": [{"word": "come", "meaning": "move"}],
    "place_keywords": [{"word": "comer", "meaning": None}, {"word": "goal"}],
    "user": {"username": "mirli", "realname": "Mirli Alis"},
}  # fmt: skip


def read(whole: object) -> Export:
    return read_export(io.BytesIO(json.dumps(whole).encode()))


def lensisku_xml(*entries: str) -> Export:
    head = "<metadata><language>français</language></metadata>"
    whole = f"<dictionary>{head}<entries>{''.join(entries)}</entries></dictionary>"
    return read_export(io.BytesIO(whole.encode()))


def test_json_has_all_its_fields():
    [found] = read([ENTRY]).entries
    assert found == Entry(
        word="klama",
        type="gismu",
        unofficial=False,
        rafsi=("kla", "kle"),
        selmaho="",
        username="mirli",
        realname="Mirli Alis",
        definition="$x_1$ comes",
        source_id=7,
        notes="n",
        score=2.5,
        glosses=(Gloss("come", "move", 0), Gloss("comer", "", 1), Gloss("goal", "", 2)),
        jargon="j",
        etymology="e",
    )


def test_xml_has_its_language_and_makes_lasting_numbers():
    texts = [
        "<entry><word>klama</word><type>gismu</type><rafsi>kla</rafsi><definition>un</definition><score>2</score>"
        "<jargon>j</jargon><gloss_keywords><keyword><word>aller</word><meaning>m</meaning></keyword></gloss_keywords>"
        "<place_keywords><keyword><word>but</word></keyword></place_keywords></entry>",
        "<entry><word>klama</word><type>gismu</type><definition>deux</definition></entry>",
    ]
    found = lensisku_xml(*texts)
    assert (found.language, found.skipped, found.lost) == ("français", [], [])
    one, two = found.entries
    assert one.glosses == (Gloss("aller", "m", 0), Gloss("but", "", 1))
    assert (one.rafsi, one.score, one.jargon) == (("kla",), 2.0, "j")
    assert one.source_id != two.source_id and min(one.source_id, two.source_id) >= MADE_ID
    edited = lensisku_xml(*(text.replace("un<", "nouveau<") for text in texts))
    assert [one.source_id for one in edited.entries] == [one.source_id for one in found.entries]


def test_our_own_json_comes_back(tmp_path):
    one = book(
        entry(),
        entry("gerku", 2, jargon="j", etymology="e", examples=("a", "b"), tags=("t",)),
        reverse=(Reverse("cat", "animal", "mlatu", 1),),
    )
    to_json.write(one, tmp_path / "x")
    found = read_export(io.BytesIO((tmp_path / "x").read_bytes()))
    assert (found.language, found.lost, found.skipped) == ("English", [], [])
    assert (tuple(found.entries), tuple(found.reverse)) == (one.entries, one.reverse)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"word": " "}, "no word"),
        ({"definition": None}, "no definition"),
        ({"definition_id": "x"}, "definitionid"),
        ({"definition_id": 2**63}, "definitionid"),
        ({"definition_id": -1}, "definitionid"),
        ({"notes": ["a"]}, "a text is expected"),
        ({"user": "mirli"}, "its user"),
        ({"gloss_keywords": ["come"]}, "get"),
        ({"word": ["a"]}, "a text is expected"),
        ({"word": "kla\0ma"}, "U+0000"),
        ({"notes": "a\ud800b"}, "U+D800"),
        ({"gloss_keywords": [{"word": "\0"}]}, "U+0000"),
        ({"word": "a" * 501}, "more than 500"),
    ],
)
def test_an_entry_that_cannot_be_used_is_skipped_with_the_reason(change, reason):
    found = read([ENTRY | change, ENTRY | {"word": "gerku", "definition_id": 8}, 3])
    assert [one.word for one in found.entries] == ["gerku"]
    assert reason in found.skipped[0].reason
    assert len(found.skipped) == 2


def test_a_reverse_entry_that_cannot_be_used_is_skipped_and_the_others_are_kept():
    rows = [{"text": {"a": 1}, "valsi": "klama"}, {"text": "\ud800", "valsi": "klama"}, 3]
    good = {"text": "goer", "valsi": "klama"}
    found = read({"entries": [ENTRY], "language": "\0En\ud800glish", "reverse": [*rows, good]})
    assert found.reverse == [Reverse("goer", "", "klama", 0)]
    assert len(found.skipped) == 3 and found.language == "English"


def test_what_has_no_place_is_said_to_be_lost():
    keywords = [{"word": "come", "lang": "en"}]
    found = read([ENTRY | {"collection_note": "c", "sound": "", "gloss_keywords": keywords}])
    assert [one.reason for one in found.lost] == [
        "'collection_note' is not kept: 'c'",
        "'lang' of a keyword is not kept: 'en'",
    ]


@pytest.mark.parametrize("whole", [[], {}, {"entries": 3}, {"metadata": []}, {"entries": []}])
def test_json_without_entries_is_refused(whole):
    with pytest.raises(ExportUnreadable):
        read(whole)


def test_deep_or_broken_json_is_refused():
    for text in (b"[" * 100_000, b"[{", b'{"entries": [\xff]}', b"[" + b"9" * 5000 + b"]"):
        with pytest.raises(ExportUnreadable):
            read_export(io.BytesIO(text))
