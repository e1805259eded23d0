"""The reader of sentence pairs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrilu.sentences.tsv import MuplisUnreadable, Pair, plain, read_pairs


def test_pairs_come_with_their_rating_and_line() -> None:
    found = read_pairs("coi ro do\tHello all!\t👍\r\n\nco'o\tBye\t\n".encode())
    assert found.pairs == [Pair("coi ro do", "Hello all!", "👍", 1), Pair("co'o", "Bye", "", 3)]
    assert found.skipped == []


def test_a_byte_order_mark_a_missing_rating_and_a_missing_last_newline_are_no_trouble() -> None:
    assert read_pairs(b"\xef\xbb\xbfcoi\tHello").pairs == [Pair("coi", "Hello", "", 1)]


def test_bad_lines_and_pairs_that_come_twice_are_skipped_with_their_numbers() -> None:
    good = "".join(f"coi {n}\tHello {n}\t\n" for n in range(20))
    found = read_pairs(f"{good}one column\na\tb\tc\td\n\tempty\t\ncoi 3\tHello 3\t5\n".encode())
    assert len(found.pairs) == 20
    reasons = [(line, reason.split()[0]) for line, reason in found.skipped]
    assert reasons == [(21, "1"), (22, "4"), (23, "an"), (24, "a")]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<b>coi</b> ro&nbsp;do", "coi ro do"),
        ("a &lt; b &amp; c", "a < b & c"),
        ("2 < 3 > 1", "2 < 3 > 1"),
        ("one<br/>two", "one two"),
        ("x<script>alert('no')</script>y", "xy"),
        ("  tab\x00bed\x07 ", "tabbed"),
        ("e\u0301", "é"),
        ("li'o <!-- note --> .i", "li'o .i"),
    ],
)
def test_markup_is_stripped(text: str, shown: str) -> None:
    assert plain(text) == shown


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "empty"),
        (b"\n\n \n", "empty"),
        (b"<!DOCTYPE html>\n<html><body>404</body></html>\n", "not pairs"),
        ("coi\tcafé\t\n".encode("latin-1"), "not UTF-8: byte 0xe9 in line 1"),
        ("coi\tHello\t\n".encode("utf-16"), "UTF"),
        (b"coi\tHello\t\nco'o\n", "line 2"),
        (b"a,b,c\n" * 100, "100 of its 100 lines"),
    ],
)
def test_what_is_no_list_of_pairs_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(MuplisUnreadable, match=why):
        read_pairs(data)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    try:
        found = read_pairs(data)
    except MuplisUnreadable:
        return
    assert all(pair.lojban and pair.english for pair in found.pairs)
