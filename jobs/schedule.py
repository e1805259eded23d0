"""The table of periodic jobs, and `python -m jobs.schedule`, which runs them. Times are in TIMEZONE.

A new periodic job is a module, a row here, a test and a line in the README.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from models import JobRun
from mrilu.queues.losses import LostRuns
from mrilu.queues.queues import EMBED, LONG, NOTIFY
from mrilu.queues.recovery import recover_imports, recover_runs
from mrilu.queues.runs import close_dead_runs
from mrilu.queues.scheduler import TableScheduler
from mrilu.queues.table import Periodic, ScheduleError, effective
from mrilu.runtime.database import database, wait_at_most
from mrilu.runtime.errors import NotConfigured
from mrilu.runtime.logs import log_as
from mrilu.runtime.redis import redis_connection
from mrilu.runtime.steps import run_each
from mrilu.settings.current import current_settings
from mrilu.settings.fields import SettingError

logger = logging.getLogger(__name__)

HOUR = 3600
SCHEDULE = (
    Periodic(
        id="check_new_mail",
        function="jobs.check_new_mail.check_new_mail",
        cron="17 4 * * *",
        timeout=HOUR,
        at_start=True,
    ),
    Periodic(
        id="sync_dictionary",
        function="jobs.sync_dictionary.sync_dictionary",
        cron="37 2 * * *",
        timeout=HOUR,
        at_start=True,
    ),
    Periodic(
        id="export_dictionaries",
        function="jobs.export_dictionaries.export_dictionaries",
        cron="0 0 * * *",
        timeout=2 * HOUR,
        queue=LONG,
        at_start=True,
    ),
    Periodic(
        id="update_muplis",
        function="jobs.update_muplis.update_muplis",
        cron="57 2 * * *",
        timeout=HOUR // 4,
        queue=LONG,
        at_start=True,
    ),
    Periodic(
        id="send_notifications",
        function="jobs.send_notifications.send_notifications",
        cron="* * * * *",
        timeout=HOUR // 6,
        queue=NOTIFY,
    ),
    Periodic(
        id="take_in_bounces",
        function="jobs.take_in_bounces.take_in_bounces",
        cron="*/5 * * * *",
        timeout=HOUR // 6,
    ),
    Periodic(
        id="embed_missing",
        function="jobs.embed_missing.embed_missing",
        cron="7 * * * *",
        timeout=HOUR,
        queue=EMBED,
        at_start=True,
    ),
    Periodic(
        id="reread_messages",
        function="jobs.reread_messages.reread_messages",
        cron="27 * * * *",
        timeout=HOUR // 6,
        at_start=True,
    ),
    Periodic(
        id="note_ledgers",
        function="jobs.note_ledgers.note_ledgers",
        cron="* * * * *",
        timeout=HOUR // 6,
        at_start=True,
    ),
    Periodic(
        id="link_quotes",
        function="jobs.link_quotes.link_quotes",
        cron="3 * * * *",
        timeout=HOUR // 6,
        at_start=True,
    ),
    Periodic(id="upkeep", function="jobs.upkeep.upkeep", cron="47 * * * *", timeout=HOUR),
)

LOSSES_EVERY = 10.0  # seconds between two looks for runs that were lost from Redis
LOCK_SECONDS = 3.0  # of waiting for a lock in the database, after which a pass is tried again
DEATHS_EVERY = 1.0  # seconds between two looks for runs whose worker died


def schedule() -> tuple[Periodic, ...]:
    """Return the table with the settings CRON_* applied. Raises SettingError or ScheduleError."""
    return effective(SCHEDULE, current_settings().crons, current_settings().timezone)


def last_runs() -> Mapping[str, datetime]:
    """Return the slot (or the start, when a person asked) of each job's last run."""
    database()
    return {run.job: run.slot or run.started_at for run in JobRun.latest()}


def every(seconds: float, work: Callable[[], object]) -> Callable[[], None]:
    """Return a function that does `work` at most once in so many seconds."""
    last = [float("-inf")]

    def when_due() -> None:
        if time.monotonic() - last[0] >= seconds:
            last[0] = time.monotonic()
            work()

    return when_due


def _recover() -> None:
    database()
    run_each((close_dead_runs, recover_runs, recover_imports))


def main() -> int:
    """Run the scheduler; the exit code: 0 stopped by a signal, 2 a setting or a row is wrong."""
    # rq-scheduler reckons in the process's zone; slots are computed in TIMEZONE by the table itself.
    os.environ["TZ"] = "UTC"
    time.tzset()
    try:
        settings = current_settings()
        if settings.database_url is None or settings.redis_url is None:
            raise NotConfigured
        table = schedule()
    except (SettingError, ScheduleError, NotConfigured) as error:
        print(error, file=sys.stderr)
        return 2
    log_as(settings)
    wait_at_most(lock=LOCK_SECONDS)
    look, lost = every(DEATHS_EVERY, _recover), every(LOSSES_EVERY, LostRuns(table).put_back)

    def upkeep() -> None:
        run_each((look, lost))

    TableScheduler(table, ZoneInfo(settings.timezone), redis_connection(), last_runs, upkeep).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
