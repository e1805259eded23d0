"""No entry of the parser takes more than linear time for any prefix, pump and suffix that were tried."""

from __future__ import annotations

import re
from itertools import islice

import pytest

from tests.mail import pumps
from tests.mail.pumps import ENTRIES, Case, TooSlow, assert_linear, cases

SHAPES = 60  # of each entry; .ci/run tries others for a minute


@pytest.mark.parametrize("entry", ENTRIES)
def test_generated_mails_take_time_in_line_with_their_size(entry: str) -> None:
    for case in islice(cases(entry, "every run"), SHAPES):
        assert_linear(case)


def test_a_header_that_ends_in_blanks_without_a_line_end_takes_time_in_line_with_them() -> None:
    assert_linear(Case("nested", b"=>Re: ", b"\t", b"|"))
    assert_linear(Case("nothing else", b"X: ", b" ", b"|"))


def test_a_pattern_that_tries_every_split_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The List-Id's as it was: two classes that share letters."""
    slow = re.compile(r"(?:[\w.+-]|[^\x00-\x7f\s]){1,255}")
    monkeypatch.setattr("mrilu.mail.headers.mailing_list._NAME", slow)
    monkeypatch.setattr(pumps, "ALARM_SECONDS", 0.5)
    with pytest.raises(TooSlow):
        assert_linear(Case("List-Id", b"", "é".encode(), b" "))


def test_a_pattern_that_takes_the_square_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = re.compile(r"[^\s@]+@")
    monkeypatch.setattr("tests.mail.pumps.is_mbox", lambda raw: slow.findall(raw.decode("latin-1")))
    monkeypatch.setattr(pumps, "FLOOR_SECONDS", 0.05)
    with pytest.raises(TooSlow):
        assert_linear(Case("text", b"", b"a", b""))
