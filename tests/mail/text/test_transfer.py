"""Transfer encodings that are not what they say, or that carry more than they should."""

from __future__ import annotations

from base64 import b64encode

import pytest

from mrilu.mail.text.transfer import decode_base64
from tests.mail.letters import read

GREETING = "Grüße an alle\n".encode()


@pytest.mark.parametrize(
    "text",
    [
        b"<html>\n<body>\n<p>Tea is ready at five o'clock.</p>\n</body>\n</html>\n",
        b"<p>Hi</p>",
        b"<!DOCTYPE html><table><tr><td>Tea</td></tr></table>",
        b"BEGIN:VCALENDAR\nSUMMARY:Tea\nEND:VCALENDAR\n",
        b'{"tea": "green"}',
        b"Tea is ready.",
        b"Hello there",
        b"Yes",
        b"Hi!",
        "Grüße".encode(),
        "茶馆".encode("gbk"),
    ],
)
def test_text_that_says_base64_and_is_not_is_kept(text: bytes) -> None:
    assert decode_base64(text) == (text, "bad-base64")


def test_quoted_printable_that_says_base64_is_decoded() -> None:
    assert decode_base64(b'<p class=3D"a">Gr=C3=BC=\n=C3=9Fe</p>\n')[0].decode() == (
        '<p class="a">Grüße</p>\n'
    )


@pytest.mark.parametrize(
    "behind",
    [
        b" ignored",
        b"\tignored, too",
        b"\nignored\n",
        b"\nTest\n",
        b"\n\n-- \nTea mailing list\n",
        b"\r\n__________________\r\nlist\r\n",
        b" scanned by example.org",
    ],
)
def test_words_behind_the_padding_are_not_decoded(behind: bytes) -> None:
    assert decode_base64(b64encode(GREETING + b"x") + behind)[0] == GREETING + b"x"


def test_two_encodings_run_together_are_both_decoded() -> None:
    assert decode_base64(b64encode(b"one, two") + b64encode(b"three"))[0] == b"one, twothree"


@pytest.mark.parametrize("spoilt", [b"SGVs bG8=", b"SGVs*bG8=", b"> SGVsbG8=", b"SGVsbG8=20"])
def test_blanks_and_signs_inside_true_base64_are_skipped(spoilt: bytes) -> None:
    assert decode_base64(spoilt)[0] == b"Hello"


def test_an_attachment_with_a_stray_sign_is_decoded() -> None:
    data = bytes(range(256)) * 8
    line = b64encode(data)
    assert decode_base64(line[:100] + b"*" + line[100:])[0] == data


def test_html_that_says_base64_is_read() -> None:
    found = read(
        b"Content-Type: text/html; charset=utf-8",
        b"Content-Transfer-Encoding: base64",
        body="<html>\n<p>Tee für fünf.</p>\n</html>\n".encode(),
    )
    assert found.body == "Tee für fünf." and found.defects == ("bad-base64",)
