"""Addresses of people are not spelt out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrilu.web.masking import masked, masked_parts


@pytest.mark.parametrize(
    "address",
    ["ann@people.example", "ann.b+tag@people.example", '"ann b"@people.example', "ann!@people.example",
     "ann@PEOPLE.example", "ann@münchen.example", "ann@[192.0.2.1]", "ann@[IPv6:2001:db8::1]",
     "ann%40people.example", "ann＠people.example", "o'hara@people.example", "ann=b@people.example"],
)  # fmt: skip
@pytest.mark.parametrize(
    "place", ["{}", "<{}>", "ask {}, or", "mailto:{}?subject=x", "https://x.example/?to={}&x"]
)
def test_an_address_is_masked_wherever_it_stands(address: str, place: str) -> None:
    shown = masked(place.format(address)).lower()
    assert "people" not in shown and "münchen" not in shown
    assert "192.0.2.1" not in shown and "db8" not in shown


@pytest.mark.parametrize(
    "text",
    ["@decorator.name", "see @ann.example", "a @ b.c", "5 @ 3.50", "x[@id.y]", "C@", "100%40"],
)
def test_what_is_no_address_stays(text: str) -> None:
    assert masked(text) == text


@given(
    st.lists(
        st.sampled_from(
            ["ann", "@", "people", ".", "example", " ", "/unsubscribe/", "1.2.x", "%40"]
        )
    )
)
def test_parts_of_a_text_are_masked_as_the_whole_of_it(parts: list[str]) -> None:
    assert "".join(masked_parts(parts)) == "".join(masked_parts(["".join(parts)]))


def test_an_address_over_several_parts_is_masked() -> None:
    assert masked_parts(["ask ", "ann", "@people", ".example", " now"]) == [
        "ask ",
        "ann",
        "@…",
        "",
        " now",
    ]
    assert masked_parts(["/unsubscribe/", "1.2", ".x y"]) == ["/unsubscribe/", "…", " y"]


def test_an_address_of_this_machine_is_masked() -> None:
    assert masked("root@localhost, x") == "root@…, x"
