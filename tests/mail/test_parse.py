"""The whole of a mail: fields, dates, identity."""

from datetime import UTC, datetime

import pytest

from mrilu.mail.parse import parse_message
from tests.mail.letters import HEADER, letter, read, with_field

MOMENT = datetime(1999, 11, 9, 17, 50, 39, tzinfo=UTC)


def test_a_plain_mail_is_read() -> None:
    found = read(
        b"Cc: Bob <bob@example.org>",
        b"References: <r@x> <s@x>",
        b"In-Reply-To: <s@x>",
        b"List-Id: <tea.example.org>",
    )
    assert (found.message_id, found.subject, found.body) == ("one@example.org", "Tea", "Hello")
    assert (found.from_name, found.from_address) == ("Ann Example", "ann@example.org")
    assert [found.to[0].address, found.cc[0].address] == ["list@example.org", "bob@example.org"]
    assert (found.sent_at, found.date_source) == (MOMENT, "date")
    assert (found.references, found.in_reply_to, found.list_id) == (
        ("r@x", "s@x"),
        ("s@x",),
        "tea.example.org",
    )
    assert found.defects == ()


def test_field_names_have_no_case() -> None:
    assert (
        parse_message(letter().replace(b"Subject", b"SUBJECT").replace(b"From", b"from")).subject
        == "Tea"
    )


def test_a_copy_that_came_another_way_has_the_same_identity() -> None:
    other = b"Received: by x; Tue, 9 Nov 1999 19:00:00 +0100\nList-Id: <y.z>\n" + letter(
        body=b"Hello\n____\nfooter\n"
    )
    assert parse_message(other).identity == read().identity
    zone = letter().replace(b"18:50:39 +0100", b"17:50:39 +0000")
    assert parse_message(zone).identity == read().identity


@pytest.mark.parametrize(
    "change", [(b"ann@example.org", b"eve@example.org"), (b"9 Nov", b"8 Nov"), (b"one@", b"two@")]
)
def test_another_author_date_or_id_is_another_identity(change: tuple[bytes, bytes]) -> None:
    assert parse_message(letter().replace(*change)).identity != read().identity


def test_a_mail_without_an_id_gets_one_from_its_content() -> None:
    first, again = with_field(b"Message-ID", b"<>"), with_field(b"Message-ID", b"<>")
    assert first.message_id_derived and first.message_id == again.message_id
    assert first.message_id != with_field(b"Message-ID", b"<>", body=b"other").message_id


def test_the_newest_received_field_stands_in_for_the_date() -> None:
    lines = (
        b"Received: from a by b; Tue, 9 Nov 1999 17:50:39 +0000 (GMT)",
        b"Received: from c by a; Tue, 9 Nov 1999 10:00:00 +0000",
    )
    found = read(*lines, header=HEADER.replace(b"Date: Tue, 9 Nov 1999 18:50:39 +0100\n", b""))
    assert (found.sent_at, found.date_source) == (MOMENT, "received")


def test_the_chain_of_dates_ends_with_1970() -> None:
    bare = HEADER.replace(b"Date: Tue, 9 Nov 1999 18:50:39 +0100\n", b"")
    space = read(b"X-From-Space-Date: Tue Nov  9 17:50:39 1999", header=bare)
    assert (space.sent_at, space.date_source) == (MOMENT, "x-from-space-date")
    mbox = parse_message(b"From ann@x.org Tue Nov  9 17:50:39 1999\n" + letter(header=bare))
    assert (mbox.sent_at, mbox.date_source) == (MOMENT, "x-from-space-date")
    named = parse_message(letter(header=bare), file_name="942169839.M1P2.host:2,S", mtime=5.0)
    assert (named.sent_at, named.date_source) == (MOMENT, "file-name")
    dated = parse_message(letter(header=bare), file_name="x.eml", mtime=942169839.0)
    assert (dated.sent_at, dated.date_source) == (MOMENT, "mtime")
    lost = read(header=bare)
    assert (lost.sent_at, lost.date_source) == (datetime(1970, 1, 1, tzinfo=UTC), "unknown")


@pytest.mark.parametrize(
    "date", [b"Tue, 9 Nov 3609 18:50:39 +0000", b"Thu, 1 Jan 1903 00:00:00 +0000"]
)
def test_an_impossible_year_is_not_believed(date: bytes) -> None:
    found = with_field(b"Date", date)
    assert found.date_source == "unknown"
    assert "date-clamped" in found.defects


def test_text_can_be_stored() -> None:
    found = with_field(
        b"Subject",
        b"a\0b\x07 \xed\xa0\x80 =?utf-8?Q?=00=ED=A0=80?=",
        body=b"x\0y\x1b[0m\xed\xa0\x80\n",
    )
    for text in (found.subject, found.body):
        text.encode("utf-8")
        assert "\0" not in text


def test_raw_utf_8_everywhere_is_read() -> None:
    found = parse_message(
        "From: Bjørn <bjørn@exämple.org>\nSubject: Smørrebrød\nMessage-ID: <é@x>\n\nÆ\n".encode()
    )
    assert (found.from_name, found.from_address, found.subject) == (
        "Bjørn",
        "bjørn@exämple.org",
        "Smørrebrød",
    )
    assert (found.message_id, found.body) == ("é@x", "Æ")


def test_the_body_charset_helps_the_header() -> None:
    found = parse_message(
        "Subject: Žluť\nContent-Type: text/plain; charset=iso-8859-2\n\nŽluť\n".encode("iso8859-2")
    )
    assert (found.subject, found.body) == ("Žluť", "Žluť")


@pytest.mark.parametrize(
    "more",
    [
        b"",
        b"Received: by x; Tue, 9 Nov 1999 18:50:39 +0100",
        b"Received: a\nX-A: b\nX-A: b\nReceived: c",
    ],
)
def test_several_fields_of_recipients_count_all(more: bytes) -> None:
    lines = [line for line in more.split(b"\n") if line]
    found = read(*lines, b"TO: bob@x.org", b"Cc: c@x.org, d@x.org", b"Cc: e@x.org")
    assert [person.address for person in found.to] == ["list@example.org", "bob@x.org"]
    assert [person.address for person in found.cc] == ["c@x.org", "d@x.org", "e@x.org"]


def test_a_reply_is_told() -> None:
    found = with_field(b"Subject", b"Re: [tea] Milk (fwd)")
    assert (found.subject, found.cleaned_subject, found.is_reply) == (
        "Re: [tea] Milk (fwd)",
        "Milk",
        True,
    )


@pytest.mark.parametrize(
    ("date", "minutes"),
    [
        (b"Tue, 9 Nov 1999 18:50:39 +0100", 60),
        (b"Tue, 9 Nov 1999 12:20:39 -0530", -330),
        (b"9 Nov 1999 12:50:39 EST", -300),
        (b"Tue, 9 Nov 1999 17:50:39", 0),
        (b"1999-11-09T17:50:39Z", 0),
    ],
)
def test_the_offset_of_the_senders_clock_is_kept(date: bytes, minutes: int) -> None:
    found = with_field(b"Date", date)
    assert (found.sent_at, found.utc_offset) == (MOMENT, minutes)


def test_a_date_that_is_not_the_senders_has_no_offset() -> None:
    raw = letter().replace(b"Date: Tue, 9 Nov 1999 18:50:39 +0100\n", b"")
    found = parse_message(b"Received: by x; Tue, 9 Nov 1999 18:50:39 +0100\n" + raw)
    assert (found.date_source, found.utc_offset) == ("received", None)


@pytest.mark.parametrize(
    ("field", "asks"),
    [
        (b"X-No-Archive: yes", True),
        (b"X-No-Archive: Yes (please)", True),
        (b"x-no-archive: 1", True),
        (b"X-No-Archive: no", False),
        (b"Archive: no", True),
        (b"Archive: yes", False),
        (b"X-Archive: no; expires=3", True),
        (b"Restrict: no-external-archive", True),
        (b"Restrict: nothing", False),
        (b"Archived-At: <https://x.example/no>", False),
    ],
)
def test_a_mail_may_ask_not_to_be_in_an_open_archive(field: bytes, asks: bool) -> None:
    assert read(field).no_archive is asks
