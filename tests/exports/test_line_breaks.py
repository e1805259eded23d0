"""No run of characters is too long for its column, and nothing else is touched."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrilu.dictionary.markup import spans
from mrilu.exports.line_breaks import LONG, breakable, breakable_spans


def marked(text: str) -> str:
    return text.replace("\u200b", "|").replace("\u00ad", "~")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("short words and one-of-many, 12345678901234567890", None),
        ("internationalization", None),
        ("日本語" * 20, None),
        ("ζ = 1.202056903159594285399…", "ζ = 1.|202|056|903|159|594|285|399…"),
        (
            "http://www.example.org/a_path?and=query",
            "http:|//|www.|example.|org/|a_|path?|and=|query",
        ),
        ("samjavyfonxypliduskemjuglerci", "samjavyfonxyp~liduskemjuglerci"),
        ("a" * 50, "~".join(["a" * 20, "a" * 20, "a" * 10])),
        ("a'" * 30, "|".join(["a'" * 10] * 3)),
        ("e\u0302" * 30, "|".join(["e\u0302" * 10] * 3)),
        ("W" * 24, "W" * 20 + "~" + "W" * 4),
        ("(1-2-3-4-5-6-7-8-9-10-11)", "(1-|2-|3-|4-|5-|6-|7-|8-|9-|10-|11)"),
    ],
)
def test_long_runs_may_be_broken_where_people_would(text, expected):
    assert marked(breakable(text)) == (text if expected is None else expected)


def test_a_run_over_several_spans_is_broken_before_none_that_is_lowered():
    shown = breakable_spans(spans("$x_1$=$x_2$=$x_3$=$x_4$=$x_5$=$x_6$=$x_7$=$x_8$ is {mlatu}"))
    assert marked("".join(one.text for one in shown)) == "x1=|x2=|x3=|x4=|x5=|x6=|x7=x8 is mlatu"
    assert [one.kind for one in shown] == [
        one.kind for one in spans("$x_1$=$x_2$=$x_3$=$x_4$=$x_5$=$x_6$=$x_7$=$x_8$ is {mlatu}")
    ]


@given(st.text(alphabet="aeiou'bB.W_1/日\u0301 -", max_size=120))
def test_no_piece_is_longer_than_allowed_and_no_letter_is_lost(text):
    broken = breakable(text)
    assert re.sub("[\u00ad\u200b]", "", broken) == text
    letters = re.sub("[日\u0301]", " ", broken)
    assert max(map(len, re.split(r"[\s\u00ad\u200b]", letters))) <= LONG
