"""Threads that are near in meaning are shown beside a thread and above a question's hits, and nothing else is."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from flask.testing import FlaskClient

from models import Embedding, EmbeddingModel, Message
from mrilu.search import asked
from mrilu.search.patience import SearchTooSlow
from mrilu.web.routes import search
from tests.web.conftest import Ask, Import, hide

NEAR, FAR = (1.0, 0.1, 0.0), (0.0, 0.0, 1.0)


@pytest.fixture
def threads(take_in: Import, database) -> dict[str, str]:
    """Two threads on kettles on two lists, one on cups, and one on kettles on a list of its own."""
    EmbeddingModel.register("m", "s", 3)
    made = {
        "first": take_in("a@x", subject="Kettle boils over", list_id="<one.example.org>"),
        "again": take_in("b@x", subject="Kettle too hot", list_id="<two.example.org>"),
        "cups": take_in("c@x", subject="Blue cups", list_id="<one.example.org>"),
        "closed": take_in("d@x", subject="Secret kettle", list_id="<secret.example.org>"),
    }
    for name, one in made.items():
        vector = str(list(FAR if name == "cups" else NEAR))
        row = Message.at_permalink(one)[0]
        Embedding.insert(
            model=1,
            kind="message",
            owner=row.id,
            chunk=0,
            text_hash=row.identity,
            start=0,
            vector=vector,
        ).execute()
    return made


def test_a_thread_shows_those_near_to_it_and_not_itself(pages: FlaskClient, threads):
    assert f'href="/t/{threads["first"]}/similar/"' in pages.get(f"/t/{threads['first']}/").text
    shown = pages.get(f"/t/{threads['first']}/similar/").text
    assert f'href="/t/{threads["again"]}/"' in shown and "Kettle too hot" in shown
    assert "Blue cups" not in shown and "Kettle boils over" not in shown


def test_what_is_withheld_is_gone_at_once(pages: FlaskClient, threads):
    place = f"/t/{threads['first']}/similar/"
    assert "Kettle too hot" in pages.get(place).text
    hide(threads["again"])
    assert "Kettle too hot" not in pages.get(place).text


def test_what_the_reader_may_not_see_is_near_to_nothing(open_pages: Ask, threads):
    pages = open_pages(private_lists=("secret.example.org",))
    hide(threads["again"])
    shown = pages.get(f"/t/{threads['first']}/similar/").text
    assert "Secret" not in shown and "Kettle too hot" not in shown and "Nothing like it" in shown
    assert pages.get(f"/t/{threads['closed']}/similar/").status_code == 404


def test_without_embeddings_nothing_is_offered(open_pages: Ask, threads):
    pages = open_pages(embeddings=False)
    assert "Asked before" not in pages.get(f"/t/{threads['first']}/").text
    assert "Kettle too hot" not in pages.get(f"/t/{threads['first']}/similar/").text


def test_what_takes_too_long_is_left_out(pages: FlaskClient, threads, monkeypatch):
    def slow(*_: object) -> None:
        raise SearchTooSlow(2)

    monkeypatch.setattr(asked, "find_near", slow)
    answer = pages.get(f"/t/{threads['first']}/similar/")
    assert answer.status_code == 200 and "Nothing like it" in answer.text


@pytest.mark.parametrize(
    ("query", "shown"), [("why so hot", True), ("kettle", False), ("subject:tea so hot", False)]
)
def test_a_question_has_near_threads_above_its_hits(
    pages: FlaskClient, threads, monkeypatch, query: str, shown: bool
):
    def encode(model: EmbeddingModel, text: str, device: str = "") -> Sequence[float]:
        return NEAR

    monkeypatch.setattr(search, "encode_query", encode)
    text = pages.get("/search", query_string={"q": query}).text
    assert ("Asked before?" in text) == shown
