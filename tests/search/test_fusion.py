from hypothesis import given
from hypothesis import strategies as st

from mrilu.search.fusion import K, Ranking, fuse, grouped

IDS = st.lists(st.integers(1, 30), unique=True, max_size=20)
RANKINGS = st.dictionaries(st.sampled_from("abc"), IDS.map(lambda ids: dict.fromkeys(ids, 1.0)))


def ranking(*ids: int, weight: float = 1.0) -> Ranking:
    return dict.fromkeys(ids, weight)


@given(RANKINGS)
def test_every_id_comes_once_and_scores_fall(rankings):
    fused = fuse(rankings)
    assert sorted(one.id for one in fused) == sorted(
        {one for ids in rankings.values() for one in ids}
    )
    assert all(before.score >= after.score for before, after in zip(fused, fused[1:], strict=False))


def test_what_both_rankings_like_comes_before_what_one_likes_best():
    assert [one.id for one in fuse({"text": ranking(1, 2), "meaning": ranking(3, 2)})] == [2, 3, 1]


def test_scores_are_reciprocal_ranks_and_tell_who_found_it():
    (one, *_) = fuse({"text": ranking(7), "meaning": ranking(8, 7)})
    assert (
        one.id == 7
        and one.score == 1 / (K + 1) + 1 / (K + 2)
        and one.found_by == ("text", "meaning")
    )


def test_weights_count():
    assert [one.id for one in fuse({"a": ranking(1), "b": ranking(2, weight=2.0)})] == [2, 1]


def test_a_group_stands_where_its_first_member_stood():
    assert grouped({1: 0.5, 2: 0.4, 3: 0.3}, {1: 10, 2: 20, 3: 10}) == {10: 0.5, 20: 0.4}
