"""Words of Lojban in mails lead to what they mean; words of other languages that are spelt so do not."""

from __future__ import annotations

import re
from html import unescape

import pytest
from flask.testing import FlaskClient
from lxml import html

from mrilu.web.pages import glosses as module
from mrilu.web.pages.glosses import Glosses, glossed, words_linked
from tests.web.conftest import Import, Sync, entry, forget

WORDS = (
    "mi do le lo la nu cu ba na ti so to be a i co de me no se since curve sample klama zarci prami nelci tavla "
    "lojbo bangu .i .ui .au a'o mi'e nai jbobau tsunami"
).split()
GLOSSES = Glosses({word: f"meaning of {word}" for word in WORDS})


def linked(text: str) -> str:
    """Return the words that have links in a text."""
    found = re.findall(r'class="gloss"[^>]*>([^<]*)</a>', glossed(text, GLOSSES))
    return unescape(" ".join(found))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("mi klama le zarci", "mi klama le zarci"),
        (".i mi klama", "i mi klama"),
        (".i.ui mi klama", "i ui mi klama"),
        ("i mi'e klama .ui", "i mi'e klama ui"),
        ('He said "mi klama le zarci" to me', "mi klama le zarci"),
        ("The word {klama} is nice", "klama"),
        ("mi prami la .alis. do", "mi prami la do"),
        ("mi nelci lenu do klama", "mi nelci do klama"),
        ("mi tavla do fo lo brandu'o", "mi tavla do"),
        ("a’o do klama", "a’o do klama"),
        ("klama", ""),
    ],
)
def test_lojban_is_linked(text: str, words: str) -> None:
    assert linked(text) == words


@pytest.mark.parametrize(
    "text",
    [
        "so do I",
        "to do so",
        "since me",
        "How do I get rid of the headers in my sample data so that",
        "a sample code so be it",
        "a to be sample",
        "de la liste",
        "There's going to be a tsunami!",
        "no, see klama@zarci.example or do do",
        "x <- c(klama, zarci)",
        "klama(do) le$zarci /mi/klama/le",
        "do, le, la",
        "Klama Zarci Prami",
        "in a class, pl..i..a..se.)",
    ],
)
def test_other_languages_are_not_linked(text: str) -> None:
    assert linked(text) == ""


def test_text_stays_what_it_was_and_nothing_of_it_is_markup() -> None:
    text = "<b>mi klama</b> le zarci & \"x\"\n\n  'mi klama le zarci'  \n"
    made = glossed(text, Glosses({word: '"><script>' for word in WORDS}))
    found = html.fragment_fromstring(f"<div>{made}</div>")
    assert found.text_content() == text and {one.tag for one in found} == {"a"}
    assert {one.get("title") for one in found} == {'"><script>'}


def test_links_and_the_list_of_words_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_LINKS", 5)
    monkeypatch.setattr(module, "MOST_LISTED", 2)
    made = glossed("mi klama le zarci\n" * 10, GLOSSES)
    assert made.count("<a ") == 5
    assert words_linked([made]) == [("mi", "meaning of mi"), ("klama", "meaning of klama")]


def test_the_version_changes_with_a_meaning_alone() -> None:
    one, other = Glosses({"a": "b", "c": "d"}), Glosses({"c": "d", "a": "b"})
    assert one.version == other.version != Glosses({"a": "b", "c": "e"}).version


def test_a_mail_links_its_words_and_lists_them(
    sync: Sync, take_in: Import, pages: FlaskClient
) -> None:
    words = {"klama": "$x_1$ comes", "zarci": "shop", "mi": "I", "le": "the"}
    sync(*(entry(word, number, text) for number, (word, text) in enumerate(words.items())))
    body = "mi klama le zarci\n\nhttps://a.example/mi/klama\n> mi klama mi\n"
    found = take_in("one@x", body=body)
    text = pages.get(f"/m/{found}/").text
    assert '<a lang="jbo" class="gloss" href="/w/klama" title="x₁ comes">klama</a>' in text
    assert "4 Lojban words" in text and text.count('href="https://a.example/mi/klama"') == 1
    listed = html.fromstring(text).xpath('//details[@class="words"]//dt/text()')
    assert listed == ["mi", "klama", "le", "zarci"]
    assert 'href="/w/klama"' in pages.get(f"/t/{found}/").text


@pytest.mark.parametrize("place", ["/m/{}/", "/t/{}/"])
def test_a_mail_is_sent_again_when_a_meaning_changed(
    place: str, sync: Sync, take_in: Import, pages: FlaskClient
) -> None:
    sync(entry("klama", 1, "comes"), entry("mi", 3, "I"))
    found = place.format(take_in("one@x", body="mi klama\n"))
    etag = pages.get(found).headers["ETag"]
    assert pages.get(found, headers={"If-None-Match": etag}).status_code == 304
    sync(entry("klama", 1, "goes"), entry("mi", 3, "I"))
    pages.application.extensions["glosses"]._answers.clear()
    answer = pages.get(found, headers={"If-None-Match": etag})
    assert answer.status_code == 200 and 'title="goes"' in answer.text
    forget(pages)
    sync(entry("klama", 1, "goes", score=9.0), entry("mi", 3, "I"))
    pages.application.extensions["glosses"]._answers.clear()
    etag = answer.headers["ETag"]
    assert pages.get(found, headers={"If-None-Match": etag}).status_code == 304


@pytest.mark.parametrize("place", ["/m/{}/", "/t/{}/"])
def test_a_meaning_changes_the_pages_that_link_the_word_and_no_others(
    place: str, sync: Sync, take_in: Import, pages: FlaskClient
) -> None:
    known = {"klama": "comes", "mi": "I", "do": "you", "zarci": "shop"}
    bodies = ("mi klama\n", "do you come to the zarci I know\n", "mi zarci do\n", "mi nelci do\n")
    places = [
        place.format(take_in(f"{number}@x", subject=str(number), body=body))
        for number, body in enumerate(bodies)
    ]

    def changed(**more: str) -> str:
        """Sync the dictionary; return the pages whose ETag is another now."""
        before = [pages.get(one).headers["ETag"] for one in places]
        known.update(more)
        sync(*(entry(word, number, text) for number, (word, text) in enumerate(known.items())))
        pages.application.extensions["glosses"]._answers.clear()
        now = [
            (number, pages.get(one, headers={"If-None-Match": tag}), tag)
            for number, (one, tag) in enumerate(zip(places, before, strict=True))
        ]
        assert all((one.status_code == 304) == (one.headers["ETag"] == tag) for _, one, tag in now)
        return "".join(str(number) for number, one, _ in now if one.status_code == 200)

    assert changed() == "02"
    assert changed() == ""
    assert changed(klama="goes") == "0"
    assert changed(do="thou") == "2"
    assert changed(gerku="dog") == ""
    assert changed(nelci="likes") == "3"
    assert changed(do="you") == "23"
