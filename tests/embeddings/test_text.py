from mrilu.dictionary.markup import plain
from mrilu.embeddings.text import (
    Gloss,
    definition_text,
    message_head,
    message_piece,
    sentence_text,
    text_hash,
)


def test_gloss_words_come_first_and_place_keywords_last():
    glosses = [Gloss("cat", "", 0), Gloss("breed", "of animals", 2)]
    text = definition_text("gismu", "$x_{1}$ is a cat of breed $x_2$.", "See {tirxu}.", glosses)
    assert text == "cat. x1 is a cat of breed x2. breed (of animals)"


def test_notes_are_read_where_there_is_no_gloss_and_they_do_not_outweigh_the_definition():
    assert definition_text("cmavo", "a long enough definition", "a short note", []) == (
        "a long enough definition. a short note"
    )
    assert definition_text("cmavo", "short", "a note that is far longer", []) == "short"


def test_names_are_marked():
    assert definition_text("cmevla", "London.", "", [Gloss("London", "", 0)]).startswith(
        "name. London"
    )


def test_a_gloss_that_is_listed_twice_is_read_once():
    assert definition_text("gismu", "", "", [Gloss("go", "", 0), Gloss("go", "", 0)]) == "go"


def test_an_empty_definition_has_no_text():
    assert definition_text("gismu", "", "", []) == ""


def test_markup_of_places_and_links_is_taken_out():
    assert plain("$x_{1}$=$k_2$ goes to {klama}\n  by $x_{10}$") == "x1=k2 goes to klama by x10"


def test_an_amount_of_dollars_without_an_end_stays():
    assert plain("costs 5$") == "costs 5$"


def test_each_piece_of_a_message_stands_under_its_subject():
    assert message_piece(message_head("  memory \n leak "), "it\n grows") == "memory leak\nit grows"
    assert message_piece("", " text ") == "text" and message_piece("subject", "  ") == "subject"


def test_sentences_are_read_in_english():
    assert sentence_text(" What\thappened? ") == "What happened?"


def test_equal_texts_have_equal_hashes_and_any_text_has_one():
    assert text_hash("a") == text_hash("a") != text_hash("b")
    assert text_hash("\ud800")
