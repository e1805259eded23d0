from hypothesis import given
from hypothesis import strategies as st

from search.fusion import K, fuse

RANKINGS = st.dictionaries(st.sampled_from("abc"), st.lists(st.integers(1, 30), unique=True, max_size=20))


@given(RANKINGS)
def test_every_id_comes_once_and_scores_fall(rankings):
    fused = fuse(rankings)
    assert sorted(one.id for one in fused) == sorted({one for ids in rankings.values() for one in ids})
    assert all(before.score >= after.score for before, after in zip(fused, fused[1:], strict=False))


def test_what_both_rankings_like_comes_before_what_one_likes_best():
    assert [one.id for one in fuse({"text": [1, 2], "meaning": [3, 2]})] == [2, 3, 1]


def test_scores_are_reciprocal_ranks_and_tell_who_found_it():
    (one, *_) = fuse({"text": [7], "meaning": [8, 7]})
    assert one.id == 7 and one.score == 1 / (K + 1) + 1 / (K + 2) and one.found_by == ("text", "meaning")


def test_weights_count():
    assert [one.id for one in fuse({"a": [1], "b": [2]}, {"a": 1, "b": 2})] == [2, 1]


def test_a_repeated_id_counts_by_its_first_place():
    assert [one.id for one in fuse({"a": [1, 1, 2]})] == [1, 2]
