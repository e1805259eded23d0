"""Dates in all the forms that mail has seen."""

from datetime import UTC, datetime

import pytest

from mrilu.mail.headers.dates import file_name_date, newest_received, parse_date, parse_from_line

MOMENT = datetime(1999, 11, 9, 18, 50, 39, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        "Tue, 09 Nov 1999 18:50:39 +0000",
        "Tue, 9 Nov 1999 18:50:39 GMT",
        "9 Nov 1999 18:50:39 -0000",
        "Tue, 9 Nov 1999 19:50:39 +0100 (CET)",
        "Tue, 9 Nov 1999 13:50:39 EST",
        "Tue, 9 Nov 1999 10:50:39 -0800 (PST)",
        "Tue, 9 Nov 99 18:50:39 GMT",
        "Tue, 9 Nov 99 18:50:39",
        "Tue Nov  9 18:50:39 1999",
        "Tue Nov 9 18:50:39 GMT 1999",
        "Tue Nov  9 13:50:39 1999 -0500",
        "1999-11-09T18:50:39Z",
        "1999-11-09 18:50:39",
        "1999-11-09T19:50:39+01:00",
        "1999-11-09T18:50:39.123Z",
        "Tue, 9 Nov 1999 18.50.39 +0000",
        "Tuesday, 09-Nov-99 18:50:39 GMT",
        "Tue, 9 Nov 1999 18:50:39 UT",
        "Tue, 9 Nov 1999 18:50:39 +0000 (Coordinated Universal Time)",
        "Tue,9 Nov 1999 18:50:39 +0000",
        "Tue, 9 Nov 1999 6:50:39 PM",
        "Tue, 09 November 1999 18:50:39 +0000",
        "Tue, 9 Nov 1999\n 18:50:39 +0000",
        "Di, 09 Nov 1999 19:50:39 MEZ",
        "Tue, 9 Nov 1999 18:50:39 GMT+0000",
        "(comment) Tue, 9 Nov 1999 18:50:39 +0000",
        "Tue, 9 Nov 199 18:50:39 +0000".replace("199 ", "1999 "),
        "Tue, 9 Nov 099 18:50:39 +0000",
        "Nov 9, 1999 6:50:39 PM GMT",
        "11/09/1999 18:50:39",
        "Tue, 9 Nov 1999 18:50:39 Z",
        "mar., 09 nov. 1999 19:50:39 +0100",
        "9.11.1999 18:50:39",
        "Tue, 9 Nov 1999 10:50:39 -800",
        "Tue Nov  9 10:50:39 PST 1999",
        "Tue,  9 Nov 1999 18:50:39 EST5EDT".replace("18:", "13:"),
        "1999/11/09 18:50:39",
        "Tue, 9 Nov 1999 18(hour) :  50 : 39 +0000",
        "Tue, 9 Nov 0099 18:50:39 +0000",
        "19991109T185039Z",
        "19991109185039",
        "19991109T195039+0100",
        "19991109T185039.25Z",
        "19991109 185039",
        "19991109T18:50:39Z",
        "19991109 13:50:39 -0500",
        "Tue, 9 Nov 1999 13:50:39 Eastern Standard Time",
        "Tue, 9 Nov 1999 11:50:39 Pacific Daylight Time",
        "Tue Nov  9 20:50:39 MET DST 1999",
        "Tue, 9 Nov 1999 19:50:39 \u20130100".replace("\u20130", "+0"),
        "Tue, 9 Nov 1999 13:50:39 \u20130500",
        "=?utf-8?Q?Tue,_9_Nov_1999_18:50:39_+0000?=",
        "09.11.99 18:50:39",
        "Ter, 9 novembro 1999 18:50:39 +0000",
        "9 ноября 1999 г. 21:50:39 +0300",
        "вт, 09 Ноя 1999 18:50:39 +0000",
        'Tue, 9 Nov 1999 18:50:39 "GMT"',
        "Tue, 9 Nov 1999 19:50:39 +100".replace("+100", "+0100"),
    ],
)
def test_a_date_is_understood(value: str) -> None:
    assert parse_date(value) == MOMENT


def test_a_compact_date_may_lack_seconds_and_clock() -> None:
    assert parse_date("19991109T1850Z") == parse_date("199911091850") == MOMENT.replace(second=0)
    assert parse_date("19991109") == datetime(1999, 11, 9, tzinfo=UTC)


def test_the_day_may_end_at_24_o_clock() -> None:
    assert parse_date("Tue, 09 Nov 1999 24:00:00 +0000") == datetime(1999, 11, 10, tzinfo=UTC)


def test_one_digit_of_the_clock_is_enough() -> None:
    assert parse_date("Tue, 9 Nov 1999 8:5:9 +0000") == datetime(1999, 11, 9, 8, 5, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("year", "meant"), [("19100", 2000), ("19103", 2003), ("0003", 2003), ("103", 2003)]
)
def test_years_of_programs_not_ready_for_2000_are_read(year: str, meant: int) -> None:
    assert parse_date(f"Sun, 9 Nov {year} 18:50:39 +0000") == MOMENT.replace(year=meant)


def test_raw_8_bit_month_names_are_read() -> None:
    value = "9 ноября 1999 г. 18:50:39 +0000".encode().decode("ascii", "surrogateescape")
    assert parse_date(value) == MOMENT


def test_seconds_may_be_missing() -> None:
    assert parse_date("9 Nov 1999 18:50 +0000") == MOMENT.replace(second=0)


def test_a_leap_second_is_read() -> None:
    assert parse_date("Sat, 31 Dec 2016 23:59:60 +0000") == datetime(
        2016, 12, 31, 23, 59, 59, tzinfo=UTC
    )


@pytest.mark.parametrize(
    "value",
    [
        "",
        "yesterday",
        "32 Foo 1999",
        "Tue, 99 Nov 1999 18:50:39",
        "9 Nov",
        "::::",
        "Date",
        "0" * 500,
        "\udcff",
        "1999-99-99",
        "9 Nov 1999 59:10",
        "9 Nov 99999 10:00",
    ],
)
def test_what_is_no_date_gives_none(value: str) -> None:
    assert parse_date(value) is None


def test_an_absurd_zone_does_no_harm() -> None:
    assert parse_date("Tue, 9 Nov 1999 18:50:39 +9999") is not None


def test_the_topmost_received_field_with_a_date_counts() -> None:
    assert (
        newest_received(
            [
                "garbage",
                "from c by d with SMTP id x; Tue, 9 Nov 1999 18:50:39 +0000 (GMT)",
                "from a by b; Mon, 8 Nov 1999 10:00:00 +0000",
            ]
        )
        == MOMENT
    )


def test_a_fast_clock_below_does_not_date_a_mail() -> None:
    assert (
        newest_received(
            [
                "from b by c; Tue, 9 Nov 1999 18:50:39 +0000",
                "from a by b; Wed, 10 Nov 1999 10:00:00 +0000",
            ]
        )
        == MOMENT
    )


def test_a_semicolon_in_a_comment_does_not_hide_the_date_of_receipt() -> None:
    assert (
        newest_received(["from a by b; Tue, 9 Nov 1999 18:50:39 +0000\n (envelope-from a; x)"])
        == MOMENT
    )


def test_the_mbox_line_has_a_date() -> None:
    assert parse_from_line("From ann@example.org Tue Nov  9 18:50:39 1999") == MOMENT


def test_a_maildir_file_name_begins_with_seconds() -> None:
    assert file_name_date("cur/942173439.M1P2.host:2,S") == MOMENT
    assert file_name_date("letter.eml") is None


@pytest.mark.parametrize(
    "value",
    [
        "Tue, 9 Nov 1999 19:50:39 0100",
        "Tue, 9 Nov 1999 19:50:39 01:00",
        "Tue Nov  9 19:50:39 1999 0100",
        "Tue Nov  9 19:50:39 0100 1999",
        "1999-11-09 19:50:39 0100",
        "Wed, 10 Nov 1999 00:20:39 GMT 0530",
        "Tue, 9 Nov 1999 13:50:39 0500 (EST)",
    ],
)
def test_a_zone_that_lost_its_sign_is_east_of_greenwich_unless_it_is_named_otherwise(
    value: str,
) -> None:
    assert parse_date(value) == MOMENT


@pytest.mark.parametrize(
    "value",
    [
        "Tue, 9 Nov 1999 18:50:t",
        "Tue, 9 Nov 1999 18:50:",
        "Tue, 9 Nov 1999 18:50: GMT",
        "Tue, 9 Nov 1999 19:50:xx +0100",
        "9 Nov 1999 18:50 -",
    ],
)
def test_seconds_that_were_cut_leave_the_minute(value: str) -> None:
    assert parse_date(value) == MOMENT.replace(second=0)
