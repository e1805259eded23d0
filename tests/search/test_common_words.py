"""What has nothing to find by, words that are spelt right, and what meaning cannot answer."""

from __future__ import annotations

import pytest

from jobs import embed_missing as job
from mrilu.search.engine import NO_TEXT, TOO_COMMON, Wanted, search
from tests.embeddings.made import define, pair
from tests.search.made import encode

COMMON = ['"to be or not to be"', "subject:the", 'subject:"!!"', '"the" OR "of"', '"the" -fish']


@pytest.mark.parametrize("query", COMMON)
@pytest.mark.parametrize("mode", ["text", "fused", "meaning"])
def test_a_phrase_of_common_words_or_signs_finds_nothing_and_says_why(
    database, archive, encoder, query, mode
):
    job.embed_missing()
    page = search(database, query, "message", Wanted(mode), encode(encoder))
    assert (page.hits, page.total) == ([], 0)
    assert page.notices and all("too common" in notice for notice in page.notices)


def test_beside_other_words_a_phrase_of_common_words_is_left_out_with_a_notice(database, archive):
    page = search(database, '"to be" fish', "message", Wanted("text"))
    assert [one.message_id for one in page.hits] == ["1@x"] and page.notices == [
        TOO_COMMON.format("to be")
    ]
    assert search(database, "the fish", "message", Wanted("text")).notices == []
    assert search(database, 'fish -"the"', "message", Wanted("text")).notices == []
    assert search(database, "the of", "message", Wanted("text")).notices != []


def test_a_lojban_word_that_is_common_in_english_is_found_outright(database):
    wanted = define("do", "you")
    pair("mi do", "I you")
    for query in ("do", '"do"'):
        page = search(database, query, "word", Wanted("text"))
        assert [one.id for one in page.hits] == [wanted.id] and page.notices == []
    for kind in ("word", "sentence"):
        page = search(database, '"be"', kind, Wanted("text"))
        assert page.hits == [] and page.notices == [TOO_COMMON.format("be")]


def test_operators_alone_have_no_meaning_and_are_answered_by_text(database, archive, encoder):
    job.embed_missing()
    page = search(database, "from:ann", "message", Wanted("meaning"), encode(encoder))
    assert [one.message_id for one in page.hits] == ["1@x"] and page.notices == [NO_TEXT]
    assert search(database, "from:ann", "message", Wanted("fused"), encode(encoder)).notices == []


@pytest.mark.parametrize("typed", ["kitten", "kittens", "purrs"])
def test_a_word_that_is_in_a_text_or_gloss_is_no_slip_for_another(database, typed):
    cat = define("mlatu", "a cat that purrs", ["kitten"])
    define("gluta", "a mitten", ["mitten"])
    define("purdi", "a garden", ["purls"])
    assert [one.id for one in search(database, typed, "word", Wanted("text")).hits] == [cat.id]


def test_a_word_of_another_language_may_be_a_slip_in_this_one(database):
    wanted = define("gluta", "a mitten", ["mitten"])
    define("mlatu", "kitten", ["kitten"], language="de")
    page = search(database, "kitten", "word", Wanted("text", language="en"))
    assert [one.id for one in page.hits] == [wanted.id]
