"""What the database folds by itself must be what Python folds."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mrilu.search.fold import fold, fold_apostrophes

# Letters that this Python's Unicode does not have yet may have another form in the database's.
STORABLE = st.characters(exclude_categories=["Cs", "Cn"], exclude_characters="\x00")
TRICKY = st.sampled_from(
    [
        "a'u",
        "la’e",
        "e'ú",
        "é’u",
        "e\u0301'u\u0300",
        "a＇u",
        "Café",
        "日本語",
        "ガ",
        "ｶﾞ",
        "e\u0301",
        "か\u3099",
        "ﬁ",
        "𠀀",
        "İ",
        "'",
        "aa''ee",
    ]
)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300
)
@given(st.lists(st.one_of(TRICKY, st.text(STORABLE, max_size=10)), max_size=8).map("".join))
def test_the_database_folds_as_python_does(database, text):
    assert database.execute_sql("SELECT folded(%s)", (text,)).fetchone()[0] == fold(text)


def test_apostrophes_of_both_kinds_are_letters_between_vowels_and_nowhere_else():
    assert fold_apostrophes("a'e’i o''u don't 'a b'a a'b ’e'") == "ahehi o''u don't 'a b'a a'b ’e'"
