"""Hits by meaning: only of what is there, shown from the chunk that is near."""

from __future__ import annotations

import pytest

from jobs import embed_missing as job
from models import Definition, Embedding, EmbeddingModel, Message, Sentence
from mrilu.search.conditions import ALWAYS, Condition
from mrilu.search.engine import Wanted, search
from mrilu.search.grammar import parse
from mrilu.search.meaning import find_near, leaves_few
from mrilu.search.names import with_names
from mrilu.search.statistics import Times
from tests.embeddings.made import NOW, define, pair
from tests.factories import mail
from tests.search.made import encode, receive


@pytest.mark.parametrize("by_thread", [False, True])
def test_a_message_that_was_removed_is_not_found_by_its_vectors(database, root, encoder, by_thread):
    receive(
        root,
        mail("<1@x>", subject="cats", body="purring\n"),
        mail("<2@x>", subject="cats", body="hissing\n"),
    )
    job.embed_missing()
    Message.delete().where(Message.message_id == "1@x").execute()
    assert Embedding.select().count() == 2
    for mode in ("meaning", "fused"):
        page = search(
            database, "cats purring", "message", Wanted(mode, by_thread=by_thread), encode(encoder)
        )
        assert [one.message_id for one in page.hits] == ["2@x"] and page.total == 1


def test_a_message_that_is_removed_during_a_search_by_thread_is_left_out(
    database, root, monkeypatch
):
    receive(root, mail("<1@x>", body="cats\n"), mail("<2@x>", body="cats\n"))
    monkeypatch.setattr("mrilu.search.engine.threads_of", lambda db, messages: {messages[0]: 1})
    assert search(database, "cats", "message", Wanted("text", by_thread=True)).total == 1


def test_a_definition_or_sentence_that_is_gone_is_not_found_by_its_vectors(database, encoder):
    gone, kept = define("mlatu", "cat"), define("gerku", "dog cat")
    sentences = [pair("mlatu", "cat"), pair("gerku", "dog cat")]
    job.embed_missing()
    Definition.update(gone_at=NOW).where(Definition.id == gone.id).execute()
    Sentence.delete().where(Sentence.id == sentences[0]).execute()
    for kind, ids in {"word": [kept.id], "sentence": [sentences[1]]}.items():
        page = search(database, "cat", kind, Wanted("meaning"), encode(encoder))
        assert [one.id for one in page.hits] == ids and page.total == 1


def test_a_hit_by_meaning_shows_the_text_of_the_chunk_that_is_near(database, root, encoder):
    body = " ".join(["filler"] * 28 + ["striped"] * 25) + "\n"
    receive(root, mail("<1@x>", subject="", body=body))
    job.embed_missing()
    near = lambda model, text: encoder.encode(["striped"])[0].tolist()  # noqa: E731
    (hit,) = search(database, "zebras", "message", Wanted("meaning"), near).hits
    start = Embedding.get(Embedding.chunk == 1).start
    assert "".join(one.text for one in hit.snippet) == body[start:].strip() and start > 100


@pytest.mark.parametrize(
    "condition",
    [Condition("s.list_ids && %s::text[]", (["b.x"],)), Condition("s.has_attachment"), ALWAYS],
)
def test_to_measure_all_that_a_condition_leaves_finds_what_a_walk_does(
    database, archive, encoder, condition
):
    job.embed_missing()
    model = EmbeddingModel.get()
    vector = encoder.encode(["café pictures"])[0].tolist()
    walked = find_near(database, model, "message", vector, condition)
    assert walked and walked == find_near(
        database, model, "message", vector, condition, measure_all=True
    )


@pytest.mark.parametrize(
    ("query", "few"),
    [
        ("common", False),  # a wish is no condition
        ("common has:attachment", True),
        ('common from:"ann 3"', False),
        ("common after:2005-06-01", True),
        ("common after:2002", False),
        ("common before:2000-02-01", True),
        ('"rare"', True),
        ('"common"', False),
        ("common to:nobody", False),  # nothing is known of it
        ("common -rare", False),
    ],
)
def test_all_are_measured_where_few_are_left(database, times, monkeypatch, query, few):
    monkeypatch.setattr("mrilu.search.meaning.EVEN", 2)  # so that 110 of 3,000 are few
    lexemes = {one: f"'{one}'" for one in ("common", "rare")}
    asked = with_names(database, parse(query))
    assert leaves_few(asked, lexemes, times) is few


def test_of_an_archive_that_is_small_or_not_looked_at_yet_nothing_is_known(database):
    assert not leaves_few(parse("cats has:attachment"), {}, Times())
