"""Dates in all the forms that mail has seen."""

from datetime import UTC, datetime

import pytest

from jobs.mail.dates import file_name_date, newest_received, parse_date, parse_from_line

MOMENT = datetime(1999, 11, 9, 18, 50, 39, tzinfo=UTC)


@pytest.mark.parametrize("value", [
    "Tue, 09 Nov 1999 18:50:39 +0000", "Tue, 9 Nov 1999 18:50:39 GMT", "9 Nov 1999 18:50:39 -0000",
    "Tue, 9 Nov 1999 19:50:39 +0100 (CET)", "Tue, 9 Nov 1999 13:50:39 EST", "Tue, 9 Nov 1999 10:50:39 -0800 (PST)",
    "Tue, 9 Nov 99 18:50:39 GMT", "Tue, 9 Nov 99 18:50:39", "Tue Nov  9 18:50:39 1999", "Tue Nov 9 18:50:39 GMT 1999",
    "Tue Nov  9 13:50:39 1999 -0500", "1999-11-09T18:50:39Z", "1999-11-09 18:50:39", "1999-11-09T19:50:39+01:00",
    "1999-11-09T18:50:39.123Z", "Tue, 9 Nov 1999 18.50.39 +0000", "Tuesday, 09-Nov-99 18:50:39 GMT",
    "Tue, 9 Nov 1999 18:50:39 UT", "Tue, 9 Nov 1999 18:50:39 +0000 (Coordinated Universal Time)",
    "Tue,9 Nov 1999 18:50:39 +0000", "Tue, 9 Nov 1999 6:50:39 PM", "Tue, 09 November 1999 18:50:39 +0000",
    "Tue, 9 Nov 1999\n 18:50:39 +0000", "Di, 09 Nov 1999 19:50:39 MEZ", "Tue, 9 Nov 1999 18:50:39 GMT+0000",
    "(comment) Tue, 9 Nov 1999 18:50:39 +0000", "Tue, 9 Nov 199 18:50:39 +0000".replace("199 ", "1999 "),
    "Tue, 9 Nov 099 18:50:39 +0000", "Nov 9, 1999 6:50:39 PM GMT", "11/09/1999 18:50:39", "Tue, 9 Nov 1999 18:50:39 Z",
    "mar., 09 nov. 1999 19:50:39 +0100", "9.11.1999 18:50:39", "Tue, 9 Nov 1999 10:50:39 -800",
    "Tue Nov  9 10:50:39 PST 1999", "Tue,  9 Nov 1999 18:50:39 EST5EDT".replace("18:", "13:"), "1999/11/09 18:50:39",
    "Tue, 9 Nov 1999 18:50:39 \"GMT\"", "Tue, 9 Nov 1999 19:50:39 +100".replace("+100", "+0100"),
])
def test_a_date_is_understood(value: str) -> None:
    assert parse_date(value) == MOMENT


def test_seconds_may_be_missing() -> None:
    assert parse_date("9 Nov 1999 18:50 +0000") == MOMENT.replace(second=0)


def test_a_leap_second_is_read() -> None:
    assert parse_date("Sat, 31 Dec 2016 23:59:60 +0000") == datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize("value", ["", "yesterday", "32 Foo 1999", "Tue, 99 Nov 1999 18:50:39", "9 Nov", "::::",
                                   "Date", "0" * 500, "\udcff", "1999-99-99", "9 Nov 1999 59:10", "9 Nov 99999 10:00"])
def test_what_is_no_date_gives_none(value: str) -> None:
    assert parse_date(value) is None


def test_an_absurd_zone_does_no_harm() -> None:
    assert parse_date("Tue, 9 Nov 1999 18:50:39 +9999") is not None


def test_the_newest_received_field_counts() -> None:
    assert newest_received(["from a by b; Mon, 8 Nov 1999 10:00:00 +0000", "garbage",
                            "from c by d with SMTP id x; Tue, 9 Nov 1999 18:50:39 +0000 (GMT)"]) == MOMENT


def test_the_mbox_line_has_a_date() -> None:
    assert parse_from_line("From ann@example.org Tue Nov  9 18:50:39 1999") == MOMENT


def test_a_maildir_file_name_begins_with_seconds() -> None:
    assert file_name_date("cur/942173439.M1P2.host:2,S") == MOMENT
    assert file_name_date("letter.eml") is None
