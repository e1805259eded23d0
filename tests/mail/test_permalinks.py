"""Hashes of Message-IDs, as Mailman 3 makes them."""

from hypothesis import given
from hypothesis import strategies as st

from mrilu.mail.permalinks import hash_of, permalink_in, permalink_of


def test_the_hash_is_the_one_that_mailman_writes() -> None:
    # The example of the documentation of X-Message-ID-Hash (Mailman 3, "Message-ID hash").
    assert hash_of("first") == "4CMWUN6BHVCMHMDAOSJZ2Q72G5M32MWB"


@given(st.text())
def test_the_number_is_found_again_from_the_hash_in_any_letter_case(message_id: str) -> None:
    assert permalink_in(hash_of(message_id)) == permalink_of(message_id)
    assert permalink_in(hash_of(message_id).lower()) == permalink_of(message_id)


@given(st.text(max_size=40))
def test_no_other_text_is_taken_for_a_hash(text: str) -> None:
    number = permalink_in(text)
    assert number is None or (len(text) == 32 and -(2**63) <= number < 2**63)
