"""The author's words are one text wherever they are read: no two words of theirs become one."""

from __future__ import annotations

import pytest

from models import Message
from mrilu.embeddings.sources import as_sources, rows_waiting
from mrilu.mail.own_words.spans import own_text, paired
from mrilu.mail.parse import parse_message
from mrilu.notifications.emails import MESSAGES, message_item
from mrilu.search.engine import Wanted, search
from tests.embeddings.made import FakeEncoder
from tests.factories import mail
from tests.search.made import receive

BODY = "first own line\n> a question\nsecond own line\n> another\nthird\n"
OWN = "first own line\nsecond own line\nthird"


@pytest.fixture
def archived(root, redis_client) -> Message:
    receive(root, mail("<1@x>", subject="s", body=BODY))
    return Message.get()


def test_spans_are_lines_of_their_own():
    assert own_text("one two three", [(0, 3), (8, 13)]) == "one\nthree"
    assert own_text("one", []) == "" and list(paired([0, 3, 8, 13])) == [(0, 3), (8, 13)]
    assert parse_message(b"From: a@x.org\n\n" + BODY.encode()).own_text == OWN


def test_the_table_gives_the_authors_words(archived):
    assert archived.own_text() == OWN


def test_a_snippet_glues_no_words(archived, database):
    (hit,) = search(database, "second", "message", Wanted(mode="text")).hits
    text = "".join(map(str, (one for part in hit.snippet for one in part if isinstance(one, str))))
    assert text.split() == OWN.split()


def test_what_is_embedded_glues_no_words(archived, database):
    (row,) = rows_waiting(database, 1, "message", 10)
    ((piece,),) = (one.pieces for one in as_sources("message", [row], FakeEncoder()))
    assert piece.text.split() == ["s", *OWN.split()]


def test_a_notification_glues_no_words(archived, database):
    row = database.connection().execute(MESSAGES, ([archived.id],)).fetchone()
    assert message_item("query", "", row).own_text == OWN
