"""Mails out of mbox files, also out of those that were put together carelessly."""

import io

import pytest

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
