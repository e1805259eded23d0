import re

from hypothesis import given
from hypothesis import strategies as st

from mrilu.embeddings.chunks import batches, pieces

TEXTS = st.text(alphabet="ab .!?\n", max_size=300)


def words(text: str) -> list[tuple[int, int]]:
    return [match.span() for match in re.finditer(r"\S+", text)]


@given(TEXTS, st.integers(1, 20), st.integers(1, 6))
def test_pieces_follow_each_other_within_the_budget_and_lose_no_token(text, budget, most):
    tokens = words(text)
    spans = pieces(text, tokens, budget, most)
    inside = [[one for one in tokens if start <= one[0] and one[1] <= end] for start, end in spans]
    assert len(spans) <= most and all(1 <= len(some) <= budget for some in inside)
    joined = [one for some in inside for one in some]
    assert joined == tokens[: len(joined)]
    assert len(joined) == len(tokens) or len(spans) == most


def test_a_piece_ends_at_a_paragraph_rather_than_a_sentence():
    text = "one two three. four\n\nfive six. seven eight"
    (start, end), second = pieces(text, words(text), 6, 2)
    assert text[start:end] == "one two three. four" and text[second[0] :].startswith("five")


def test_a_piece_without_a_good_place_to_cut_is_full():
    text = "a b c d e f g h"
    assert [text[start:end] for start, end in pieces(text, words(text), 3, 9)] == [
        "a b c",
        "d e f",
        "g h",
    ]


def test_no_tokens_make_no_piece():
    assert pieces("", [], 10, 3) == []


@given(st.lists(st.integers(0, 300), max_size=80), st.integers(1, 600))
def test_batches_hold_each_text_once_and_keep_the_budget_unless_a_text_is_alone(lengths, budget):
    made = batches(lengths, budget)
    assert sorted(number for batch in made for number in batch) == list(range(len(lengths)))
    for batch in made:
        assert (
            len(batch) == 1 or len(batch) * max(1, *(lengths[number] for number in batch)) <= budget
        )


def test_neighbours_in_length_share_a_batch():
    assert batches([1, 9, 2, 8], 18) == [[1, 3], [2, 0]]
