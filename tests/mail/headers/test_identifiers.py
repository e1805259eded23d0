"""Message-IDs and the fields that refer to them."""

import pytest

from mrilu.mail.headers.identifiers import (
    identity_of,
    parse_in_reply_to,
    parse_message_id,
    parse_references,
)
from mrilu.mail.message import Address
from tests.mail.letters import with_field


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("<a@b>", "a@b"),
        (" <a@b> (added by postmaster)", "a@b"),
        ("a@b", "a@b"),
        ("<a b@c>", "ab@c"),
        ("<a\n @b>", "a@b"),
        ("<a@b", "a@b"),
        ("", ""),
        ("<>", ""),
        ("no id here", ""),
        ("<weird>", "weird"),
    ],
)
def test_the_message_id_is_found(value: str, expected: str) -> None:
    assert parse_message_id(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("<a@b> <c@d>", ("a@b", "c@d")),
        ("<a@b><c@d>", ("a@b", "c@d")),
        ("<a@b>,\n\t<c@d>", ("a@b", "c@d")),
        ("<a@b> <a@b>", ("a@b",)),
        ("a@b c@d", ("a@b", "c@d")),
        ("<a\n @b>", ("a@b",)),
        ("", ()),
        ("Your message <a@b>", ("a@b",)),
        ("<a@b> <c@", ("a@b",)),
    ],
)
def test_references_are_in_order_and_once(value: str, expected: tuple[str, ...]) -> None:
    assert parse_references(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("<a@b>", ("a@b",)),
        ('Your message of "Mon, 1 Jan 1999 10:00:00 EST." <a@b>', ("a@b",)),
        ("message from Ann on Mon, 1 Jan <a@b>", ("a@b",)),
        ("Ann Example's message of 1 Jan", ()),
        ("ann@example.org's message of 1 Jan", ()),
        ("a@b", ("a@b",)),
        ("", ()),
        ("<a@b> <c@d>", ("a@b", "c@d")),
        ("<a@b>, <c@d> (message from Ann)", ("a@b", "c@d")),
        ('Message from Joe <joe@x.org> of "Fri, 05 Jan 1996 10:00:00 EST." <1@x>', ("1@x",)),
        ('Message from Joe <joe@x.org> of "Fri, 05 Jan 1996 10:00:00 EST."', ()),
        ('Message of "Fri, 5 Jan" from "Joe <joe@x.org>" <1@x>', ("1@x",)),
        ('Joe <joe@x.org> "Re: tea" (Jan 5, 10:00am)', ()),
        ('"Joe Doe" <joe@x.org>\'s message of "Fri, 5 Jan"', ()),
        ("Your message of Fri, 5 Jan from Joe <joe@x.org>", ()),
        ("Your message <a@b>", ("a@b",)),
        ("<1@x> (message from Joe <joe@x.org> on Fri, 5 Jan)", ("1@x",)),
        ("(message from Joe <joe@x.org>) <1@x>", ("1@x",)),
        ("<1@x>; from Joe <joe@x.org> on Fri, Jan 05, 1996 at 10:00:00AM", ("1@x",)),
        ("Joe <199601051000.FAA123@x.org>", ("199601051000.FAA123@x.org",)),
        ("<a(b)12345@c>", ("a(b)12345@c",)),
    ],
)
def test_in_reply_to_may_be_prose(value: str, expected: tuple[str, ...]) -> None:
    assert parse_in_reply_to(value) == expected


@pytest.mark.parametrize(
    "value", ['Your message of "Fri, 05 Jan 1996 10:00:00 EST." <joe@X.org>', "<joe@x.org>"]
)
def test_the_address_of_a_correspondent_is_no_id(value: str) -> None:
    assert parse_in_reply_to(value, people=[Address("", "joe@x.org")]) == ()
    found = with_field(b"To", b"Joe <joe@x.org>\nIn-Reply-To: " + value.encode() + b" <12@x.org>")
    assert found.in_reply_to == ("12@x.org",)


def test_many_references_keep_the_root_and_the_nearest() -> None:
    found = parse_references(" ".join(f"<{number}@x>" for number in range(3000)), limit=1000)
    assert (len(found), found[0], found[-1]) == (1000, "0@x", "2999@x")


def test_identity_ignores_the_case_of_the_author_only() -> None:
    assert identity_of("a@b", "Ann@x.org", "d") == identity_of("a@b", "ann@x.org", "d")
    assert identity_of("A@b", "ann@x.org", "d") != identity_of("a@b", "ann@x.org", "d")
