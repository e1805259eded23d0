"""The page of a search: how what it found is spread, errors at their column, search in a thread."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import psycopg
import pytest
from flask.testing import FlaskClient

from mrilu.mail.permalinks import hash_of
from mrilu.search import engine
from mrilu.search.opening import STATE
from mrilu.web.routes import search
from tests.web.conftest import LIST, Ask, Import, hide

FACET = re.compile(r'<a href="(/search\?[^"]+)"><bdi>([^<]*)</bdi></a> ([\d,]+)')


def facets(pages: FlaskClient, path: str) -> dict[str, tuple[str, int]]:
    """Return the address and count of each value."""
    return {
        name: (html.unescape(place), int(count.replace(",", "")))
        for place, name, count in FACET.findall(pages.get(path).text)
    }


@pytest.fixture
def mails(take_in: Import) -> list[str]:
    made = []
    for number in range(12):
        date = f"06 Jan {2001 + number % 3} 09:00:{number:02} +0000"
        sender = f"{('Ann', 'Ann Lee', 'Bob')[number % 3]} <w{number % 3}@x.example>"
        list_id = f"<{'tea' if number % 2 else 'milk'}.example.org>"
        facts = {"date": date, "sender": sender, "list_id": list_id, "subject": f"talk {number}"}
        made.append(take_in(f"{number}@x", body="an aardvark\n", **facts))
    return made


def test_counts_equal_what_the_narrower_search_finds(pages: FlaskClient, mails: list[str]) -> None:
    found = facets(pages, "/search?q=aardvark")
    assert {name: count for name, (_, count) in found.items()} == {
        "2001": 4, "2002": 4, "2003": 4, LIST: 6, "milk.example.org": 6, "Ann": 8, "Ann Lee": 4, "Bob": 4,
    }  # fmt: skip
    for place, count in found.values():
        assert (
            len(set(re.findall(r'class="subject" href="(/m/\w+/)"', pages.get(place).text)))
            == count
        ), place


def test_years_are_bars_that_lead_to_them(pages: FlaskClient, mails: list[str]) -> None:
    text = pages.get("/search?q=aardvark").text
    bars = re.findall(r'<a href="([^"]+)"><rect [^>]+><title>(\d+): (\d+)</title>', text)
    assert [(year, count) for _, year, count in bars] == [
        ("2001", "4"),
        ("2002", "4"),
        ("2003", "4"),
    ]
    assert "after%3A2001" in bars[0][0] and "before%3A2002" in bars[0][0]
    assert "<rect" not in pages.get("/search?q=aardvark+after:2003").text


def test_what_is_hidden_is_not_counted(
    pages: FlaskClient, open_pages: Ask, mails: list[str]
) -> None:
    hide(mails[0])
    assert facets(pages, "/search?q=aardvark")["2001"][1] == 3
    closed = facets(open_pages(private_lists=(LIST,)), "/search?q=aardvark")
    assert LIST not in closed and closed["milk.example.org"][1] == 5


def test_of_many_the_newest_are_counted_and_it_is_said(
    pages: FlaskClient, mails: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mrilu.search.facets.NEWEST", 3)
    assert "The newest 3 that hold all words" in pages.get("/search?q=aardvark").text
    assert (
        sum(
            count
            for name, (_, count) in facets(pages, "/search?q=aardvark").items()
            if name == "2003"
        )
        == 3
    )


def test_addresses_of_authors_are_not_told(take_in: Import, pages: FlaskClient) -> None:
    take_in("one@x", body="an aardvark\n", sender="eve@people.example")
    take_in("two@x", body="an aardvark\n", sender='"eve@people.example" <eve@people.example>')
    text = pages.get("/search?q=aardvark").text
    assert "people.example" not in text and "%40people" not in text


def test_a_search_in_a_thread_finds_there_alone(take_in: Import, pages: FlaskClient) -> None:
    one = take_in("one@x", body="an aardvark\n")
    two = take_in("two@x", body="an aardvark, too\n", references="<one@x>")
    other = take_in("other@x", body="an aardvark\n", subject="other")
    assert 'name="thread"' not in pages.get(f"/t/{one}/").text
    for number in range(4):
        take_in(f"{number}@x", body="no such word\n", references="<one@x>")
    form = re.search(r'name="thread" value="(\w+)"', pages.get(f"/t/{one}/").text)
    assert form and form[1] == one
    for path in (f"/search?q=aardvark&thread={one}", f"/search?q=aardvark+thread:{two}"):
        text = pages.get(path).text
        assert f"/m/{one}/" in text and f"/m/{two}/" in text and other not in text, path
    left = pages.get(f"/search?q=aardvark+-thread:{one}").text
    assert other in left and two not in left.replace(f"thread:{one}", "")
    assert pages.get("/search?q=aardvark+thread:x").status_code == 400


def test_the_hash_of_a_closed_message_finds_what_an_unknown_one_does(
    take_in: Import, open_pages: Ask
) -> None:
    closed = take_in("closed@x", list_id="<secret.example.org>", body="an aardvark\n")
    answer = take_in("answer@x", body="an aardvark, too\n", references="<closed@x>")
    pages = open_pages(private_lists=("secret.example.org",))
    unknown = hash_of("never@x")
    assert f"/m/{answer}/" in pages.get(f"/search?q=aardvark+thread:{answer}").text
    for query in ("aardvark+thread:{}", "aardvark+-thread:{}"):
        texts = [
            pages.get(f"/search?q={query.format(one)}").text.replace(one, "HASH")
            for one in (closed, unknown)
        ]
        assert texts[0] == texts[1], query


@pytest.mark.parametrize(
    ("query", "column"), [("before:never", 1), ("tea before:never", 5), ("tea OR", 5)]
)
def test_a_caret_points_to_the_error(pages: FlaskClient, query: str, column: int) -> None:
    answer = pages.get("/search", query_string={"q": query})
    assert answer.status_code == 400 and f"{query}\n{' ' * (column - 1)}^</pre>" in answer.text


def test_an_unchanged_search_is_not_sent_again(take_in: Import, pages: FlaskClient) -> None:
    take_in("one@x", body="an aardvark\n")
    tag = {"If-None-Match": pages.get("/search?q=aardvark").headers["ETag"]}
    assert pages.get("/search?q=aardvark", headers=tag).status_code == 304
    take_in("two@x", body="an aardvark\n")
    assert pages.get("/search?q=aardvark", headers=tag).status_code == 200


def test_what_was_found_is_kept_until_anything_is_written(
    open_pages: Ask, take_in: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    look, ask = engine._Search.page, engine.open_search

    def page(self: engine._Search, encode: None) -> engine.Page:
        asked.append(self.opening.state)
        return look(self, encode)

    monkeypatch.setattr(engine._Search, "page", page)
    states = iter(("1", "1", "2", "", ""))
    monkeypatch.setattr(engine, "open_search", lambda *how: ask(*how)._replace(state=next(states)))
    take_in("kept@x", body="an aardvark\n")
    pages = open_pages()
    assert all("1 found" in pages.get("/search?q=aardvark").text for _ in range(5))
    assert asked == ["1", "2", "", ""]


def test_the_state_of_a_database_is_another_when_a_transaction_has_ended(cluster) -> None:
    with (
        psycopg.connect(cluster.url, autocommit=True) as reader,
        psycopg.connect(cluster.url) as writer,
    ):
        writer.execute("CREATE TABLE written (n int)")
        seen = [reader.execute(f"SELECT {STATE}").fetchone() for _ in range(2)]
        assert seen[0] == seen[1] and seen[0][0]
        writer.rollback()
        assert reader.execute(f"SELECT {STATE}").fetchone() != seen[0]


def test_a_message_that_is_hidden_is_found_no_more_at_once(
    pages: FlaskClient, take_in: Import
) -> None:
    message = take_in("gone@x", body="an aardvark\n")
    assert "1 found" in pages.get("/search?q=aardvark").text
    hide(message)
    assert "Nothing found" in pages.get("/search?q=aardvark").text


def test_the_next_page_begins_behind_the_last_message_at_an_address_that_stays(
    pages: FlaskClient, take_in: Import
) -> None:
    for number in range(45):
        date = f"06 Jan 2001 09:{number:02}:00 +0000"
        take_in(f"{number}@x", body="an aardvark\n", date=date, subject=f"talk {number}")
    seen: list[str] = []
    place = "/search?q=aardvark"
    while place:
        page = pages.get(place).text
        seen += re.findall(r"<bdi>(talk \d+)</bdi>", page)
        found = re.search(r'<a rel="next" href="([^"]+)"', page)
        place = html.unescape(found[1]) if found else ""
        assert not place or "after=" in place
    assert len(seen) == len(set(seen)) == 45
    assert 'rel="prev"' in pages.get("/search?q=aardvark&page=2").text
    by_number = pages.get("/search?q=aardvark&page=2").text
    assert re.findall(r"<bdi>(talk \d+)</bdi>", by_number) == seen[20:40]
    answer = pages.get("/search.json?q=aardvark").json
    assert answer is not None and "after=" in answer["next"]
    assert pages.get("/search?q=aardvark&page=2&after=nonsense").text == by_number


def linked(page: str, rel: str) -> str:
    """Return the address of the page before or after one, "" for none."""
    found = re.search(rf'<a rel="{rel}" href="([^"]+)"', page)
    return html.unescape(found[1]) if found else ""


def test_pages_that_have_no_number_lead_back_the_way_that_was_come(
    pages: FlaskClient, take_in: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("MOST_PAGES", 2), ("A_PAGE", 2), ("MOST_BACK", 3)):
        monkeypatch.setattr(search, name, value)
    for number in range(18):
        date = f"06 Jan 2001 09:{number:02}:00 +0000"
        take_in(f"{number}@x", body="an aardvark\n", date=date, subject=f"talk {number}")

    def walk(page: str, rel: str) -> Iterator[list[str]]:
        for _ in range(30):
            yield re.findall(r"<bdi>(talk \d+)</bdi>", page)
            if not (place := linked(page, rel)):
                return
            page = pages.get(place).text

    forth = list(walk(pages.get("/search?q=aardvark").text, "next"))
    assert len(forth) == 9 and len({one for shown in forth for one in shown}) == 18
    place = "/search?q=aardvark"
    for _ in range(5):
        place = linked(pages.get(place).text, "next")
    sixth = pages.get(place).text
    assert list(walk(sixth, "prev")) == forth[5::-1] and "Before</a>" in sixth
    for _ in range(3):
        place = linked(pages.get(place).text, "next")
    # what lies too far back to be told is gone on from by its number
    assert list(walk(pages.get(place).text, "prev")) == [*forth[8:4:-1], *forth[1::-1]]
    assert "Page 2</a>" in pages.get(re.sub("back=[^&]*", "back=nonsense", place)).text


def test_pages_by_thread_lead_back(pages: FlaskClient, take_in: Import) -> None:
    for number in range(25):
        take_in(f"{number}@x", body="an aardvark\n", subject=f"talk {number}")
    place = linked(pages.get("/search?q=aardvark&by=thread").text, "next")
    assert "by=thread" in linked(pages.get(place).text, "prev")


def test_a_first_search_asks_the_database_little(
    pages: FlaskClient, mails: list[str], statements: list[str]
) -> None:
    pages.get("/search?q=aardvark")
    del statements[:]
    assert "12 found" in pages.get("/search?q=aardvarks").text
    # its words and the state of the database, what is found and how it is spread, the rows of the page, their words
    assert len(statements) <= 4, statements
    del statements[:]
    assert "12 found" in pages.get("/search?q=aardvarks").text
    assert len(statements) == 1
