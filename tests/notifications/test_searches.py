import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mrilu.notifications.searches import required_lexemes

RARE = {"rare": 0.001, "rarer": 0.0001}


def rarity(lexeme: str) -> float:
    return RARE.get(lexeme, 0.5)


@pytest.mark.parametrize(
    ("tsquery", "lexemes"),
    [
        ("'coi'", {"coi"}),
        ("'common' & 'rare'", {"rare"}),
        ("'rare' & 'rarer' & 'common'", {"rarer"}),
        ("'a' | 'b'", {"a", "b"}),
        ("'rare' & ( 'a' | 'b' )", {"rare"}),
        ("( 'a' | 'rare' ) & 'common'", {"common"}),
        ("'rare' <-> 'x' & !'y'", {"rare"}),
        ("'a' <3> 'rarer'", {"rarer"}),
        ("!'spam'", None),
        ("'a' | !'spam'", None),
        ("!( 'a' & 'b' ) & 'c'", {"c"}),
        ("'it''s' & !'\\\\x'", {"it's"}),
        ("'pre':*", None),
        ("'rare':AB", {"rare"}),
        ("", None),
    ],
)
def test_a_match_has_one_of_these_lexemes(tsquery, lexemes):
    found = required_lexemes(tsquery, rarity)
    assert found == (None if lexemes is None else frozenset(lexemes))


@pytest.mark.parametrize("text", ["'a' &", "'a", "( 'a'", "'a' 'b'", "a", "& 'a'"])
def test_what_is_no_tsquery_is_an_error(text):
    with pytest.raises(ValueError, match="tsquery"):
        required_lexemes(text, rarity)


words = st.sampled_from(
    ["alpha", "beta", "gamma", "-alpha", "-beta", "or", '"alpha beta"', "delta", '-"beta gamma"']
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(words, max_size=6).map(" ".join),
    st.lists(st.sampled_from(["alpha", "beta", "gamma", "delta"])),
)
def test_whatever_postgresql_matches_has_a_required_lexeme(database, query, text):
    tsquery, matches, lexemes = database.execute_sql(
        "SELECT q::text, v @@ q, tsvector_to_array(v) FROM websearch_to_tsquery('mrilu', %s) AS q, "
        "to_tsvector('mrilu', %s) AS v",
        (query, " ".join(text)),
    ).fetchone()
    required = required_lexemes(tsquery, rarity)
    if matches and required is not None:
        assert required & set(lexemes)
