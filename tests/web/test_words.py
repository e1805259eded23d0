"""Words as strangers read them: definitions, versions, what uses them, the index, unknown words taken apart."""

from __future__ import annotations

import json
import re

import pytest
from flask.testing import FlaskClient
from lxml import etree, html
from peewee import PostgresqlDatabase

from models import EmbeddingModel
from mrilu.dictionary.entries import Gloss
from mrilu.mail.permalinks import hash_of
from mrilu.web.queries import word_index, word_uses
from tests.web.conftest import Ask, Import, Sync, entry, forget, hide


def links(text: str, within: str) -> list[str]:
    return [one.get("href") for one in html.fromstring(text).xpath(f"{within}//a")]


KLAMA = entry(
    "klama", 11, "$x_1$ comes to $x_2$, see {cadzu} {nothing}", rafsi=("kla",), glosses=(Gloss("come", "", 0),)
)  # fmt: skip


def test_a_definition_has_its_address_badges_rafsi_score_and_links(
    sync: Sync, pages: FlaskClient
) -> None:
    old = entry("klama", 12, "goes", type="obsolete gismu", rafsi=("kl", "kla"), score=-3.0)
    sync(KLAMA, old, entry("cadzu", 13, "walks"))
    text = pages.get("/w/klama").text
    page = html.fromstring(text)
    assert [one.get("id") for one in page.xpath("//article")] == ["d11", "d12"]
    assert "/w/cadzu" in links(text, '//*[@id="d11"]') and "/w/nothing" not in text
    assert "x₁ comes to x₂" in page.text_content() and "+5" in text and "-3" in text
    badges = [one.text for one in page.xpath('//span[@class="badge"]')]
    assert badges == ["-kla-", "-kl-", "gismu", "obsolete gismu"]


def test_the_readers_language_comes_first_and_one_can_be_shown_alone(
    sync: Sync, pages: FlaskClient
) -> None:
    sync(KLAMA)
    sync(entry("klama", 21, "kommt"), tag="de", name="Deutsch")
    sync(entry("klama", 31, "vient"), tag="fr", name="français")

    def shown(query: str = "", accept: str = "") -> list[str]:
        answer = pages.get(f"/w/klama{query}", headers={"Accept-Language": accept})
        assert "Accept-Language" in answer.vary
        return re.findall(r'id="(d\d+)"', answer.text)

    assert shown() == ["d11", "d21", "d31"]
    assert shown(accept="fr-CA,de;q=0.5") == ["d31", "d21", "d11"]
    assert shown("?lang=de") == ["d21"] and shown("?lang=xx") == ["d11", "d21", "d31"]


def test_versions_show_what_changed(sync: Sync, pages: FlaskClient) -> None:
    sync(entry("klama", 11, "it comes slowly", notes="<b>bold</b>"))
    sync(entry("klama", 11, "it goes slowly", rafsi=("kla",), notes="<b>bold</b>"))
    page = pages.get("/w/klama/history").text
    found = html.fromstring(page)
    edited, added = found.xpath("//article")
    assert [one.text for one in edited.xpath(".//del")] == ["comes"]
    assert [one.text for one in edited.xpath(".//ins")] == ["goes", "kla"]
    assert not added.xpath(".//del|.//ins") and "it comes slowly" in added.text_content()
    assert "<b>" not in page and "2024-05-03" in edited.text_content()
    sync()
    assert pages.get("/w/klama").status_code == 404
    assert "/w/klama/history" in pages.get("/w/klama").text
    assert "gone" in pages.get("/w/klama/history").text
    assert pages.get("/w/cadzu/history").status_code == 404


def test_versions_come_in_pages(
    sync: Sync, pages: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mrilu.web.queries.words.MOST_VERSIONS", 2)
    for number in range(5):
        sync(entry("klama", 11, f"text {number}"))
    seen, place = [], "/w/klama/history"
    while place:
        text = pages.get(place).text
        seen += re.findall(r"version (\d)", text)
        further = re.search(r'rel="next" href="(\?before=\d+)"', text)
        place = f"/w/klama/history{further[1]}" if further else ""
    assert seen == ["5", "4", "3", "2", "1"]


def test_sentences_have_exactly_the_word_and_the_best_come_first(
    sync: Sync, pages: FlaskClient, database: PostgresqlDatabase
) -> None:
    sync(entry("do", 1, "you", type="cmavo"), entry("a'o", 2, "hope", type="cmavo"))
    for lojban, rating in (
        ("mi klama do", "👎"), ("do klama", "👍"), ("do tavla do", "👍👍"), ("doi .djan.", "👍👍👍"),
        (".a'o.i mi cliva", ""),
    ):  # fmt: skip
        database.execute_sql(
            "INSERT INTO sentence (pair_hash, lojban, english, rating, added_at, changed_at) "
            "VALUES (gen_random_uuid(), %s, 'English', %s, now(), now())",
            (lojban, rating),
        )
    shown = html.fromstring(pages.get("/w/do").text).xpath('//li/span[@lang="jbo"]/text()')
    assert shown == ["do tavla do", "do klama", "mi klama do"]
    assert ".a&#39;o.i mi cliva" in pages.get("/w/a'o").text


def test_mails_that_use_a_word_are_counted_by_year_the_first_is_named(
    sync: Sync, take_in: Import, pages: FlaskClient
) -> None:
    sync(entry("nelci", 1, "likes"))
    take_in("new@x", subject="newest", body="do NELCI ti\n", date="Mon, 06 Jan 2025 09:12:44 +0000")
    take_in("old@x", subject="oldest", body="mi nelci ta\n", date="Mon, 06 Jan 2003 09:12:44 +0000")
    take_in("not@x", subject="stem alone", body="nelcis and xnelci\n")
    take_in("key@x", subject="hidden one", body="nelci\n", date="Mon, 06 Jan 2002 09:12:44 +0000")
    hide(hash_of("key@x"))
    page = pages.get("/w/nelci").text
    assert "2 mails: 2003 1, 2025 1" in page and "<title>2003: 1</title>" in page
    assert re.search(r"First used in .*oldest", page) and "stem alone" not in page
    assert "hidden one" not in page


def test_what_is_withheld_is_named_no_more_at_once(
    sync: Sync, take_in: Import, pages: FlaskClient
) -> None:
    sync(entry("nelci", 1, "likes"))
    found = take_in("one@x", subject="a subject", body="mi nelci ta\n")
    assert "a subject" in pages.get("/w/nelci").text
    hide(found)
    assert "a subject" not in pages.get("/w/nelci").text
    forget(pages)
    assert "No mail here uses it" in pages.get("/w/nelci").text


def test_mail_of_a_private_list_counts_for_no_stranger(
    sync: Sync, take_in: Import, open_pages: Ask
) -> None:
    sync(entry("nelci", 1, "likes"))
    take_in("one@x", subject="a subject", body="mi nelci ta\n")
    page = open_pages(private_lists=("tea.example.org",)).get("/w/nelci").text
    assert "No mail here uses it" in page and "a subject" not in page


def test_a_word_of_too_many_mails_is_not_counted(
    sync: Sync, take_in: Import, pages: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync(entry("nelci", 1, "likes"), entry("the", 2, "a common word"))
    for number in range(3):
        take_in(f"{number}@x", body="nelci the\n")
    assert "Too many mails have this word" in pages.get("/w/the").text
    monkeypatch.setattr(word_uses, "MOST", 2)
    assert "Too many mails have this word" in pages.get("/w/nelci").text


def test_a_word_whose_mails_take_too_long_has_a_page_all_the_same(
    sync: Sync, take_in: Import, pages: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync(entry("nelci", 1, "likes"))
    take_in("one@x", body="mi nelci ta\n")
    monkeypatch.setattr(word_uses, "SECONDS", 0.0)
    answer = pages.get("/w/nelci")
    assert answer.status_code == 200 and "took too long to count" in answer.text


@pytest.mark.parametrize("word", ["a'o", "x.y", "a\\b", "(", "é", "$", "a*"])
def test_any_word_is_found_as_it_is_written(word: str, database: PostgresqlDatabase) -> None:
    def holds(text: str) -> bool:
        sql = "SELECT %s ~* %s"
        return bool(database.execute_sql(sql, (text, word_uses.pattern_of(word))).fetchone()[0])

    assert holds(f"so {word} it") and holds(word.upper()) and not holds(f"x{word}x")
    assert word != "a'o" or (holds("a’o") and holds("aho"))


def test_words_that_refer_to_a_word_are_listed(sync: Sync, pages: FlaskClient) -> None:
    sync(
        KLAMA,
        entry("cadzu", 13, "walks"),
        entry("bajra", 14, "runs", notes="Cf. {cadzu}, {lo klama}."),
        entry("plipe", 15, "cadzu without braces"),
    )
    page = pages.get("/w/cadzu").text
    assert links(page, '//h2[text()="Words that refer to it"]/following::p[1]') == [
        "/w/bajra",
        "/w/klama",
    ]
    assert "/w/bajra" in pages.get("/w/klama").text


def test_words_near_in_meaning_are_listed(
    sync: Sync, pages: FlaskClient, database: PostgresqlDatabase
) -> None:
    sync(KLAMA, entry("cadzu", 13, "walks"), entry("blanu", 14, "blue"))
    model = EmbeddingModel.create(name="m", source="s", dimensions=2, current=True)
    for number, vector in ((11, "[1,0]"), (13, "[0.9,0.1]"), (14, "[-1,0]")):
        database.execute_sql(
            "INSERT INTO embedding SELECT %s, 'definition', id, 0, gen_random_uuid(), 0, %s FROM definition "
            "WHERE source_id = %s",
            (model.id, vector, number),
        )
    page = pages.get("/w/klama").text
    found = links(page, '//h2[text()="Near in meaning"]/following::p[1]')
    assert found == ["/w/cadzu"]


def test_another_spelling_leads_to_the_word(sync: Sync, pages: FlaskClient) -> None:
    sync(entry("a'o", 2, "hope"), entry("klama", 3), entry(".ui", 4))
    assert pages.get("/w/aho").location == "/w/a%27o"
    assert pages.get("/w/ui").location == "/w/.ui"
    assert pages.get("/w/.a’o.").location == "/w/a%27o"
    assert pages.get("/w/Klama?lang=en").location == "/w/klama?lang=en"


def test_an_unknown_lujvo_is_taken_apart(sync: Sync, pages: FlaskClient) -> None:
    sync(
        entry("lojbo", 1, "is Lojbanic", rafsi=("jbo",)),
        entry("bangu", 2, "is a language", rafsi=("bau",), glosses=(Gloss("language", "", 0),)),
        entry("kerfu", 3, "hair", rafsi=("kre",)),
        entry("ju'a", 4, "I state", type="cmavo"),
        entry("nai", 5, "not", type="cmavo"),
    )
    answer = pages.get("/w/jbobau")
    page = html.fromstring(answer.text)
    assert answer.status_code == 404 and 'content="noindex"' in answer.text
    assert [one.text_content().strip() for one in page.xpath("//dt|//dd")] == [
        "jbo",
        "lojbo is Lojbanic",
        "bau",
        "bangu language",
    ]
    assert links(pages.get("/w/ju'anai").text, "//dl") == ["/w/ju%27a", "/w/nai"]


@pytest.mark.parametrize("word", ["tosmabru", "spageti", "ju'anaix", "jbobaux" * 30, "%00", "a\nb"])
def test_what_is_no_lujvo_is_not_taken_apart(word: str, sync: Sync, pages: FlaskClient) -> None:
    sync(entry("lojbo", 1, "is Lojbanic", rafsi=("jbo",)))
    answer = pages.get(f"/w/{word}")
    assert answer.status_code == 404 and "<dl" not in answer.text


def test_an_unknown_word_names_words_that_are_spelt_nearly_so(
    sync: Sync, pages: FlaskClient
) -> None:
    sync(entry("klama", 1), entry("blanu", 2))
    page = pages.get("/w/klaama").text
    assert "/w/klama" in page and "/w/blanu" not in page


def listed(text: str) -> list[str]:
    return html.fromstring(text).xpath("//dt/a/text()")  # type: ignore[no-any-return]


def test_the_index_has_each_word_once_in_pages(
    sync: Sync, pages: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["broda", "Broda", "brode", "a'o", ".au", "ba", "zo", "condi", "coi", "x_y", "é"]
    sync(*(entry(name, number) for number, name in enumerate(names)))
    monkeypatch.setattr(word_index, "A_PAGE", 2)
    seen, place = [], "/w/"
    while place:
        text = pages.get(place).text
        seen += listed(text)
        further = re.search(r'rel="next" href="([^"]+)"', text)
        place = further[1].replace("&amp;", "&") if further else ""
    assert seen == sorted(names, key=lambda one: (one.lower().strip("."), one))


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=bro*", ["broda", "brode"]),
        ("q=?roda", ["broda"]),
        ("q=coi", ["coi", "coico'o", "condicoi"]),
        ("q=aho", ["a'o"]),
        ("q=x_*", ["x_y"]),
        ("q=au", [".au", "aulrai"]),
        ("q=.a*", ["a'o", ".au", "aulrai"]),
        ("q=.&type=cmavo", ["brode"]),
        ("q=%25", []),
        ("q=brod&type=cmavo", ["brode"]),
        ("lang=de", ["zo"]),
        ("q=%5C", []),
        ("after=junk&q=zo", ["zo"]),
    ],
)
def test_the_index_finds_the_word_itself_first_then_what_begins_so(
    query: str, found: list[str], sync: Sync, pages: FlaskClient
) -> None:
    names = "broda a'o coi coico'o condicoi condi x_y xay .au aulrai".split()
    sync(
        *(entry(name, number) for number, name in enumerate(names)),
        entry("brode", 99, type="cmavo"),
    )
    sync(entry("zo", 1), tag="de", name="Deutsch")
    assert listed(pages.get(f"/w/?{query}").text) == found


def test_a_browser_can_be_taught_to_look_words_up(sync: Sync, open_pages: Ask) -> None:
    sync(KLAMA, entry("klaku", 12, "weeps"))
    pages = open_pages(site_url="https://a.example")
    told = etree.fromstring(pages.get("/opensearch.xml").data)
    places = [one.get("template") for one in told.iter("{*}Url")]
    assert places[0] == "https://a.example/w/?q={searchTerms}"
    answer = json.loads(pages.get(places[1].split("example")[1].format(searchTerms="kla")).data)
    assert answer == [
        "kla",
        ["klaku", "klama"],
        ["weeps", "come"],
        ["https://a.example/w/klaku", "https://a.example/w/klama"],
    ]


@pytest.mark.parametrize(
    "place", ["/w/klama", "/w/klama/history", "/w/", "/w/?q=k*", "/w/suggest?q=k"]
)
def test_a_page_of_words_is_sent_again_when_the_dictionary_changed(
    place: str, sync: Sync, pages: FlaskClient
) -> None:
    sync(KLAMA)
    etag = pages.get(place).headers["ETag"]
    assert pages.get(place, headers={"If-None-Match": etag}).status_code == 304
    sync(KLAMA._replace(definition="another text", glosses=()))
    assert pages.get(place, headers={"If-None-Match": etag}).status_code == 200


def test_addresses_and_markup_in_a_dictionary_do_no_harm(sync: Sync, pages: FlaskClient) -> None:
    bad = '<img src=x onerror=alert(1)> bob@secret.example {klama" onx="}'
    hostile = entry("klama", 11, bad, notes=bad, username=bad, etymology=bad)
    hostile = hostile._replace(examples=(bad,), glosses=(Gloss(bad, bad, 0),))
    sync(hostile)
    sync(hostile._replace(definition=f"{bad} now", etymology=f"{bad} now"))
    for place in ("/w/klama", "/w/klama/history", "/w/"):
        text = pages.get(place).text
        assert "<img" not in text and "secret.example" not in text and 'onx="' not in text, place
