"""When jobs are due, on the days when the clock changes above all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrilu.queues.slots import next_cron_slot, next_interval_slot

BERLIN, NEW_YORK, CAIRO = map(ZoneInfo, ("Europe/Berlin", "America/New_York", "Africa/Cairo"))


def slots(cron: str, zone: ZoneInfo, start: str, end: str) -> list[datetime]:
    """All slots between two UTC times."""
    moment, last, found = datetime.fromisoformat(start), datetime.fromisoformat(end), []
    while (moment := next_cron_slot(cron, zone, moment)) < last:
        found.append(moment)
    return found


def shown(moments: list[datetime]) -> list[str]:
    return [moment.strftime("%m-%d %H:%M") for moment in moments]


@pytest.mark.parametrize(
    ("zone", "start", "end", "expected"),
    [
        (
            BERLIN,
            "2026-03-27T12:00Z",
            "2026-03-30T12:00Z",
            ["03-27 23:00", "03-28 23:00", "03-29 22:00"],
        ),
        (
            BERLIN,
            "2026-10-23T12:00Z",
            "2026-10-26T12:00Z",
            ["10-23 22:00", "10-24 22:00", "10-25 23:00"],
        ),
        (
            NEW_YORK,
            "2026-03-06T12:00Z",
            "2026-03-09T12:00Z",
            ["03-07 05:00", "03-08 05:00", "03-09 04:00"],
        ),
        (
            NEW_YORK,
            "2026-10-30T12:00Z",
            "2026-11-02T12:00Z",
            ["10-31 04:00", "11-01 04:00", "11-02 05:00"],
        ),
    ],
)
def test_midnight_is_the_zones_own_over_both_changes_of_the_clock(
    zone: ZoneInfo, start: str, end: str, expected: list[str]
) -> None:
    found = slots("0 0 * * *", zone, start, end)
    assert shown(found) == expected
    assert {moment.astimezone(zone).strftime("%H:%M") for moment in found} == {"00:00"}


@pytest.mark.parametrize(("zone", "day"), [(BERLIN, "2026-10-25"), (NEW_YORK, "2026-11-01")])
def test_a_fixed_time_that_comes_twice_runs_once(zone: ZoneInfo, day: str) -> None:
    hour = "2" if zone is BERLIN else "1"
    found = slots(f"30 {hour} * * *", zone, f"{day}T00:00Z", f"{day}T12:00Z")
    assert len(found) == 1
    assert found[0].astimezone(zone).fold == 0


@pytest.mark.parametrize(
    ("zone", "day", "at"), [(BERLIN, "2026-03-29", "01:00"), (NEW_YORK, "2026-03-08", "07:00")]
)
def test_a_fixed_time_that_is_skipped_runs_at_the_change(zone: ZoneInfo, day: str, at: str) -> None:
    assert shown(slots("30 2 * * *", zone, f"{day}T00:00Z", f"{day}T12:00Z")) == [f"{day[5:]} {at}"]


def test_a_midnight_that_is_skipped_runs_at_one() -> None:
    found = slots("0 0 * * *", CAIRO, "2026-04-23T12:00Z", "2026-04-24T12:00Z")
    assert [moment.astimezone(CAIRO).strftime("%d %H:%M") for moment in found] == ["24 01:00"]


@pytest.mark.parametrize("zone", [BERLIN, NEW_YORK])
@pytest.mark.parametrize("day", ["2026-03-08", "2026-03-29", "2026-10-25", "2026-11-01"])
def test_an_hourly_job_stays_hourly_when_the_clock_changes(zone: ZoneInfo, day: str) -> None:
    found = slots("0 * * * *", zone, f"{day}T00:00Z", f"{day}T23:30Z")
    assert {later - earlier for earlier, later in zip(found, found[1:], strict=False)} == {
        timedelta(hours=1)
    }
    assert len(found) == 23


@given(
    moment=st.datetimes(datetime(2025, 1, 1), datetime(2028, 1, 1)),
    zone=st.sampled_from([BERLIN, NEW_YORK, CAIRO]),
    minute=st.integers(0, 59),
)
def test_the_next_slot_of_an_hourly_job_is_the_first_minute_that_matches(
    moment: datetime, zone: ZoneInfo, minute: int
) -> None:
    after = moment.replace(tzinfo=UTC)
    due = next_cron_slot(f"{minute} * * * *", zone, after)
    first = after.replace(second=0, microsecond=0) + timedelta(minutes=1)
    matching = (first + timedelta(minutes=n) for n in range(121))
    assert due == next(one for one in matching if one.astimezone(zone).minute == minute)


def test_interval_slots_do_not_drift() -> None:
    after = datetime(2026, 11, 24, 5, 0, 59, 999_999, tzinfo=UTC)
    assert next_interval_slot(60, after) == datetime(2026, 11, 24, 5, 1, tzinfo=UTC)
    assert next_interval_slot(60, datetime(2026, 11, 24, 5, 1, tzinfo=UTC)) == datetime(
        2026, 11, 24, 5, 2, tzinfo=UTC
    )


def test_a_range_of_one_hour_is_that_hour() -> None:
    found = slots("0 21-21 * * *", BERLIN, "2026-11-24T12:00Z", "2026-11-26T12:00Z")
    assert shown(found) == ["11-24 20:00", "11-25 20:00"]


def test_a_start_in_the_repeated_hour_runs_a_fixed_job_no_second_time() -> None:
    after = datetime.fromisoformat("2026-10-25T01:10Z")  # 02:10, the second time
    assert next_cron_slot("30 2 * * *", BERLIN, after).isoformat() == "2026-10-26T01:30:00+00:00"
