"""What a row of the schedule says, and the checks that it must pass before the scheduler starts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from cronsim import CronSimError

# As mrilu/service/rq_defaults.py has it: it finds only our jobs.
from rq.job import import_attribute

from mrilu.queues.queues import DEFAULT, NAMES
from mrilu.queues.slots import next_cron_slot, next_interval_slot
from mrilu.settings.fields import SettingError

_ID = re.compile(r"[a-z][a-z0-9_]{0,50}\Z")


class ScheduleError(ValueError):
    """A row of the schedule cannot be used; the message names the row."""


@dataclass(frozen=True, kw_only=True)
class Periodic:
    """A job that runs again and again: by a cron string in the site's time zone, or every `interval` seconds.

    `function` is the job's dotted name, `timeout` in seconds; `at_start` runs it when the service starts, too.
    """

    id: str
    function: str
    timeout: int
    cron: str = ""
    interval: int = 0
    queue: str = DEFAULT
    at_start: bool = False

    def next_slot(self, zone: ZoneInfo, after: datetime) -> datetime:
        """Return when the job is due next after `after`, in UTC."""
        if self.interval:
            return next_interval_slot(self.interval, after)
        return next_cron_slot(self.cron, zone, after)

    def when(self) -> str:
        """Return the row's timing for a person."""
        return f"every {self.interval} s" if self.interval else self.cron


def effective(
    table: Sequence[Periodic], crons: Sequence[tuple[str, str]], zone: str
) -> tuple[Periodic, ...]:
    """Return the table with the CRON_* settings applied ("off" leaves the row out), checked whole.

    Raises SettingError, which names the variable, or ScheduleError, which names the row.
    """
    wanted = dict(crons)
    unknown = sorted(set(wanted) - {row.id for row in table})
    if unknown:
        known = ", ".join(f"CRON_{row.id.upper()}" for row in table)
        raise SettingError(f"CRON_{unknown[0].upper()}: no job has this name; there are {known}")
    _check_ids(table)
    changed = [
        replace(row, cron=wanted[row.id], interval=0) if row.id in wanted else row for row in table
    ]
    rows = tuple(row for row in changed if row.cron != "off")
    for row in rows:
        _check(row, ZoneInfo(zone), overridden=row.id in wanted)
    return rows


def _check_ids(table: Sequence[Periodic]) -> None:
    ids = [row.id for row in table]
    for one in ids:
        if not _ID.match(one) or ids.count(one) > 1:
            raise ScheduleError(
                f"schedule row {one!r}: an id is unique, of lower-case letters, digits and '_'"
            )


def _check(row: Periodic, zone: ZoneInfo, *, overridden: bool) -> None:
    if (
        bool(row.cron) == bool(row.interval)
        or row.interval < 0
        or row.timeout < 1
        or row.queue not in NAMES
    ):
        raise ScheduleError(
            f"schedule row {row.id!r}: needs a cron or an interval, a time-out and a known queue"
        )
    try:
        row.next_slot(zone, datetime.now(UTC))
    except (CronSimError, IndexError) as error:
        if overridden:
            raise SettingError(
                f"CRON_{row.id.upper()}: {row.cron!r} never comes: {error}"
            ) from error
        raise ScheduleError(
            f"schedule row {row.id!r}: {row.cron!r} is no cron string that ever comes"
        ) from error
    _resolve(row)


def _resolve(row: Periodic) -> None:
    try:
        found = import_attribute(row.function)
    except (ImportError, AttributeError, ValueError) as error:
        raise ScheduleError(
            f"schedule row {row.id!r}: there is no function {row.function}: {error}"
        ) from error
    if not callable(found) or row.function.rpartition(".")[2] != row.id:
        raise ScheduleError(
            f"schedule row {row.id!r}: {row.function} must be a function of the row's name"
        )
