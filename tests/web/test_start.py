"""The first page: lists with their newest threads, and words."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient

from mrilu.web.queries import front
from mrilu.web.routes import start
from tests.web.conftest import LIST, Ask, Import, hide


def talks(client: FlaskClient) -> list[str]:
    """Return the addresses of the threads on the first page, in their order."""
    return re.findall(r'<li><a href="/t/(\w+)/"><bdi>', client.get("/").text)


def test_each_list_has_its_newest_threads_each_once(take_in: Import, pages: FlaskClient) -> None:
    made = [
        take_in(
            f"{number}@x",
            subject=f"talk {number}",
            date=f"Mon, {6 + number:02} Oct 2025 09:00:00 +0000",
        )
        for number in range(5)
    ]
    answer = take_in(
        "again@x", subject="Re: talk 0", in_reply_to="<0@x>", date="Mon, 20 Oct 2025 09:00:00 +0000"
    )
    assert talks(pages) == [answer, made[4], made[3]]
    led = pages.get(f"/t/{answer}/")
    assert led.location == f"/t/{made[0]}/#{answer}"
    assert "Re: talk 0" in pages.get("/").text and "talk 1" not in pages.get("/").text


def test_what_is_closed_is_no_thread_of_the_first_page(
    take_in: Import, pages: FlaskClient, open_pages: Ask
) -> None:
    one, gone = take_in("one@x"), take_in("gone@x", subject="secret words")
    assert set(talks(pages)) == {one, gone}
    hide(gone)
    assert talks(pages) == [one] and "secret words" not in pages.get("/").text
    assert talks(open_pages(private_lists=(LIST,))) == []


def test_mail_of_no_list_has_threads_too_and_an_address_in_a_subject_is_masked(
    take_in: Import, pages: FlaskClient
) -> None:
    one = take_in("one@x", list_id="", subject="ask ann@people.example")
    assert talks(pages) == [one] and "people.example" not in pages.get("/").text


def test_a_list_far_down_or_with_one_long_thread_is_shown_all_the_same(
    take_in: Import, pages: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(front, "LOOKED_AT", 2)
    monkeypatch.setattr(start, "WITH_THREADS", 1)
    take_in("old@x", subject="older talk")
    take_in("new@x", subject="long talk", date="Mon, 27 Oct 2025 09:00:00 +0000")
    for number in range(2):
        take_in(
            f"{number}@x", in_reply_to="<new@x>", date=f"Mon, 27 Oct 2025 1{number}:00:00 +0000"
        )
    other = "milk.example.org"
    take_in(
        "milk@x",
        list_id=f"<{other}>",
        subject="a milk talk",
        date="Wed, 01 Oct 2025 09:00:00 +0000",
    )
    assert len(talks(pages)) == 1
    text = pages.get("/").text
    assert f"/l/{other}/" in text and "a milk talk" in text


def test_a_word_can_be_looked_up(pages: FlaskClient) -> None:
    assert re.search(
        r'<form [^>]*action="/w/"[^>]*><input type="search" name="q"', pages.get("/").text
    )
