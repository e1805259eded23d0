"""Mails out of mbox files, also out of those that were put together carelessly."""

import io

import pytest

from mrilu.mail import mbox
from mrilu.mail.mbox import split_mbox

FIRST = b"From ann@x.org Tue Nov  9 18:50:39 1999\nSubject: a\n\nhello\n"
SECOND = b"From bob@x.org Wed Nov 10 18:50:39 1999\nSubject: b\n\nho\n"


def split(data: bytes) -> list[bytes]:
    return list(split_mbox(io.BytesIO(data)))


@pytest.mark.parametrize("between", [b"", b"\n", b"\r\n"])
def test_a_blank_line_before_the_next_mail_may_be_missing(between: bytes) -> None:
    assert split(FIRST + between + SECOND) == [FIRST, SECOND]


@pytest.mark.parametrize(
    "line",
    [
        b"From here on 10:30 it rained in 1999\n",
        b"From ann@x.org Tue Nov  9 18:50:39 1999 we waited\n",
        b"From ann@x.org Tue Nov  9 18:50:39 1999\nno field\n",
        b"From ann to 10:30 in 1999\nNote: so\n",
    ],
)
def test_what_no_blank_line_precedes_has_to_look_like_an_envelope_above_a_field(
    line: bytes,
) -> None:
    assert split(FIRST + line + SECOND) == [FIRST + line, SECOND]


@pytest.mark.parametrize("blank", [b"\n", b"\n\n\r\n"])
def test_blank_lines_at_the_top_are_no_mail(blank: bytes) -> None:
    assert split(blank + FIRST + b"\n" + SECOND) == [FIRST, SECOND]
    assert split(blank) == []


def test_an_escaped_line_is_restored() -> None:
    assert split(FIRST + b">From x\n>>From y\n") == [FIRST + b"From x\n>From y\n"]


@pytest.mark.parametrize(
    "sentence",
    [
        b"From 10:30 to 12:00 on 9 November 2021 we meet.\n",
        b"From 10:30 to 12:00 on 9 November 2021 we meet.\nNote: bring a cup\n",
        b"From Tuesday 9 Nov 2021 at 18:50 on\n",
        b"From what I saw at 18:50 on 9 Nov 2021\nAgenda: tea\n",
        b"From ann@x.org I had at 18:50:39 in 2021 a mail.\n\n",
        b"From noon (12:00) until 2021\n",
    ],
)
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_sentence_that_names_a_time_begins_no_mail(sentence: bytes, end: bytes) -> None:
    first = FIRST + b"\n" + sentence + b"\nBye\n"
    whole = (first + b"\n" + SECOND).replace(b"\n", end)
    assert split(whole) == [first.replace(b"\n", end), SECOND.replace(b"\n", end)]


@pytest.mark.parametrize(
    "line",
    [
        b"From bob@x.org Wed Nov 10 18:50:39 1999",
        b"From - Wed Nov 10 18:50:39 1999",
        b"From bob at x.org Wed Nov 10 18:50:39 1999",
        b"From bob@x.org Wed, 10 Nov 1999 18:50:39 +0100",
        b"From bob@x.org Wed, 10 Nov 1999 18:50:39 GMT",
        b"From bob@x.org Wed Nov 10 18:50:39 CET 1999",
        b"From bob@x.org Wed Nov 10 18:50 1999 remote from x",
        b"From bob@x.org Wed Nov 10 18:50:39 1999 +0100",
    ],
)
@pytest.mark.parametrize("field", [b"Subject: b\n", b"Whatever: b\n", b"\n"])
def test_an_envelope_below_a_blank_line_begins_a_mail(line: bytes, field: bytes) -> None:
    second = line + b"\n" + field + b"\nho\n"
    assert mbox.is_mbox(second)
    assert split(FIRST + b"\n" + second) == [FIRST, second]


@pytest.mark.parametrize(
    "line",
    [
        b'From "Bob B" <bob@x.org> Wed Nov 10 18:50:39 1999',
        b"From bob@x.org 1999-11-10 18:50:39 of 2000",
    ],
)
def test_an_odd_envelope_needs_a_field_below_it(line: bytes) -> None:
    assert len(split(FIRST + b"\n" + line + b"\nSubject: b\n\nho\n")) == 2
    assert len(split(FIRST + b"\n" + line + b"\nit was late\n\nho\n")) == 1


def measured(body: bytes, length: int | None = None) -> bytes:
    number = len(body) if length is None else length
    return FIRST.partition(b"\n\n")[0] + b"\nContent-Length: %d\n\n" % number + body


PASTED = b"see:\n\n" + SECOND + b">From the author\n"


@pytest.mark.parametrize("blanks", [b"", b"\n", b"\n\n"])
@pytest.mark.parametrize("less", [0, 1])
def test_a_mail_that_is_measured_holds_the_mails_pasted_into_it(blanks: bytes, less: int) -> None:
    first = measured(PASTED, len(PASTED) - less)
    assert split(first + blanks + SECOND) == [first, SECOND]
    assert split(first + blanks) == [first]
    assert split((first + blanks + SECOND).replace(b"\n", b"\r\n"))[-1].count(b"ho") == 1


def test_a_mail_of_mboxcl_is_measured_and_quoted() -> None:
    first = measured(b"a\n>From the author\n")
    assert split(first + b"\n" + SECOND) == [first.replace(b">From", b"From"), SECOND]


@pytest.mark.parametrize("length", [1, 7, 10_000, 999_999_999_999, 0])
def test_a_length_that_no_mail_has_counts_for_nothing(length: int) -> None:
    first = measured(b"hello\nthere\n", length)
    assert split(first + b"\n" + SECOND) == [first, SECOND]


def test_lengths_that_lie_cost_no_more_than_the_file_is_long(monkeypatch) -> None:
    looks = []
    ahead = mbox._Lines._look_ahead

    def counted(self):
        for line in ahead(self):
            looks.append(len(line))
            yield line

    monkeypatch.setattr(mbox._Lines, "_look_ahead", counted)
    monkeypatch.setattr(mbox, "_MOST_IN_VAIN", 1000)
    data = measured(b"hello\n", 100_000) * 2000
    assert len(split(data)) == 2000
    assert sum(looks) < 3 * len(data)


def test_line_ends_of_old_macintoshes_are_line_ends() -> None:
    data = (FIRST + b"\n" + SECOND).replace(b"\n", b"\r")
    assert split(data) == [FIRST, SECOND]
    assert mbox.is_mbox(data)
    long = FIRST + b"x" * 200_000 + b"\n"
    assert split((long + b"\n" + SECOND + b"tail").replace(b"\n", b"\r")) == [
        long,
        SECOND + b"tail",
    ]
