"""Feeds, sitemaps and what crawlers are told."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import feedparser
import pytest
from flask.testing import FlaskClient
from lxml import etree

from models import Definition, Language, Word
from mrilu.web.pages_kept import PagesKept
from mrilu.web.queries import archive
from mrilu.web.routes import feeds, robots
from mrilu.web.routes.feeds import ATOM, THR
from tests.web.conftest import LIST, Ask, Import, hide

NAMES = {"a": ATOM, "t": THR}
SITEMAP = {"s": "http://www.sitemaps.org/schemas/sitemap/0.9"}


def entries(client: FlaskClient, path: str) -> list[etree._Element]:
    answer = client.get(path)
    assert answer.status_code == 200 and answer.content_type.startswith("application/atom+xml")
    feed = etree.fromstring(answer.data)
    assert feed.findtext("a:id", None, NAMES) and feed.findtext("a:updated", None, NAMES)
    return feed.findall("a:entry", NAMES)


def test_a_list_and_a_thread_have_feeds_that_say_what_answers_what(
    take_in: Import, pages: FlaskClient
) -> None:
    one = take_in("one@x", subject="tea & milk", body="hello\x08 there\n")
    two = take_in("two@x", in_reply_to="<one@x>", sender="Ann <ann@people.example>")
    for path in (f"/l/{LIST}/atom.xml", f"/t/{one}/atom.xml"):
        found = {one.findtext("a:id", None, NAMES): one for one in entries(pages, path)}
        first, second = (found[f"http://127.0.0.1:8025/m/{name}/"] for name in (one, two))
        assert first.findtext("a:title", None, NAMES) == "tea & milk"
        assert "hello" in first.findtext("a:content", None, NAMES)
        assert second.find("t:in-reply-to", NAMES).get("href").endswith(f"/m/{one}/")
        assert b"people.example" not in pages.get(path).data
        tag = pages.get(path).headers["ETag"]
        assert pages.get(path, headers={"If-None-Match": tag}).status_code == 304


def test_a_feed_is_made_again_only_when_one_of_its_messages_changed(
    take_in: Import, pages: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = take_in("one@x", subject="green tea", body="green\n")
    take_in("other@x", subject="black", body="black\n", list_id="<other.example>")
    made: list[str] = []
    feed = feeds._feed

    def note(rows: list[archive.MessageRow], place: str, own: str, title: str) -> bytes:
        made.append(own)
        return feed(rows, place, own, title)

    monkeypatch.setattr(feeds, "_feed", note)
    paths = [f"/l/{LIST}/atom.xml", f"/t/{one}/atom.xml", "/search/atom.xml?q=green"]

    def tags() -> list[str]:
        return [pages.get(path).headers["ETag"] for path in paths]

    first = tags()
    take_in("another@x", subject="black", body="black\n", list_id="<other.example>")
    assert tags() == first and len(made) == len(paths)
    made.clear()
    for path, tag in zip(paths, first, strict=True):
        pages.application.extensions["pages_kept"] = PagesKept(0)
        answer = pages.get(path, headers={"If-None-Match": tag})
        assert answer.status_code == 304 and not answer.data
    assert not made
    take_in("two@x", in_reply_to="<one@x>", subject="green tea", body="green\n")
    second = tags()
    assert not set(first) & set(second)
    hide(one)
    assert not set(second) & set(tags())
    assert all(b"/m/" + one.encode() + b"/</id>" not in pages.get(path).data for path in paths)


def test_feeds_and_sitemaps_show_what_everyone_may_read(
    take_in: Import, pages: FlaskClient, open_pages: Ask
) -> None:
    one = take_in("one@x", subject="aardvark", body="aardvark\n")
    take_in("two@x", in_reply_to="<one@x>", subject="other")
    paths = [f"/l/{LIST}/atom.xml", f"/t/{one}/atom.xml", f"/l/{LIST}/2025-10/sitemap.xml"]
    closed = open_pages(private_lists=(LIST,))
    for path in paths:
        assert pages.get(path).status_code == 200 and closed.get(path).status_code == 404
    assert LIST not in closed.get("/sitemap.xml").text
    hide(one)
    for path in paths:
        text = pages.get(path).text
        assert "aardvark" not in text and f"<loc>http://127.0.0.1:8025/m/{one}/" not in text


def test_crawlers_are_led_to_each_message_and_away_from_searches(
    take_in: Import, pages: FlaskClient
) -> None:
    one = take_in("one@x")
    told = pages.get("/robots.txt").text
    assert "Disallow: /search" in told and "Sitemap: http://127.0.0.1:8025/sitemap.xml" in told
    [place] = etree.fromstring(pages.get("/sitemap.xml").data).iterfind(".//s:loc", SITEMAP)
    path = place.text.removeprefix("http://127.0.0.1:8025")
    urls = etree.fromstring(pages.get(path).data).iterfind(".//s:loc", SITEMAP)
    assert [url.text for url in urls] == [f"http://127.0.0.1:8025/m/{one}/"]


@pytest.mark.parametrize(
    "path", ["/l/none/atom.xml", f"/t/{'A' * 32}/atom.xml", f"/l/{LIST}/2025-13/sitemap.xml"]
)
def test_feeds_of_what_is_not_there_are_not_found(
    tmp_path: Path, pages: FlaskClient, path: str
) -> None:
    assert pages.get(path).status_code == 404


def test_sitemaps_reach_every_message_however_many_there_are(
    take_in: Import, pages: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(robots, "MOST", 2)
    dates = [
        f"{day:02} {month} 2025 09:00:00 +0000"
        for month in ("Jan", "Feb", "Mar")
        for day in (1, 28)
    ]
    hashes = {take_in(f"{number}@x", date=date) for number, date in enumerate(dates)}
    hashes.add(
        take_in("more@x", date="28 Feb 2025 10:00:00 +0000")
    )  # too many for a sitemap of the month
    indexes = re.findall(r"Sitemap: http://127.0.0.1:8025(\S+)", pages.get("/robots.txt").text)
    maps = [place for one in indexes for place in places(pages, one)]
    assert len(indexes) == -(-len(maps) // 2) and len(maps) == len(set(maps)) == 2 + 28
    found = [place for one in maps for place in places(pages, one)]
    assert sorted(found) == sorted(f"/m/{one}/" for one in hashes)
    assert pages.get(f"/sitemap-{len(indexes) + 1}.xml").status_code == 404
    assert pages.get(f"/l/{LIST}/2025-02/sitemap-29.xml").status_code == 404


def places(pages: FlaskClient, path: str) -> list[str]:
    root = etree.fromstring(pages.get(path).data)
    return [
        (one.text or "").removeprefix("http://127.0.0.1:8025")
        for one in root.iterfind(".//s:loc", SITEMAP)
    ]


def test_searches_and_words_have_feeds_that_programs_read(
    take_in: Import, pages: FlaskClient, open_pages: Ask
) -> None:
    one = take_in("one@x", subject="green tea", body="green\n")
    take_in("two@x", subject="black tea", body="black\n")
    found = feedparser.parse(pages.get("/search/atom.xml?q=green").data)
    assert not found.bozo and [entry.title for entry in found.entries] == ["green tea"]
    assert found.entries[0].link.endswith(f"/m/{one}/")
    assert found.feed.title == "search: green"
    assert pages.get("/search/atom.xml?q=from:").status_code == 400
    closed = open_pages(private_lists=(LIST,)).get("/search/atom.xml?q=green")
    assert not feedparser.parse(closed.data).entries
    hide(one)
    assert not feedparser.parse(pages.get("/search/atom.xml?q=green").data).entries
    assert pages.get("/w/nothing/atom.xml").status_code == 404


def test_a_words_feed_has_its_definitions(pages: FlaskClient) -> None:
    now = datetime(2025, 10, 6, tzinfo=UTC)
    language = Language.insert(tag="en", name="English", source="s", synced_at=now).execute()
    word = Word.insert(word="tcati", type="gismu").execute()
    Definition.insert(
        language=language, word=word, source_id=77, text="$x_1$ is tea", notes="", selmaho="",
        username="ann", realname="", score=1.0, content_hash=UUID(int=1), added_at=now, changed_at=now,
    ).execute()  # fmt: skip
    answer = pages.get("/w/tcati/atom.xml")
    found = feedparser.parse(answer.data)
    assert not found.bozo and [entry.title for entry in found.entries] == ["tcati (en)"]
    assert found.entries[0].id.endswith("/w/tcati#d77") and found.entries[0].author == "ann"
    again = pages.get("/w/tcati/atom.xml", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304


def test_a_feed_reaches_behind_the_newest_that_are_closed(
    take_in: Import, pages: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "NEWEST", 2)
    monkeypatch.setattr(archive, "IN_MONTH", 2)
    dates = [f"Mon, {day:02} Oct 2025 09:00:00 +0000" for day in range(1, 10)]
    hashes = [
        take_in(f"{n}@x", subject="tea", date=date, references="<0@x>" if n else "")
        for n, date in enumerate(dates)
    ]
    for one in hashes[4:]:
        hide(one)
    hide(hashes[2])
    for path in (f"/l/{LIST}/atom.xml", f"/t/{hashes[0]}/atom.xml"):
        found = [one.findtext("a:id", None, NAMES) or "" for one in entries(pages, path)]
        assert [place.split("/")[-2] for place in found] == [hashes[3], hashes[1]], path
    for one in hashes:
        hide(one)
    assert not entries(pages, f"/l/{LIST}/atom.xml")
    assert pages.get(f"/t/{hashes[0]}/atom.xml").status_code == 404
    assert pages.get("/l/nothing.example/atom.xml").status_code == 404


def test_messages_of_one_message_id_are_entries_of_their_own(
    take_in: Import, pages: FlaskClient
) -> None:
    one = take_in("one@x", body="first text\n")
    take_in("one@x", body="second text\n", sender="Other <other@lists.example>")
    found = feedparser.parse(pages.get(f"/l/{LIST}/atom.xml").data)
    ids = {entry.id.partition("/m/")[2] for entry in found.entries}
    assert ids == {f"{one}/", f"{one}/#{one}-2"}
    assert f'id="{one}-2"' in pages.get(f"/m/{one}/").text
