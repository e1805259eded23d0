"""Pages that are made once for all readers to whom they are the same."""

from __future__ import annotations

import gzip
import threading

import pytest
from flask.testing import FlaskClient
from peewee import PostgresqlDatabase

from mrilu.web.pages_kept import Page, PagesKept
from tests.web.conftest import LIST, Ask, Import, hide
from tests.web.test_operators import PASSWORD, log_in


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the templates that were rendered."""
    names: list[str] = []
    for module in ("threads", "messages", "lists", "search"):
        place = f"mrilu.web.routes.{module}.render_template"

        def render(name: str, **facts: object) -> str:
            from flask import render_template

            names.append(name)
            return render_template(name, **facts)

        monkeypatch.setattr(place, render)
    return names


def test_pages_that_were_shown_last_stay_within_their_bytes() -> None:
    pages = PagesKept(most=10)
    for name in ("a", "b"):
        pages.keep(name, Page(name.encode() * 5))
    assert pages.find("a") is not None
    pages.keep("c", Page(b"ccccc"))
    assert [pages.find(name) is not None for name in "abc"] == [True, False, True]
    pages.keep("d", Page(b"d" * 11))
    assert [pages.find(name) is not None for name in "acd"] == [True, True, False]


def test_a_page_kept_twice_counts_once() -> None:
    pages = PagesKept(most=10)
    threads = [threading.Thread(target=pages.keep, args=("a", Page(b"aaaaa"))) for _ in range(20)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    pages.keep("b", Page(b"bbbbb"))
    assert pages.find("a") is not None and pages.find("b") is not None


def test_a_page_is_made_once_and_again_when_it_changed(
    pages: FlaskClient, take_in: Import, made: list[str]
) -> None:
    first = take_in("a@x", date="Wed, 01 May 2024 10:00:00 +0000")
    places = f"/m/{first}/", f"/t/{first}/", f"/l/{LIST}/2024-05/", "/search?q=body"
    before = [pages.get(place).data for place in places]
    assert [pages.get(place).data for place in places] == before
    assert len(made) == len(places)
    take_in("b@x", in_reply_to="<a@x>", date="Wed, 01 May 2024 11:00:00 +0000")
    after = [pages.get(place).data for place in places[1:3]]
    assert len(made) == len(places) + 2 and after[0] != before[1] and after[1] != before[2]


def test_a_kept_page_is_sent_packed_to_who_takes_it_so(pages: FlaskClient, take_in: Import) -> None:
    place = f"/m/{take_in('a@x')}/"
    for _ in range(2):
        plain, packed = pages.get(place), pages.get(place, headers={"Accept-Encoding": "gzip"})
        assert (
            "Content-Encoding" not in plain.headers and "gzip" in packed.headers["Content-Encoding"]
        )
        assert gzip.decompress(packed.data) == plain.data


def test_what_an_operator_sees_is_kept_for_nobody(
    open_pages: Ask, database: PostgresqlDatabase, take_in: Import
) -> None:
    place = f"/m/{take_in('a@x')}/"
    operator = open_pages(operator_password=PASSWORD)
    stranger = operator.application.test_client()
    log_in(operator)
    assert "For operators" in operator.get(place).text
    assert "For operators" not in stranger.get(place).text
    assert "For operators" in operator.get(place).text
    hide(place.strip("/").partition("/")[2])
    assert "withheld" in operator.get(place).text
    assert stranger.get(place).status_code == 410
