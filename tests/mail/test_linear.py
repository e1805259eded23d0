"""Twice the bytes take about twice the time, whatever a hostile mail repeats."""

import gc
import time
from collections.abc import Callable

import pytest

from mrilu.mail.mbox import is_mbox
from mrilu.mail.message import RejectedMail
from mrilu.mail.parse import parse_message
from tests.mail.letters import HEADER

# Four times the bytes take 4 times as long where time is linear, and 16 times where it grows with the square.
TIMES, MOST = 4, 7
# Below this a measurement tells nothing; a linear pattern reads these sizes in a few hundredths of a second.
FLOOR_SECONDS = 0.2

MIXED = b'Content-Type: multipart/mixed; boundary="b"\n'
STALLS: dict[str, tuple[int, Callable[[int], bytes]]] = {
    "uuencode": (1500, lambda n: HEADER + b"\nbegin 644" + b" " * n + b"x" * 300 + b"\n"),
    "open quote": (10_000, lambda n: b'From: "' + b"a" * n + b"\nSubject: x\n\nx\n"),
    "open quote, at signs": (10_000, lambda n: b'From: "<' + b"@" * n + b"\nSubject: x\n\nx\n"),
    "uuencode, a name and tabs": (
        1500,
        lambda n: HEADER + b"\nbegin 644 x" + b"\t" * n + b"x\n",
    ),
    "open quote, addresses": (10_000, lambda n: b'From: "' + b"a@" * n + b"\nSubject: x\n\nx\n"),
    "words with at signs": (
        10_000,
        lambda n: b"From: a@example.org\nMessage-ID: b " + b"a@" * n + b"\n\nx\n",
    ),
    "two words": (10_000, lambda n: b"From: a@example.org\nMessage-ID: " + b"a" * n + b" b\n\nx\n"),
    "commas in a name": (
        10_000,
        lambda n: b"From: " + b'a, "' * n + b"<a@example.org>\n\nx\n",
    ),
    "folds in an address": (5000, lambda n: b"From: a@b" + b"\n .c" * n + b"\n\nx\n"),
    "delimiters in a header": (
        2000,
        lambda n: HEADER + MIXED + b"--c\n" * n + b"--b\n\nx\n--b--\n",
    ),
    "closing delimiters": (
        300,
        lambda n: HEADER + MIXED + b"\n" + b"--b\n\nx\n--b--\n" * min(n, 900),
    ),
    "boundaries used again": (
        1000,
        lambda n: HEADER + MIXED + b"\n" + (b"--b\n" + MIXED + b"\n") * n + b"--b--\n" * n,
    ),
    "dashes": (20_000, lambda n: HEADER + MIXED + b"\n--b\n" + MIXED + b"\n" + b"--\n" * n),
    "a calendar": (
        20_000,
        lambda n: HEADER + b"Content-Type: text/calendar\n\nBEGIN:VEVENT\nX" + b';a="b' * n,
    ),
    "events": (
        3000,
        lambda n: HEADER + b"Content-Type: text/calendar\n\n" + b"BEGIN:VEVENT\nSUMMARY:a\n" * n,
    ),
    "BER in BER": (
        50_000,
        lambda n: HEADER + b"Content-Type: application/pkcs7-mime\n\n" + b"\x30\x80" * n,
    ),
    "BER in pieces": (
        20_000,
        lambda n: (
            HEADER
            + b"Content-Type: application/pkcs7-mime\n\n\x30\x80\x06\x09*\x86H\x86\xf7\r\x01\x07\x02\xa0\x80"
            + b"\x30\x80\x02\x01\x01\x31\x00\x30\x80\x06\x01x\xa0\x80\x24\x80"
            + b"\x04\x01a" * n
            + b"\0" * 12
        ),
    ),
    "escaped quotes": (
        4900,
        lambda n: HEADER + b'Content-Type: text/plain; x="' + b'\\"' * (n // 2) + b"\n\nx\n",
    ),
}


def seconds(read: Callable[[bytes], object], raw: bytes) -> float:
    """Processor time, the better of two; without Python's collector, which looks at what all tests left."""
    took = []
    gc.collect()
    gc.disable()
    try:
        for _ in range(2):
            start = time.process_time()
            try:
                read(raw)
            except RejectedMail:
                pass
            took.append(time.process_time() - start)
    finally:
        gc.enable()
    return min(took)


def assert_linear(read: Callable[[bytes], object], make: Callable[[int], bytes], size: int) -> None:
    """Reading grows with the bytes, not with their square; a busy machine is given three looks."""
    small, large = make(size), make(size * TIMES)
    for _ in range(3):
        once, more = seconds(read, small), seconds(read, large)
        if more <= max(FLOOR_SECONDS, MOST * once):
            return
    raise AssertionError(f"{once:.3f} s grow to {more:.3f} s")


@pytest.mark.parametrize("name", STALLS)
def test_a_mail_that_stalled_the_parser_takes_time_in_line_with_its_size(name: str) -> None:
    size, make = STALLS[name]
    assert_linear(parse_message, make, size)


def test_clocks_in_a_from_line_take_time_in_line_with_their_number() -> None:
    assert_linear(is_mbox, lambda n: b"From a" + b" 1:11" * n, 2000)
    assert is_mbox(b"From a 1:11 10:00 2021\n")


HTML: dict[str, tuple[int, Callable[[int], str]]] = {
    "attributes": (
        10_000,
        lambda n: "<p " + " ".join(f"a{number}=1" for number in range(n)) + ">word",
    ),
    "attributes behind a comment": (
        10_000,
        lambda n: (
            "<!--<a x='--><p y=\" z'>" + "".join(f"{number} " for number in range(n)) + '">word'
        ),
    ),
    "options": (8000, lambda n: "<select>" + "<option></option>" * n + "</select>word"),
    "formatting": (
        5000,
        lambda n: (
            "<p>" + "".join(f"<b id={number}>" for number in range(400)) + "<p>x</p>" * n + "word"
        ),
    ),
    "formatting in little": (
        500,
        lambda n: (
            "<p>" + "".join(f"<b id={number}>" for number in range(n // 3)) + "<p>x" * n + "word"
        ),
    ),
    "no ends": (30_000, lambda n: "<span></x>" * n + "word"),
    "styles": (30_000, lambda n: "<style>" * n + "word"),
    "open quotes": (20_000, lambda n: "word" + "<a b=\"'" * n),
    "tables": (8000, lambda n: "<table>" * n + "word"),
    "hidden": (5000, lambda n: "<div hidden>" * n + "x" + "</div>" * n + "word"),
    "style sheets": (5000, lambda n: "<style " * n + "display:none>" + ".a{" * n + "</style>word"),
    "rules": (
        3000,
        lambda n: "<style>" + ",.a" * n + "{display:none}</style>" + "<p class=b>word" * n,
    ),
    "indentations": (3000, lambda n: "<blockquote style='margin:0'>" * n + "word"),
    "comments": (50_000, lambda n: "word<!-" + "<!--" * n),
}


@pytest.mark.parametrize("name", HTML)
def test_html_takes_time_in_line_with_its_size_and_keeps_its_words(name: str) -> None:
    size, make = HTML[name]
    head = HEADER + b"Content-Type: text/html\n\n"
    assert_linear(parse_message, lambda n: head + make(n).encode(), size)
    if name != "styles":
        assert "word" in parse_message(head + make(size * TIMES).encode()).body


TEXTS: dict[str, tuple[int, Callable[[int], str]]] = {
    "fields": (20_000, lambda n: "From: x\n" * n),
    "colons": (20_000, lambda n: "a 12:00 word:\n" * n),
    "attributions": (10_000, lambda n: "On 9 Nov 2021 Bob wrote:\n" * n),
    "signatures": (5000, lambda n: "-- \nOn 9 Nov 2021 Bob wrote:\n> x\n\n" * n),
    "notes": (5000, lambda n: "> q\nSent from Outlook for iOS\n" * n),
    "rules": (5000, lambda n: ("_" * 30 + "\n") * n),
    "blanks": (50_000, lambda n: "x\n" + " " * n + "\n" * n + "To unsubscribe from"),
    "equals": (10_000, lambda n: "> a=" + "b " * n + "\n" + "> a=b c\n" * n),
    "fillers": (20_000, lambda n: "a \u200b" * n + " " * n + "\u200b" * n),
    "charsets": (5000, lambda n: "ü\n\udcfc\n" * n + "\udced\udca0" * n),
}


@pytest.mark.parametrize("name", TEXTS)
def test_telling_own_words_takes_time_in_line_with_the_text(name: str) -> None:
    size, make = TEXTS[name]
    assert_linear(
        parse_message, lambda n: HEADER + b"\n" + make(n).encode("utf-8", "surrogateescape"), size
    )
