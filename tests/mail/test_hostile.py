"""No bytes make the parser raise, hang or hand out text that cannot be stored."""

import base64
import json
import time
from collections.abc import Callable
from functools import reduce

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrilu.mail.message import Limits, ParsedMessage, RejectedMail
from mrilu.mail.parse import parse_message
from tests.mail.letters import HEADER, letter
from tests.mail.tree.test_lean import LINES, tree

MEGABYTE = 1_000_000


def assert_readable(raw: bytes) -> ParsedMessage | None:
    """Parse; everything handed out can be stored, and the spans are ordered, disjoint and in range."""
    try:
        found = parse_message(raw)
    except RejectedMail as refusal:
        assert refusal.reason and refusal.detail
        return None
    texts = [
        found.message_id,
        found.subject,
        found.cleaned_subject,
        found.from_name,
        found.from_address,
        found.body,
        found.list_id or "",
        *found.in_reply_to,
        *found.references,
        json.dumps(found.parts, ensure_ascii=False),
        *[text for entry in [*found.to, *found.cc] for text in (entry.name, entry.address)],
    ]
    for text in texts:
        text.encode("utf-8")
        assert "\0" not in text and "\\u0000" not in text
    assert found.message_id and found.sent_at.tzinfo is not None
    position = 0
    for start, end in found.own_spans:
        assert position <= start < end <= len(found.body)
        position = end
    return found


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
def test_no_bytes_make_it_raise(raw: bytes) -> None:
    assert_readable(raw)
    assert_readable(HEADER + raw)
    assert_readable(letter(body=raw))


FIELDS = st.sampled_from(
    [
        b"From",
        b"To",
        b"Subject",
        b"Date",
        b"Message-ID",
        b"References",
        b"In-Reply-To",
        b"List-Id",
        b"Content-Type",
        b"Content-Disposition",
        b"Content-Transfer-Encoding",
        b"Received",
        b"Sender",
        b"Content-ID",
        b"Cc",
        b"X-Mailing-List",
    ]
)
VALUES = st.lists(
    st.sampled_from(
        [
            b"text/plain",
            b"; charset=",
            b"multipart/mixed; boundary=b",
            b"=?utf-8?B?",
            b"=?gb2312?Q?=ED=A0=80?=",
            b"?=",
            b"<",
            b">",
            b"@",
            b"a@b",
            b'"',
            b"(",
            b")",
            b"\\",
            b";",
            b":",
            b",",
            b"\n ",
            b"\xed\xa0\x80",
            b"\xff",
            b"\0",
            b"utf-7",
            b"utf-16",
            b"iso-2022-jp",
            b"\x1b$B",
            b"filename*0*=x''%00%ff",
            b"name=",
            b"base64",
            b"Tue, 9 Nov 1999",
            b"99:99",
            b"+9999",
            b"2147483647",
            b"99999999999",
            b"message/rfc822",
            b"text/html",
            b"attachment",
            b"Re: ",
            b"[x]",
            b"(fwd)",
            b" ",
            b"hz",
            b"from ",
            b"To: a@b\nTo: ",
            b"=ybegin line=1 name=x",
            b" format=flowed",
            b"'s message of \"",
            b"R> ",
            b"attachment filename=",
            b"viscii",
            b"~{",
            b"~}",
            b"=?utf-7?Q?+2AA-?=",
            b"\x1b$(Q",
            b"=3D=3Futf-8=3FQ=3F",
        ]
    ),
    max_size=12,
).map(b"".join)
_CODINGS: tuple[Callable[[bytes], bytes], ...] = (
    lambda text: b"=?utf-8?Q?" + b"".join(b"=%02X" % code for code in text) + b"?=",
    lambda text: b"=?utf-8?B?" + base64.b64encode(text) + b"?=",
    lambda text: b"=?utf-7?Q?" + text + b"?=",
    lambda text: b"x; filename*=utf-8''" + b"".join(b"%%%02X" % code for code in text),
    lambda text: b'x; filename="' + text + b'"',
    lambda text: b"attachment; name*0*=utf-7''" + text,
    lambda text: b"=?iso-2022-jp?Q?" + text + b"?=",
    lambda text: b"(" + text + b")",
    lambda text: text + b" <" + text + b">",
    lambda text: b"=?gb2312?Q?" + text.replace(b"?", b"=3F").replace(b" ", b"_") + b"?=",
)
_UNCODED = st.sampled_from(
    [
        b"a@b.c",
        "é <a@b>".encode(),
        b"\xff",
        b"+2AA-",
        b"=ED=A0=80",
        b"",
        "日本".encode(),
        b"%ff",
        b"\x1b$(Q.!",
        b"~{VPND~}",
        b"<a@b>",
        b"=?utf-8?Q?",
        b"name=x",
    ]
)
# Codings inside each other, as gateways and careless programs nest them: each is undone by another piece of code.
NESTED_VALUES = st.tuples(
    _UNCODED, st.lists(st.sampled_from(_CODINGS), min_size=1, max_size=4)
).map(lambda made: reduce(lambda text, coding: coding(text), made[1], made[0]))


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(FIELDS, VALUES), max_size=8), st.binary(max_size=60))
def test_no_header_makes_it_raise(fields: list[tuple[bytes, bytes]], body: bytes) -> None:
    assert_readable(b"".join(name + b": " + value + b"\n" for name, value in fields) + b"\n" + body)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(FIELDS, NESTED_VALUES | VALUES), min_size=1, max_size=4))
def test_no_nesting_of_codings_makes_it_raise(fields: list[tuple[bytes, bytes]]) -> None:
    assert_readable(b"".join(name + b": " + value + b"\n" for name, value in fields) + b"\nwords\n")


@pytest.mark.parametrize(
    "field",
    [
        b"Content-Disposition: attachment; filename*=UTF-8''=?UTF-8?Q?Rechnung_f%C3%BCr?=",
        b"To: =?utf-8?Q?=3D=3Futf-8=3FQ=3F=C3=A9=3F=3D_=3Ca=40b.c=3E?=",
    ],
)
def test_a_coding_inside_another_loses_no_mail(field: bytes) -> None:
    assert assert_readable(field + b"\nFrom: a@b\n\nwords\n") is not None


@settings(max_examples=200, deadline=None)
@given(st.lists(LINES, max_size=30), tree())
def test_no_structure_makes_it_raise(lines: list[bytes], part: bytes) -> None:
    assert_readable(b"\n".join([*lines, part]))


@pytest.mark.parametrize(
    "unit",
    [
        b">",
        b"> \n",
        b"(",
        b")",
        b"=?",
        b"=?a?q?x ",
        b"=?a?b?",
        b",",
        b";",
        b"<",
        b"<a@b>",
        b"\\",
        b'"',
        b":",
        b"a@",
        b"[",
        b"Re: ",
        b"[x]",
        b"\n ",
        b" ",
        b"a=",
        b";a*0=",
        b"Re[",
        b"1:",
        b"@",
        b"x ",
        b"\xc3",
        b"\x1b$B",
        b"%",
        b"'",
        b"12 ",
        b"a:;",
        b"(a",
        b"+1",
    ],
)
@pytest.mark.parametrize(
    "name",
    [
        b"Subject",
        b"From",
        b"To",
        b"References",
        b"In-Reply-To",
        b"Content-Type",
        b"Date",
        b"Received",
        b"List-Id",
        b"Content-Disposition",
        b"Message-ID",
        b"Sender",
        b"Content-Transfer-Encoding",
    ],
)
def test_a_long_header_takes_linear_time(unit: bytes, name: bytes) -> None:
    raw = name + b": " + unit * (150_000 // len(unit)) + b"\nX-A: b\n\nHello\n"
    start = time.process_time()
    assert_readable(raw)
    assert time.process_time() - start < 1.5


@pytest.mark.parametrize(
    "unit",
    [
        b">",
        b"> \n",
        b"(",
        b"=?",
        b"--\n",
        b"-- x\n",
        b"_" * 30 + b"\n",
        b"On x wrote:\n> \n",
        b"From: x\nSent: \n",
        b"begin 644 x\n",
        b"begin 644 x\nM\n",
        b"-----BEGIN PGP SIGNED MESSAGE-----\n",
        b"-----BEGIN PGP MESSAGE-----\n",
        b"|",
        b"| \n",
        b"\n",
        b" \n",
        b"-",
        b"=",
        b"= ",
        b"--b\n",
        b"--b\n\n",
        b"Content-Type: x\n",
        b"a" * 240 + b":\n>\n",
        b"x 12:30 a@b \n>\n",
        b"\xff",
        b"\x1b$B",
        b"\xc3\xa9",
        b"x \n",
        b"\xfe",
        b"\0",
        b"SQL> x\n",
        b"R> x(1)\n",
        b">>> x(1)\n",
        b"\xff=ybegin line=1 name=x\n",
        b"\xff\n=ybegin line=1 size=1 name=x\n=yend\n",
        b"~{VPND~}",
        b"~{VP\n",
        b"\r",
        b"~{",
        b"\x0c",
        b"de: x\nto: x\n",
        b"* ",
    ],
)
@pytest.mark.parametrize(
    "kind",
    [
        b"text/plain; format=flowed",
        b"text/html",
        b"multipart/mixed; boundary=b",
        b"multipart/mixed; boundary=zz",
        b"text/plain; charset=iso-2022-jp",
    ],
)
def test_a_long_body_takes_linear_time(unit: bytes, kind: bytes) -> None:
    raw = letter(b"Content-Type: " + kind, body=unit * (300_000 // len(unit)))
    start = time.process_time()
    assert_readable(raw)
    assert time.process_time() - start < 3


@pytest.mark.parametrize(
    "unit",
    [
        b"<div>",
        b"<blockquote>",
        b"<blockquote",
        b"<",
        b"&",
        b"<p>",
        b"<table><td>",
        b"<!--",
        b"</p>",
        b"<a href=",
        b"<meta charset",
        b"<b><i>",
        b"&#xE0F0;",
    ],
)
def test_hostile_html_takes_linear_time(unit: bytes) -> None:
    start = time.process_time()
    assert_readable(letter(b"Content-Type: text/html", body=unit * (400_000 // len(unit))))
    assert time.process_time() - start < 3


def nested(levels: int) -> bytes:
    body = b"deep\n"
    for level in range(levels):
        boundary = b"b%d" % level
        body = (
            b"Content-Type: multipart/mixed; boundary="
            + boundary
            + b"\n\n--"
            + boundary
            + b"\n"
            + body
            + b"--"
            + boundary
            + b"--\n"
        )
    return HEADER + body


def report(mails: int, fields: int) -> bytes:
    """A mail with other mails attached, of so many header fields each."""
    inner = b"--b\nContent-Type: message/rfc822\n\n" + b"X-A: b\n" * fields + b"\nx\n"
    return letter(b"Content-Type: multipart/mixed; boundary=b", body=inner * mails + b"--b--\n")


@pytest.mark.parametrize("lean", [True, False])
def test_many_attached_mails_may_have_many_fields_together(lean: bool) -> None:
    assert len(parse_message(report(100, 60), lean=lean).parts["parts"]) == 100


@pytest.mark.parametrize(
    ("raw", "limits", "reason"),
    [
        (letter(body=b"x" * 100), Limits(max_bytes=99), "too-large"),
        (
            letter(
                b"Content-Type: multipart/mixed; boundary=b", body=b"--b\n\nx\n" * 1200 + b"--b--\n"
            ),
            Limits(),
            "too-many-parts",
        ),
        (
            letter(b"Content-Type: multipart/mixed; boundary=b", body=b"--b\n\nx\n" * 1200),
            Limits(),
            "too-many-parts",
        ),
        (nested(40), Limits(), "too-deep"),
        (nested(2000), Limits(), "too-deep"),
        (HEADER + b"Content-Type: message/rfc822\n\n" * 5000, Limits(), "too-deep"),
        (letter(*[b"X-A: b"] * 3000), Limits(), "too-many-headers"),
        (report(40, 2001), Limits(), "too-many-headers"),
        (report(400, 300), Limits(), "too-many-headers"),
        (letter(body=b"x"), Limits(max_seconds=-1), "too-slow"),
    ],
)
def test_what_passes_a_limit_is_rejected(raw: bytes, limits: Limits, reason: str) -> None:
    with pytest.raises(RejectedMail) as caught:
        parse_message(raw, limits=limits)
    assert caught.value.reason == reason
    assert any(character.isdigit() for character in caught.value.detail)


def of_parts(number: int) -> bytes:
    """A multipart of `number` parts, itself counted."""
    return letter(
        b"Content-Type: multipart/mixed; boundary=b", body=b"--b\n\nx\n" * (number - 1) + b"--b--\n"
    )


@pytest.mark.parametrize("lean", [True, False])
@pytest.mark.parametrize(
    ("inside", "outside", "limits", "reason"),
    [
        (of_parts(20), of_parts(21), Limits(max_parts=20), "too-many-parts"),
        (nested(5), nested(6), Limits(max_depth=5), "too-deep"),
        (
            letter(*[b"X-A: b"] * 5),
            letter(*[b"X-A: b"] * 6),
            Limits(max_header_fields=10),
            "too-many-headers",
        ),
        (
            letter(b"Content-Type: message/rfc822", body=b"X: y\n" * 7 + b"\nz\n"),
            letter(b"Content-Type: message/rfc822", body=b"X: y\n" * 8 + b"\nz\n"),
            Limits(max_header_fields=7),
            "too-many-headers",
        ),
        (letter(), letter() + b"x", Limits(max_bytes=len(letter())), "too-large"),
    ],
)
def test_a_limit_is_exact(
    inside: bytes, outside: bytes, limits: Limits, reason: str, lean: bool
) -> None:
    assert parse_message(inside, limits=limits, lean=lean).message_id == "one@example.org"
    with pytest.raises(RejectedMail) as caught:
        parse_message(outside, limits=limits, lean=lean)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    "raw",
    [
        b"From x\n" * (10 * MEGABYTE // 7),
        b"a:\n" * (10 * MEGABYTE // 3),
        b"X: y\n" * (2 * MEGABYTE) + b"Hello\n",
        HEADER + b"Content-Type: text/plain; charset=gb2312\n\n" + b"\xff\xe9a" * (5 * MEGABYTE),
    ],
)
def test_tens_of_megabytes_end_in_time(raw: bytes) -> None:
    start = time.process_time()
    assert_readable(raw)
    assert time.process_time() - start < 8


def test_mails_in_base64_inside_each_other_end_at_the_depth_limit() -> None:
    body = b"Subject: in\n\nx\n"
    for _ in range(35):
        body = (
            b"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n"
            + base64.b64encode(body)
        )
    with pytest.raises(RejectedMail) as caught:
        parse_message(HEADER + body, limits=Limits(max_bytes=len(body) * 2))
    assert caught.value.reason == "too-deep"
