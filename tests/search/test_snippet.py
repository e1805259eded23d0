from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mrilu.search.fold import fold_apostrophes
from mrilu.search.snippet import LENGTH, cut, fold_with_origins, make_snippets

WRITTEN = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=200)


def marked(db, text: str, tsquery: str) -> list[str]:
    return [one.text for one in make_snippets(db, [text], tsquery)[0] if one.hit]


def shown(db, text: str, tsquery: str, start: int = 0) -> str:
    return "".join(one.text for one in make_snippets(db, [text], tsquery, [start])[0])


def test_words_are_marked_in_the_text_as_it_was_written(database):
    assert marked(database, "Les cafés d'Élise", "'cafe' | 'elis'") == ["cafés", "Élise"]
    assert marked(database, "coi .a'u la’e", "'ahu' | 'lahe'") == ["a'u", "la’e"]
    assert marked(database, "これは日本語です", "'日' <-> '本' <-> '語'") == ["日", "本", "語"]


def test_a_snippet_is_about_the_place_where_the_words_are_close(database):
    text = "cats " + "filler " * 100 + "here cats purr loudly " + "filler " * 100
    line = shown(database, text, "'cat' & 'purr'")
    assert (
        "cats purr" in line
        and line.startswith("… ")
        and line.endswith(" …")
        and len(line) < LENGTH + 10
    )


def test_without_any_of_the_words_it_begins_where_the_meaning_was_found(database):
    text = "first part. second part begins here"
    assert shown(database, text, "'absent'", 12).startswith("second part")
    assert shown(database, text, "", 0) == text


def test_lines_are_joined(database):
    assert shown(database, "one\n\n  two\tthree", "") == "one two three"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(WRITTEN)
@example("<b>x</b> http://a.b/c?d cat\x02cat\x03")
@example("a'u’e'o cat ﬁ ガｶﾞ")
def test_any_text_has_a_snippet(database, text):
    (snippet,) = make_snippets(database, [text], "'cat' | 'ahu'")
    assert sum(len(one.text) for one in snippet) <= LENGTH + 10


@given(WRITTEN)
def test_each_folded_letter_knows_where_it_comes_from(text):
    folded, origins = fold_with_origins(text)
    assert len(folded) == len(origins) and all(0 <= one < len(text) for one in origins)
    assert list(origins) == sorted(origins) and len(fold_apostrophes(text)) == len(text)


def test_marks_that_do_not_fit_into_the_window_are_left_out():
    snippet = cut("x" * 1000, [(0, 1000)])
    assert not any(one.hit for one in snippet)
