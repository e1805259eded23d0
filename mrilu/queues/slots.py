"""When a periodic job is due. Pure.

A cron string is read in the site's time zone, as Debian's cron does it over a change of the clock: a job
with a fixed hour runs once that day (at once when its time is skipped, the first time when it comes twice);
one whose hour field starts with "*" runs at every instant that matches, so that an hourly job stays hourly.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def next_cron_slot(cron: str, zone: ZoneInfo, after: datetime) -> datetime:
    """Return the first time after `after` (aware) that the cron string matches in `zone`, in UTC.

    Raises cronsim.CronSimError when no date ever matches (30 February).
    """
    every_hour = cron.split()[1].startswith("*")
    slot = after
    while True:
        matching = next(CronSim(cron, slot.astimezone(zone)), None)
        if matching is None:
            raise CronSimError("no date matches it")
        slot = matching.astimezone(UTC)
        # Within an hour that the clock shows twice (fold=1 the second time) CronSim may answer with the first.
        if slot > after and (every_hour or not slot.astimezone(zone).fold):
            return slot


def next_interval_slot(seconds: int, after: datetime) -> datetime:
    """Return the first multiple of `seconds` since 1970 after `after`: the same on every machine, without drift."""
    passed = (after - EPOCH) // timedelta(seconds=seconds)
    return EPOCH + (passed + 1) * timedelta(seconds=seconds)
