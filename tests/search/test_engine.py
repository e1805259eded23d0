"""Search over a small archive and dictionary on a real database, with an encoder that shares words."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from jobs import embed_missing as job
from models import Message
from mrilu.embeddings.model import EncoderMissing
from mrilu.search.engine import KINDS, Wanted, search
from mrilu.search.grammar import QueryError
from tests.embeddings.made import define, pair
from tests.factories import mail
from tests.search.made import NEW, OLD, encode, found, receive
from tests.search.test_grammar import ANYTHING


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("fish", {"1@x"}),
        ("FISHES", {"1@x"}),
        ("cats fish", {"1@x"}),
        ('"eat fish"', {"1@x"}),
        ('"fish eat"', set()),
        ("fish OR figure", {"1@x", "2@x"}),
        ("from:ann", {"1@x"}),
        ("from:bob@", {"2@x"}),
        ("from:ann OR from:bob", {"1@x", "2@x"}),
        ("-from:ann list:a", set()),
        ("to:eve", {"3@x"}),
        ("to:eve@y -to:ann", {"3@x"}),
        ("list:b", {"2@x", "3@x", "4@x"}),
        ("list:b.x -cafe", {"2@x"}),
        ("list:b. ", set()),
        ("subject:feeding", {"1@x"}),
        ("subject:fish", set()),
        ("before:2004", {"1@x"}),
        ("after:2004 figure", {"2@x"}),
        ("before:2003-10-06", set()),
        ("after:2003-10-06 before:2003-10-07", {"1@x"}),
        ("has:attachment", {"2@x"}),
        ("cats.png", {"2@x"}),
        ("is:thread", {"3@x", "4@x"}),
        ("-is:thread list:b", {"2@x"}),
        ("cafe", {"3@x", "4@x"}),
        ("CAFÉ", {"3@x", "4@x"}),
        ("a'u", {"3@x"}),
        (".a’u", {"3@x"}),
        ("ahu", {"3@x"}),
        ("日本", {"4@x"}),
        ("本日", set()),
        ("from:100%", set()),
        ("from:_nn", set()),
        ("the", set()),
        ("the fish", {"1@x"}),
    ],
)
def test_operators_and_words_find_what_they_say(database, archive, query, ids):
    assert set(found(database, query)) == ids


def test_quoted_lines_are_not_searched(database, archive):
    assert found(database, "rodo") == ["3@x"] and "4@x" not in found(database, "le")


def test_a_message_id_is_answered_directly_with_or_without_brackets(database, archive):
    for query in ("<3@x>", "3@x"):
        page = search(database, query)
        assert page.hits[0].message_id == "3@x" and page.hits[0].found_by == ("direct",)


def test_subject_counts_more_than_text_and_then_newer_counts_more(database, root):
    receive(
        root,
        mail("<text@x>", subject="other", body="zebras and more\n", date=NEW),
        mail("<subject@x>", subject="zebras", body="and more\n", date=OLD),
        mail("<old@x>", subject="other", body="zebras and more\n", date=OLD),
    )
    assert found(database, "zebras") == ["subject@x", "text@x", "old@x"]


def test_with_few_hits_for_all_words_those_for_some_follow_rare_words_first(database, root):
    bodies = {"all": "alpha beta gamma", "rare": "alpha gamma", "common": "beta", "none": "delta"}
    receive(
        root, *(mail(f"<{name}@x>", subject="", body=f"{body}\n") for name, body in bodies.items())
    )
    assert found(database, "alpha beta gamma") == ["all@x", "rare@x", "common@x"]


def test_pages_do_not_overlap_and_keep_their_order(database, root):
    receive(root, *(mail(f"<{number}@x>", body="zebra words\n", date=NEW) for number in range(25)))
    pages = [found(database, "zebra", limit=10, offset=offset) for offset in (0, 10, 20)]
    joined = [one for page in pages for one in page]
    assert [len(page) for page in pages] == [10, 10, 5] and len(set(joined)) == 25
    assert joined == found(database, "zebra", limit=100)


def test_by_thread_one_hit_stands_for_all_of_its_thread(database, archive):
    page = search(database, "cafe OR fish", "message", Wanted(mode="text", by_thread=True))
    assert {one.in_thread for one in page.hits} == {1, 2} and page.total == 2


def test_snippets_mark_the_words_in_own_text(database, archive):
    hit, *_ = search(database, "subject:cafés rodo", "message", Wanted(mode="text")).hits
    assert [one.text for one in hit.snippet if one.hit] == ["rodo", "café"]


def test_meaning_finds_what_no_word_of_the_query_is_in(database, root, encoder):
    receive(
        root,
        mail("<1@x>", subject="cats", body="purring\n"),
        mail("<2@x>", subject="tax", body="law\n"),
    )
    job.embed_missing()
    same = lambda model, text: encoder.encode(["cats purring"])[0].tolist()  # noqa: E731
    page = search(database, "felines", "message", Wanted(mode="fused"), same)
    assert [(one.message_id, one.found_by) for one in page.hits][0] == ("1@x", ("meaning",))


def test_what_text_and_meaning_both_find_comes_first(database, encoder):
    both, text = define("a", "a cat that purrs"), define("b", "to purr is nothing, it purrs purrs")
    meaning = define("c", "cat purring")
    job.embed_missing()
    near = lambda model, words: encoder.encode(["a cat that purrs cat purring"])[0].tolist()  # noqa: E731
    page = search(database, "purrs that", "word", Wanted(), near)
    assert page.hits[0].id == both.id and set(page.hits[0].found_by) == {"text", "meaning"}
    assert {one.id for one in page.hits} == {both.id, text.id, meaning.id}


def test_conditions_hold_for_hits_by_meaning_too(database, archive, encoder):
    job.embed_missing()
    for query, ids in {
        "fish from:bob": {"2@x"},
        "cats -fish list:a": set(),
        'cats "eat fish"': {"1@x"},
    }.items():
        page = search(database, query, "message", Wanted(mode="meaning"), encode(encoder))
        assert {one.message_id for one in page.hits} <= ids


def test_without_an_encoder_text_answers_with_a_notice(database, archive, encoder):
    def missing(model, text):
        raise EncoderMissing("not installed yet")

    assert search(database, "fish").notices == [
        "nothing has been embedded yet: these hits are by text alone"
    ]
    job.embed_missing()
    for mode in ("fused", "meaning"):
        page = search(database, "fish", "message", Wanted(mode=mode), missing)
        assert [one.message_id for one in page.hits] == ["1@x"]
        assert page.notices == ["these hits are by text alone: not installed yet"]
    assert search(database, "fish", "message", Wanted(mode="text")).notices == []


def test_words_are_found_by_gloss_definition_and_name(database):
    cat = define("mlatu", "$x_1$ is a cat/puss/kitten", ["cat"])
    define("gerku", "$x_1$ is a dog that hates a cat", ["dog"])
    pages = {
        query: search(database, query, "word", Wanted("text")).hits
        for query in ("cat", "kitten", "mlatu")
    }
    assert all(hits[0].id == cat.id for hits in pages.values())
    assert pages["mlatu"][0].found_by == ("direct",) and pages["cat"][0].glosses == ("cat",)


@pytest.mark.parametrize("typed", ["la'e", "lahe", ".la'e", "la’e", "LA'E"])
def test_a_word_with_an_apostrophe_is_found_however_it_is_typed(database, typed):
    wanted = define("la'e", "the referent of")
    define("la'edi'u", "the last sentence's referent")
    assert search(database, typed, "word").hits[0].id == wanted.id


@pytest.mark.parametrize("typed", ["mltau", "mlatuu", "mlaut", "kiten"])
def test_a_word_with_a_slip_is_found(database, typed):
    cat = define("mlatu", "a cat", ["kitten"])
    define("gerku", "a dog", ["dog"])
    assert [one.id for one in search(database, typed, "word").hits] == [cat.id]


def test_words_of_one_language_only(database, encoder):
    english, german = (
        define("mlatu", "cat", language="en"),
        define("mlatu", "Katze cat", language="de"),
    )
    job.embed_missing()
    for tag, wanted in {"en": [english.id], "de": [german.id], "fr": []}.items():
        page = search(database, "cat", "word", Wanted(language=tag), encode(encoder))
        assert [one.id for one in page.hits] == wanted


def test_words_that_are_gone_are_not_found(database):
    cat = define("mlatu", "a cat")
    cat.gone_at = cat.added_at
    cat.save(only=["gone_at"])
    assert search(database, "mlatu", "word").hits == search(database, "cat", "word").hits == []


def test_sentences_are_found_in_both_languages(database):
    wanted = pair("coi .a'o do", "I hope you are well")
    for query in ("hopes", "a'o", "ahoh OR aho"):
        assert [one.id for one in search(database, query, "sentence").hits] == [wanted]


def test_operators_of_mail_are_refused_elsewhere(database):
    with pytest.raises(QueryError, match="from: is for messages only") as caught:
        search(database, "cat from:ann", "word")
    assert caught.value.column == 5


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150
)
@given(ANYTHING, st.sampled_from(KINDS))
@example("'); DELETE FROM message; -- from:'x", "message")
@example("\\' | & ! <-> :* :A ' (", "message")
@example('from:\\ list:{} to:"\'"', "message")
@example("''' ' \\\\ \\", "word")
def test_no_input_reaches_sql_or_raises_anything_but_the_query_error(database, text, kind):
    before = Message.select().count()
    for how in (Wanted("text"), Wanted(by_thread=True)):
        try:
            search(database, text, kind, how, lambda model, text: [0.0])
        except QueryError:
            pass
    assert Message.select().count() == before


def test_hostile_lexemes_keep_their_quotes(database, root):
    receive(root, mail("<1@x>", subject="it's \\ nearby", body="x\n"))
    for query in (
        "it's",
        "subject:it's",
        "subject:\\",
        'subject:"it\'s \\\\ nearby"',
        "it's OR subject:nearby",
    ):
        search(database, query, "message", Wanted("text"))
    assert found(database, "subject:nearby") == ["1@x"]


def test_a_message_id_without_an_at_sign_is_answered_directly_in_its_brackets(database, root):
    receive(root, mail("<odd.id.7>", body="x\n"), mail("<1@x>", body="see odd.id.7 x\n"))
    hits = search(database, "<odd.id.7>", "message", Wanted("text")).hits
    assert (hits[0].message_id, hits[0].found_by) == ("odd.id.7", ("direct",))


def test_an_apostrophe_beside_a_letter_with_an_accent_is_one_too(database, root):
    receive(root, mail("<1@x>", subject="zo e'ú", body="ni e\u0301'u\n"))
    wanted = pair("coi .e'ú", "please")
    for query in ("e'u", "e'ú", "ehu"):
        assert found(database, query) == ["1@x"]
        assert [one.id for one in search(database, query, "sentence").hits] == [wanted]
