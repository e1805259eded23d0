"""Files that are not quite mail, and header blocks that are not quite one."""

import pytest

from mrilu.mail.message import RejectedMail
from mrilu.mail.parse import parse_message
from tests.mail.letters import HEADER, letter, read


@pytest.mark.parametrize("line_end", [b"\r\n", b"\r", b"\n"])
def test_every_line_end_is_read(line_end: bytes) -> None:
    found = parse_message(letter(body=b"one\ntwo\n").replace(b"\n", line_end))
    assert (found.subject, found.body, found.message_id) == ("Tea", "one\ntwo", "one@example.org")


@pytest.mark.parametrize(
    "line", [b"From ann@example.org Tue Nov  9 18:50:39 1999\n", b">From ann Tue Nov 9 1999\n"]
)
def test_an_mbox_line_on_top_is_skipped(line: bytes) -> None:
    found = parse_message(line + letter())
    assert (found.subject, found.body) == ("Tea", "Hello")
    assert "mbox-from-line" in found.defects


@pytest.mark.parametrize("lead", [b"\n", b"\r\n\r\n", b"\xef\xbb\xbf", b"  \n"])
def test_blanks_before_the_header_are_skipped(lead: bytes) -> None:
    assert parse_message(lead + letter()).subject == "Tea"


def test_a_missing_blank_line_does_not_lose_the_body() -> None:
    found = parse_message(HEADER + b"Hello there\nhow are you?\n")
    assert (found.body, found.defects) == ("Hello there\nhow are you?", ("missing-blank-line",))


def test_a_broken_line_between_fields_does_not_end_the_header() -> None:
    found = parse_message(
        b"Subject: long\nwrapped without a blank\nFrom: ann@example.org\nX-A: b\n\nHello\n"
    )
    assert (found.from_address, found.body) == ("ann@example.org", "Hello")
    assert found.subject == "long wrapped without a blank"


def test_a_broken_first_line_does_not_hide_the_header() -> None:
    assert parse_message(b"unexpected words\n" + letter()).subject == "Tea"


def test_a_blank_before_the_colon_is_tolerated() -> None:
    assert parse_message(b"From: a@x.org\nSubject : Tea\n\nHello").subject == "Tea"


def test_a_folded_line_of_blanks_does_not_end_the_header() -> None:
    found = parse_message(b"Subject: Tea\n \nFrom: a@x.org\n\nHello")
    assert (found.from_address, found.body) == ("a@x.org", "Hello")


def test_a_broken_fold_may_go_on() -> None:
    found = parse_message(b"To: a@x.org,\n\t\n\tb@x.org\nSubject: Tea\n\nHello\n")
    assert ([to.address for to in found.to], found.subject) == (["a@x.org", "b@x.org"], "Tea")


def test_a_line_of_blanks_may_stand_for_the_empty_line() -> None:
    found = parse_message(b"Subject: Tea\nFrom: a@x.org\n  \nHello, this is text.\n\nMore.\n")
    assert found.body == "Hello, this is text.\n\nMore."


def test_a_mail_of_headers_only_has_an_empty_body() -> None:
    assert (parse_message(HEADER).body, parse_message(HEADER[:-1]).subject) == ("", "Tea")


def test_the_first_of_duplicate_fields_counts() -> None:
    assert read(b"Subject: Coffee").subject == "Tea"


def test_a_value_may_begin_on_the_next_line() -> None:
    assert parse_message(b"Subject:\n Tea\nFrom: a@x.org\n\nx").subject == "Tea"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "empty"),
        (b"\n\r\n \0", "empty"),
        (b"just some text\nwithout fields\n", "no-header"),
        (b"\x7fELF\x02\x01" + bytes(100), "no-header"),
        (b"http://example.org/\nfoo\n", "no-header"),
        (b"<html><body>hello: world</body></html>", "no-header"),
    ],
)
def test_what_is_no_mail_is_rejected(raw: bytes, reason: str) -> None:
    with pytest.raises(RejectedMail) as caught:
        parse_message(raw)
    assert caught.value.reason == reason
    assert caught.value.detail


def test_line_ends_the_wrong_way_round_are_read() -> None:
    found = parse_message(letter(body=b"one\ntwo\n").replace(b"\n", b"\n\r"))
    assert (found.subject, found.body) == ("Tea", "one\ntwo")


@pytest.mark.parametrize("between", [b"\r", b"\n"])
def test_a_header_with_other_line_ends_than_the_body_is_read(between: bytes) -> None:
    found = parse_message(HEADER.replace(b"\n", b"\r") + between + b"one\ntwo\n")
    assert (found.subject, found.body, found.message_id) == ("Tea", "one\ntwo", "one@example.org")


def test_doubled_carriage_returns_are_read() -> None:
    found = parse_message(letter(body=b"one\ntwo\n").replace(b"\n", b"\r\r\n"))
    assert (found.subject, found.body) == ("Tea", "one\ntwo")
