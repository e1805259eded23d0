"""The dictionary as of a date: words, their definitions and the index say what they said then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from flask.testing import FlaskClient
from lxml import html

from mrilu.dictionary.entries import Gloss
from tests.web.conftest import Sync, entry

# `sync` makes each call a day later, from 2 May 2024 on.
FIRST, SECOND, THIRD = "2024-05-02", "2024-05-03", "2024-05-04"


def klama(text: str, **facts: Any) -> Any:
    return entry("klama", 11, text, **({"glosses": (Gloss(text, "", 0),)} | facts))


def body(text: str) -> str:
    return " ".join(html.fromstring(text).xpath("//main")[0].text_content().split())


def test_a_word_says_what_it_said_on_that_day(sync: Sync, pages: FlaskClient) -> None:
    sync(klama("comes to {cadzu}"), entry("cadzu", 12, "walks"))
    sync(klama("goes", rafsi=("kla",), type="lujvo"), entry("cadzu", 12, "walks"))
    sync(entry("cadzu", 12, "walks"))
    first = pages.get(f"/w/klama/at/{FIRST}")
    assert first.status_code == 200 and "comes to cadzu" in body(first.text)
    assert f'href="/w/cadzu/at/{FIRST}"' in first.text and "-kla-" not in first.text
    second = pages.get(f"/w/klama/at/{SECOND}").text
    assert "goes" in body(second) and "comes" not in body(second) and "-kla-" in second
    assert f'rel="prev" href="/w/klama/at/{FIRST}"' in second
    assert f'rel="next" href="/w/klama/at/{THIRD}"' in second
    gone = pages.get(f"/w/klama/at/{THIRD}")
    assert gone.status_code == 404 and f"/w/klama/at/{SECOND}" in gone.text
    again = pages.get(f"/w/klama/at/{FIRST}", headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304


def test_an_older_day_says_that_the_record_had_not_begun(sync: Sync, pages: FlaskClient) -> None:
    sync(klama("comes"))
    answer = pages.get("/w/klama/at/2024-05-01")
    assert answer.status_code == 404 and f"begins on {FIRST}" in body(answer.text)
    assert f'rel="next" href="/w/klama/at/{FIRST}"' in answer.text
    assert "begins on" not in pages.get(f"/w/nothing/at/{FIRST}").text


def test_a_definition_that_moved_to_another_word_is_found_where_it_was(
    sync: Sync, pages: FlaskClient
) -> None:
    sync(entry("tcadzu", 11, "walks"))
    sync(entry("cadzu", 11, "walks"))
    assert pages.get(f"/w/tcadzu/at/{FIRST}").status_code == 200
    assert pages.get(f"/w/cadzu/at/{FIRST}").status_code == 404
    assert pages.get(f"/w/tcadzu/at/{SECOND}").status_code == 404
    assert pages.get(f"/w/cadzu/at/{SECOND}").status_code == 200


def test_addresses_that_are_no_day_or_to_come(sync: Sync, pages: FlaskClient) -> None:
    sync(klama("comes"))
    for day in ("2024-02-30", "2024-5-2", "now", "20240502", "0001-01-01", "\u0662024-05-02"):
        assert pages.get(f"/w/klama/at/{day}").status_code == 404, day
        assert pages.get("/w/", query_string={"at": day}).status_code == 404, day
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date()
    led = pages.get(f"/w/klama/at/{tomorrow}")
    assert (led.status_code, led.location) == (302, "/w/klama")
    led = pages.get(f"/w/KLAMA/at/{FIRST}")
    assert (led.status_code, led.location) == (302, f"/w/klama/at/{FIRST}")


def test_the_history_leads_there(sync: Sync, pages: FlaskClient) -> None:
    sync(klama("comes"))
    sync(klama("goes"))
    page = pages.get("/w/klama/history").text
    assert f'href="/w/klama/at/{FIRST}"' in page and f'href="/w/klama/at/{SECOND}"' in page
    assert 'type="date"' in page and 'action="/w/klama/at"' in page
    led = pages.get("/w/klama/at", query_string={"day": FIRST})
    assert led.location == f"/w/klama/at/{FIRST}"
    assert pages.get("/w/klama/at?day=x").location == "/w/klama/history"


def test_the_index_has_the_words_of_that_day(sync: Sync, pages: FlaskClient) -> None:
    sync(klama("comes"), entry("broda", 12, "is so"))
    sync(klama("goes", type="lujvo"), entry("cadzu", 13, "walks"))
    first = pages.get(f"/w/?at={FIRST}").text
    assert "comes" in body(first) and "broda" in body(first) and "cadzu" not in body(first)
    assert f'href="/w/klama/at/{FIRST}"' in first and "noindex" in first
    second = body(pages.get(f"/w/?at={SECOND}").text)
    assert "goes" in second and "broda" not in second and "cadzu" in second

    def names(**asked: str) -> list[str]:
        found = pages.get("/words.json", query_string=asked).json
        return [one["word"] for one in found["words"]]  # type: ignore[index]

    assert names(at=FIRST) == ["broda", "klama"] and names() == ["cadzu", "klama"]
    assert names(at=FIRST, type="lujvo") == [] and names(at=SECOND, type="lujvo") == ["klama"]
    assert names(at=FIRST, lang="en", q="kl*") == ["klama"] and names(at=FIRST, lang="de") == []
    assert names(at="2024-05-01") == []


def test_the_index_of_a_day_goes_on_by_pages(
    sync: Sync, pages: FlaskClient, monkeypatch: Any
) -> None:
    monkeypatch.setattr("mrilu.web.queries.word_index.A_PAGE", 2)
    words = ["broda", "cadzu", "dunda", "klama", "tavla"]
    sync(*(entry(word, number) for number, word in enumerate(words)))
    sync()
    seen, place = [], f"/words.json?at={FIRST}"
    while place:
        found = pages.get(place).json
        seen += [one["word"] for one in found["words"]]  # type: ignore[index]
        place = found.get("next", "")  # type: ignore[union-attr]
    assert seen == words
    (further,) = html.fromstring(pages.get(f"/w/?at={FIRST}").text).xpath('//a[@rel="next"]/@href')
    assert "dunda" in body(pages.get(further).text) and f"at={FIRST}" in further


def test_json_says_the_same(sync: Sync, pages: FlaskClient) -> None:
    sync(klama("comes"))
    sync(klama("goes"))
    found = pages.get(f"/w/klama/at/{FIRST}", headers={"Accept": "application/json"}).json
    assert found["definitions"][0]["definition"] == "comes" and found["after"] == SECOND  # type: ignore[index]
    assert "before" not in found  # type: ignore[operator]
    assert pages.get("/w/klama/at/2024-05-01.json").status_code == 404
    versions = pages.get("/w/klama/history.json").json["versions"]  # type: ignore[index]
    assert [(one["version"], one["change"]) for one in versions] == [(2, "edited"), (1, "added")]
