"""The lean path and the standard library's give the same message."""

from hypothesis import given, settings
from hypothesis import strategies as st

from mrilu.mail.message import ParsedMessage, RejectedMail
from mrilu.mail.parse import parse_message
from tests.mail.letters import letter

LINES = st.sampled_from(
    [
        b"From: Ann <ann@example.org>",
        b"Subject: =?utf-8?Q?caf=C3=A9?=",
        b"Subject: \xc3\xa9",
        b"To: a@x.org,\n b@x.org",
        b"Date: Tue, 9 Nov 1999 18:50:39 +0100",
        b"Message-ID: <one@x>",
        b"Content-Type: text/plain; charset=utf-8",
        b"Content-Type: text/html",
        b"Content-Type: multipart/mixed; boundary=b",
        b"Content-Type: message/rfc822",
        b'Content-Type: multipart/digest;\n boundary="b"',
        b"Content-Type: multipart/alternative; boundary=c ; x=y",
        b"Content-Transfer-Encoding: base64",
        b"Content-Transfer-Encoding: quoted-printable",
        b"Subject:",
        b"Subject : x",
        b"Content-Disposition: attachment; filename=a.txt",
        b"broken line",
        b" folded",
        b"",
        b"",
        b"  ",
        b"--b",
        b"--b",
        b"--b--",
        b"--b  ",
        b"--c",
        b"--c--",
        b"--bb",
        b"--b--x",
        b"text =C3=A9",
        b"SGVsbG8=",
        b"\xff\xfe",
        b"> quoted",
        b"-- ",
        b"\r",
        b"From x",
        b":",
        b"Content-Type: message/delivery-status",
        b"Content-Type: multipart/report; boundary=c",
    ]
)


def outcome(raw: bytes, lean: bool) -> ParsedMessage | str:
    try:
        return parse_message(raw, lean=lean)
    except RejectedMail as refusal:
        return refusal.reason


@settings(max_examples=400, deadline=None)
@given(st.lists(LINES, max_size=25), st.sampled_from([b"\n", b"\r\n"]), st.booleans())
def test_both_ways_agree_on_mangled_mail(lines: list[bytes], line_end: bytes, closed: bool) -> None:
    raw = line_end.join(lines) + (line_end if closed else b"")
    assert outcome(raw, True) == outcome(raw, False)


def tree() -> st.SearchStrategy[bytes]:
    leaf = st.tuples(
        st.sampled_from(
            [
                b"Content-Type: text/plain\n",
                b"Content-Type: text/html; charset=utf-8\n",
                b"",
                b"Content-Type: image/png; name=a.png\nContent-Transfer-Encoding: base64\n",
            ]
        ),
        st.sampled_from(
            [b"", b"words\n", b"words", b"\nwords\n\n", b"<p>x</p>", b"--\n", b"SGVsbG8=\n"]
        ),
    ).map(lambda pair: pair[0] + b"\n" + pair[1])

    def wrap(inner: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
        return st.one_of(
            st.tuples(
                st.sampled_from(
                    [b"mixed", b"alternative", b"related", b"digest", b"signed", b"report"]
                ),
                st.sampled_from([b"a", b"b", b"bb", b"b-", b"x y"]),
                st.lists(inner, max_size=3),
                st.booleans(),
            ).map(lambda found: _multipart(*found)),
            inner.map(lambda part: b"Content-Type: message/rfc822\n\nSubject: in\n" + part),
        )

    return st.recursive(leaf, wrap, max_leaves=8)


def _multipart(kind: bytes, boundary: bytes, parts: list[bytes], closed: bool) -> bytes:
    body = b"".join(b"--" + boundary + b"\n" + part + b"\n" for part in parts)
    return (
        b"Content-Type: multipart/"
        + kind
        + b'; boundary="'
        + boundary
        + b'"\n\n'
        + body
        + (b"--" + boundary + b"--\n" if closed else b"")
    )


@settings(max_examples=300, deadline=None)
@given(tree())
def test_both_ways_agree_on_trees(part: bytes) -> None:
    header, _, body = part.partition(b"\n\n")
    raw = letter(*[line for line in header.split(b"\n") if line], body=body)
    assert outcome(raw, True) == outcome(raw, False)
