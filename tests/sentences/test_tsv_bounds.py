"""Lines that are made to take the square of their length, or memory without end."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mrilu.sentences import tsv
from mrilu.sentences.tsv import MAX_LINE_BYTES, MuplisUnreadable, plain, read_pairs
from tests.mail.test_linear import assert_linear

TEXTS: dict[str, Callable[[int], str]] = {
    "tags that never end": lambda n: "<a " * (n // 3),
    "names that never end": lambda n: "<" + "a" * n,
    "comments": lambda n: "<!--" * (n // 4),
    "ends of comments": lambda n: "<!--" + "-->" * (n // 3),
    "scripts": lambda n: "<script>" * (n // 8),
    "ends of scripts": lambda n: "</script>" * (n // 9),
    "quotes": lambda n: "<a b=\"'" * (n // 7),
    "references": lambda n: "&#" + "9" * n,
    "ampersands": lambda n: "&" * n,
    "declarations": lambda n: "<!" * (n // 2),
    "marks": lambda n: "a" + "\u0591\u05b0" * (n // 2),
    "blanks": lambda n: "<" + " " * n,
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_sentence_is_read_in_time_in_line_with_its_size(name: str) -> None:
    def read(raw: bytes) -> None:
        try:
            plain(raw.decode())
        except ValueError:
            pass

    assert_linear(read, lambda n: TEXTS[name](n).encode(), 50_000)


@pytest.mark.parametrize("line", [b"a\tb\t\n", b"\n", b"\r", b"a\n", b"\t\t\n"])
def test_lines_without_end_are_refused_early(monkeypatch, line: bytes) -> None:
    monkeypatch.setattr(tsv, "MAX_LINES", 100)
    with pytest.raises(MuplisUnreadable, match="more than 100 lines"):
        read_pairs(line * 1000)


def test_a_long_line_is_skipped_with_its_number() -> None:
    good = "".join(f"coi {n}\tHello {n}\t\n" for n in range(20)).encode()
    found = read_pairs(good + b"a" * MAX_LINE_BYTES + b"\tb\t\n" + b"coi\tlast\n")
    assert [one.line for one in found.skipped] == [21] and found.pairs[-1].english == "last"


def test_lines_may_end_in_any_way() -> None:
    assert [pair.line for pair in read_pairs(b"a\tb\r\nc\td\re\tf\n\ng\th").pairs] == [1, 2, 3, 5]
