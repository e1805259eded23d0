"""What mail of today wraps, nests and repeats."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import pytest

from mrilu.mail.message import Limits, ParsedMessage
from mrilu.mail.parse import parse_message
from mrilu.mail.tree.boundaries import with_own_boundaries
from mrilu.mail.tree.cms import read_cms
from mrilu.mail.tree.repair import open_mail
from mrilu.mail.tree.structure import Budget
from tests.mail.letters import letter


def read(*lines: bytes, body: bytes) -> ParsedMessage:
    """Parse by both ways, which must agree."""
    raw = letter(*lines, body=body)
    found = parse_message(raw)
    assert found == parse_message(raw, lean=False)
    return found


def mixed(*parts: bytes, kind: bytes = b"mixed", name: bytes = b"b") -> ParsedMessage:
    body = b"".join(b"--" + name + b"\n" + part + b"\n" for part in parts)
    line = b"Content-Type: multipart/" + kind + b'; boundary="' + name + b'"'
    return read(line, body=body + b"--" + name + b"--\n")


def names(node: dict[str, Any]) -> list[str]:
    own = [node["filename"]] if "filename" in node else []
    return own + [name for part in node.get("parts", ()) for name in names(part)]


def types(node: dict[str, Any]) -> Any:
    below = [types(part) for part in node.get("parts", ())]
    return (node["type"].partition("/")[2], *below) if below else node["type"].partition("/")[2]


PLAIN = b"Content-Type: text/plain; charset=utf-8\n\n"
HTML = b"Content-Type: text/html; charset=utf-8\n\n"
PDF = b"Content-Type: application/pdf; name=a.pdf\nContent-Disposition: attachment\n\ny"
MIXED = b'Content-Type: multipart/mixed; boundary="b"'


# S/MIME


def der(tag: int, *content: bytes) -> bytes:
    data = b"".join(content)
    size = len(data)
    length = bytes([size]) if size < 128 else b"\x84" + size.to_bytes(4, "big")
    return bytes([tag]) + length + data


def ber(tag: int, *content: bytes) -> bytes:
    """The same of indefinite length."""
    return bytes([tag, 0x80]) + b"".join(content) + b"\0\0"


def pieces(data: bytes, wrap: Any, size: int) -> bytes:
    return wrap(0x24, *(der(4, data[at : at + size]) for at in range(0, len(data), size)))


OIDS = {
    "signed": "2a864886f70d010702",
    "enveloped": "2a864886f70d010703",
    "compressed": "2a864886f70d0109100109",
}
DATA = der(6, bytes.fromhex("2a864886f70d010701"))


def cms(kind: str, octets: bytes | None, wrap: Any = der) -> bytes:
    content = [wrap(0xA0, octets)] if octets is not None else []
    inside = wrap(0x30, der(2, b"\1"), der(0x31), wrap(0x30, DATA, *content), der(0x31))
    return wrap(0x30, der(6, bytes.fromhex(OIDS[kind])), wrap(0xA0, inside))


ENTITY = b"Content-Type: text/plain; charset=utf-8\r\n\r\nThe kettle is on \xc3\xa9t five.\r\n"
SAID = "The kettle is on ét five."


def smime(data: bytes, kind: bytes = b"application/pkcs7-mime", more: bytes = b"") -> ParsedMessage:
    lines = (b"Content-Type: " + kind + more, b"Content-Transfer-Encoding: base64")
    return read(*lines, body=base64.encodebytes(data))


@pytest.mark.parametrize(
    "octets", [der(4, ENTITY), pieces(ENTITY, der, 7), pieces(ENTITY, ber, 1000)]
)
@pytest.mark.parametrize("wrap", [der, ber])
@pytest.mark.parametrize(
    ("kind", "more"),
    [
        (b"application/pkcs7-mime", b"; smime-type=signed-data; name=smime.p7m"),
        (b"application/x-pkcs7-mime", b""),
        (b"application/octet-stream", b"; name=smime.p7m"),
    ],
)
def test_a_mail_that_is_signed_but_not_encrypted_is_read(octets, wrap, kind, more) -> None:
    found = smime(cms("signed", octets, wrap), kind, more)
    assert (found.body, found.own_text) == (SAID, SAID)
    assert found.signed and not found.encrypted and not found.has_attachment
    assert "sha256" in found.parts and found.parts["parts"][0]["type"] == "text/plain"


def test_what_a_signed_mail_attaches_is_listed_and_shown() -> None:
    entity = MIXED + b"\n\n--b\n" + PLAIN + b"words\n--b\n" + PDF + b"\n--b--\n"
    found = smime(cms("signed", der(4, entity)))
    assert found.body == "words" and names(found.parts) == ["a.pdf"] and found.has_attachment


def test_a_signed_mail_within_a_signed_one_is_read() -> None:
    inner = b"Content-Type: application/pkcs7-mime\nContent-Transfer-Encoding: base64\n\n"
    inner += base64.encodebytes(cms("signed", der(4, ENTITY)))
    assert smime(cms("signed", der(4, inner))).body == SAID


def test_signed_text_without_a_header_is_text() -> None:
    assert smime(cms("signed", der(4, b"Just words, 10:30\n"))).body == "Just words, 10:30"


def test_a_compressed_mail_is_read_and_no_more_of_it_than_a_mail_may_have() -> None:
    found = smime(cms("compressed", der(4, zlib.compress(ENTITY))))
    assert found.body == SAID and not found.signed and not found.encrypted
    bomb = cms("compressed", der(4, zlib.compress(b"\n" + b"x" * 1_000_000)))
    raw = letter(b"Content-Type: application/pkcs7-mime", body=bomb)
    limits = Limits(max_bytes=10_000)
    assert len(parse_message(raw, limits=limits).body) < 10_000
    assert read_cms(bomb, 100).content == b"\n" + b"x" * 99


@pytest.mark.parametrize("octets", [None, der(4, b"secret")])
def test_what_needs_a_key_is_encrypted(octets) -> None:
    found = smime(cms("enveloped", octets), more=b"; smime-type=enveloped-data")
    assert found.body == "" and found.encrypted and not found.signed


@pytest.mark.parametrize("cut", [0, 1, 2, 5, 20, 40, 60, 80])
def test_a_cms_object_that_was_cut_is_no_mail_and_no_error(cut: int) -> None:
    whole = cms("signed", der(4, ENTITY))
    assert read_cms(whole[:cut], 1000).content is None
    assert smime(whole[:cut]).body == ""


@pytest.mark.parametrize(
    "data",
    [b"\x30\x80" * 100_000, b"\x24\x80" * 50, b"\x30\xff" + b"\xff" * 200, der(0x30, b"\x06")],
)
def test_hostile_ber_ends_soon(data: bytes) -> None:
    assert read_cms(data, 1000).content is None
    assert read_cms(cms("signed", data), 1000).content is None


# Calendars


def calendar(*lines: str, kind: str = "VEVENT") -> bytes:
    inside = [f"BEGIN:{kind}", *lines, f"END:{kind}"]
    return "\r\n".join(["BEGIN:VCALENDAR", "METHOD:REQUEST", *inside, "END:VCALENDAR", ""]).encode()


EVENT = (
    "SUMMARY:Tea\\, green",
    "DTSTART;TZID=Europe/Berlin:20211109T185000",
    "DTEND;TZID=Europe/Berlin:20211109T195000",
    "LOCATION:Gar",
    " den",
    "DESCRIPTION:Bring your\\n own cup\\, please.",
    "BEGIN:VALARM",
    "DESCRIPTION:Reminder",
    "END:VALARM",
)
EVENT_TEXT = (
    "Tea, green\nWhen: 2021-11-09 18:50 (Europe/Berlin)\nUntil: 2021-11-09 19:50 (Europe/Berlin)\n"
    "Where: Garden\n\nBring your\n own cup, please."
)
CALENDAR = b"Content-Type: text/calendar; method=REQUEST; charset=utf-8"


def test_a_mail_that_is_only_a_calendar_says_what_when_and_where() -> None:
    found = read(CALENDAR, body=calendar(*EVENT))
    assert found.body == EVENT_TEXT and found.own_text == EVENT_TEXT
    assert found.parts["type"] == "text/calendar" and "sha256" in found.parts


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("DTSTART:20211109T185000Z", "When: 2021-11-09 18:50 (UTC)"),
        ("DTSTART;VALUE=DATE:20211109", "When: 2021-11-09"),
        ("DTSTART:20211109T1850", "When: 2021-11-09 18:50"),
        ('DTSTART;X="a:b";TZID="W. Europe":20211109T185000', "When: 2021-11-09 18:50 (W. Europe)"),
        ("STATUS:CANCELLED", "Status: CANCELLED"),
        ("STATUS:CONFIRMED", ""),
        ("RRULE:FREQ=DAILY", "Repeats: FREQ=DAILY"),
    ],
)
def test_times_are_shown_in_the_zone_that_they_are_written_in(line: str, said: str) -> None:
    assert read(CALENDAR, body=calendar("SUMMARY:Tea", line)).body == f"Tea\n{said}".strip()


@pytest.mark.parametrize("kind", ["VTODO", "VJOURNAL", "vevent"])
def test_tasks_and_notes_are_shown_too(kind: str) -> None:
    assert read(CALENDAR, body=calendar("SUMMARY:Tea", kind=kind)).body == "Tea"


def test_a_calendar_beside_words_is_not_shown() -> None:
    invitation = CALENDAR + b"\n\n" + calendar(*EVENT)
    assert mixed(PLAIN + b"Come!", invitation, kind=b"alternative").body == "Come!"
    assert mixed(HTML + b"<p>Come!</p>", invitation, kind=b"alternative").body == "Come!"
    assert mixed(PLAIN + b"Come!", invitation).body == "Come!"
    assert mixed(PLAIN + b" \n", invitation).body == EVENT_TEXT
    assert mixed(invitation, kind=b"alternative").body == EVENT_TEXT


def test_a_calendar_that_is_attached_to_nothing_is_shown_and_is_an_attachment() -> None:
    head = b"Content-Type: application/ics; name=a.ics\nContent-Disposition: attachment\n\n"
    found = mixed(head + calendar(*EVENT))
    assert found.body == EVENT_TEXT and found.has_attachment and names(found.parts) == ["a.ics"]


@pytest.mark.parametrize("body", [b"", b"BEGIN:VCALENDAR\n", b"no calendar\n", b"BEGIN:VEVENT"])
def test_a_calendar_that_says_nothing_is_no_text(body: bytes) -> None:
    assert read(CALENDAR, body=body + b"\n").body == ""


# Delimiters


def test_parts_below_the_closing_delimiter_are_parts() -> None:
    body = b"--b\n" + PLAIN + b"words\n--b--\n\n--b\n" + PDF + b"\n--b--\n\n--b\n" + PDF + b"\n"
    found = read(MIXED, body=body + b"--b--\nfooter\n")
    assert found.body == "words" and names(found.parts) == ["a.pdf", "a.pdf"]
    assert found.has_attachment and "parts-below-the-end" in found.defects


def test_a_mail_that_ends_at_its_closing_delimiter_has_no_more_parts() -> None:
    body = b"--b\n" + PLAIN + b"words\n--b--\n"
    for below in (b"--bb\n", b"-- b\n", b"words\n--b--\n", b""):
        found = read(MIXED, body=body + below)
        assert types(found.parts) == ("mixed", "plain") and found.body == "words"


def test_many_closing_delimiters_take_one_more_look() -> None:
    body = b"--b\n" + PLAIN + b"words\n--b--\n" + (b"--b\n" + PDF + b"\n--b--\n") * 300
    budget = Limits(max_parts=700)
    raw = letter(MIXED, body=body)
    assert len(names(parse_message(raw, limits=budget).parts)) == 300


REUSED = (
    b"--b\nContent-Type: multipart/alternative; boundary=c\n\n--c\n" + PLAIN + b"Hello\n"
    b"--c\nContent-Type: multipart/related;\n boundary=b\n\n--b\n" + HTML + b"<p>Other words</p>\n"
    b"--b--\n\n--c--\n\n--b\n" + PDF + b"\n--b--\n"
)


def test_a_boundary_that_an_inner_multipart_uses_again_is_the_inner_ones_until_it_closes() -> None:
    found = read(MIXED, body=REUSED)
    assert found.body == "Hello" and found.has_attachment
    assert types(found.parts) == (
        "mixed",
        ("alternative", "plain", ("related", "html")),
        "pdf",
    )


def test_a_boundary_that_a_child_uses_again_is_the_childs() -> None:
    child = b'Content-Type: multipart/alternative; boundary="b"\n\n'
    body = (
        b"--b\n" + child + b"--b\n" + PLAIN + b"Hello\n--b\n" + HTML + b"<p>Hello you</p>\n--b--\n"
    )
    found = read(MIXED, body=body + b"--b\n" + PDF + b"\n--b--\n")
    assert found.body == "Hello"
    assert types(found.parts) == ("mixed", ("alternative", "plain", "html"), "pdf")


def test_boundaries_of_one_use_are_left_alone() -> None:
    raw = letter(MIXED, body=REUSED.replace(b"boundary=b", b"boundary=d"))
    opened = open_mail(raw, Budget(Limits()))
    assert with_own_boundaries(opened.fields, opened.body) is opened.body
    siblings = REUSED.replace(b"boundary=b\n", b"boundary=c\n")
    assert with_own_boundaries(opened.fields, siblings) != siblings
    twice = b"--b\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\nx\n--c--\n" * 2 + b"--b--\n"
    assert with_own_boundaries(opened.fields, twice) == twice


@pytest.mark.parametrize("last", [b"X-Last: x\n", b""])
@pytest.mark.parametrize("name", [b"_--=_MC17", b"a:b", b"=_Part"])
def test_a_delimiter_in_place_of_the_blank_line_ends_the_header(last: bytes, name: bytes) -> None:
    line = b'Content-Type: multipart/alternative; boundary="' + name + b'"\n' + last
    opening = b"--" + name + b"\n"
    body = opening + PLAIN + b"The plain words\n" + opening + HTML + b"<p>The html</p>\n"
    raw = letter(line[:-1], body=body + b"--" + name + b"--\n").replace(b"\n\n", b"\n", 1)
    found = parse_message(raw)
    assert found == parse_message(raw, lean=False)
    assert found.body == "The plain words" and "missing-blank-line" in found.defects


def test_a_delimiter_in_place_of_an_inner_blank_line_ends_that_header() -> None:
    inner = b'Content-Type: multipart/alternative; boundary="c"\n--c\n' + PLAIN + b"words\n--c--\n"
    assert mixed(inner, PDF).body == "words"


# One text twice


@pytest.mark.parametrize(
    ("plain", "html"),
    [
        ("Hello Bob,\n\ntea is *ready*, see https://x.org/tea", "<p>Hello Bob,</p><p>tea is <b>ready</b>, see <a href='https://x.org/tea'>here</a></p>"),
        ("Tea is ready.\n\n* green\n* black", "<p>Tea is ready.</p><ul><li>green</li><li>black</li></ul>"),
        ("Yes", "<b>YES</b>"),
        ("お茶が入りました。庭で待っています。", "<p>お茶が<b>入りました</b>。</p><p>庭で待っています。</p>"),
    ],
)  # fmt: skip
def test_html_that_repeats_the_plain_text_beside_it_is_not_shown(plain: str, html: str) -> None:
    found = mixed(PLAIN + plain.encode(), HTML + html.encode())
    assert found.body == plain
    turned = mixed(HTML + html.encode(), PLAIN + plain.encode())
    assert turned.body == plain


@pytest.mark.parametrize(
    "html",
    ["<p>Goodbye</p>", "<p>The price of coffee went up by a third last year, and tea did not.</p>"],
)
def test_html_that_says_more_is_shown(html: str) -> None:
    plain = b"The price of tea went up."
    assert mixed(PLAIN + plain, HTML + html.encode()).body.startswith(
        "The price of tea went up.\n\n"
    )


@pytest.mark.parametrize(
    "blank",
    [
        "\u200b\u200c",
        "\ufeff",
        "\u00ad \u034f",
        "\u00a0\u3000",
        "\u2800",
        "\u3164",
        "&nbsp;\n&#8203;",
        "",
    ],
)
def test_a_plain_alternative_without_a_visible_sign_gives_way(blank: str) -> None:
    found = mixed(PLAIN + blank.encode(), HTML + b"<p>The real letter.</p>", kind=b"alternative")
    assert found.body == "The real letter."


# Reports


@pytest.mark.parametrize(
    "kind",
    ["global-delivery-status", "global-headers", "global-disposition-notification"],
)
def test_what_an_international_report_holds_is_no_attachment(kind: str) -> None:
    report = f"Content-Type: message/{kind}\n\nSubject: x\n".encode()
    found = mixed(PLAIN + b"It failed.", report, kind=b"report")
    assert found.body == "It failed." and not found.has_attachment


def test_an_international_mail_in_a_report_is_opened() -> None:
    found = mixed(PLAIN + b"It failed.", b"Content-Type: message/global\n\nSubject: x\n\nwords")
    assert "words" in found.body and found.own_text == "It failed."
