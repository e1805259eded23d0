"""Runs of combining marks are cut before they are sorted."""

from __future__ import annotations

import sys
import unicodedata

from mrilu.search.fold import fold
from mrilu.text import marks
from mrilu.text.marks import MOST_MARKS, limit_marks
from tests.mail.test_linear import assert_linear


def test_no_more_marks_than_a_letter_can_have_stay() -> None:
    assert limit_marks("e" + "\u0301\u05b0" * 100 + "x") == "e" + "\u0301\u05b0" * 15 + "x"
    for text in ("café", "e\u0301", "\u3099" * MOST_MARKS, "日本語", "abc", ""):
        assert limit_marks(text) == text


def test_every_mark_of_unicode_counts() -> None:
    for number in range(0x110000):
        if unicodedata.combining(chr(number)):
            assert len(limit_marks(chr(number) * 100)) == MOST_MARKS


def test_text_of_marks_alone_is_folded_in_linear_time() -> None:
    assert_linear(lambda raw: fold(raw.decode()), lambda n: "\u0591\u05b0".encode() * n, 5000)


def test_no_mark_lies_outside_of_the_planes_that_are_looked_at() -> None:
    everywhere = set(range(sys.maxunicode + 1)) - set(marks._MAY_BE_MARKS)
    assert not any(unicodedata.combining(chr(number)) for number in everywhere)
