"""`./run.sh schedule` and `./run.sh run JOB`."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import click
import pytest
from click.testing import CliRunner, Result
from peewee import PostgresqlDatabase
from redis import Redis
from rq import SimpleWorker
from rq.serializers import JSONSerializer

from jobs import schedule as table
from models import JobRun
from mrilu.cli.scheduling import run, schedule
from mrilu.queues.queues import queue
from mrilu.queues.scheduler import TableScheduler
from mrilu.queues.table import Periodic
from mrilu.runtime.heartbeat import beat
from mrilu.settings.table import Settings

Command = Callable[..., Result]
NOW = datetime.now(UTC).replace(microsecond=0)
ROWS = tuple(
    Periodic(id=name, function=f"tests.queues.sample_jobs.{name}", cron="0 0 * * *", timeout=60)
    for name in ("count_up", "second", "fail_for_good")
)


@pytest.fixture
def call(
    service_settings: Settings,
    database: PostgresqlDatabase,
    redis_client: Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> Command:
    """Call a command as ./run.sh does, with a table of three jobs and TIMEZONE in Berlin."""
    monkeypatch.setattr(table, "SCHEDULE", ROWS)
    environ = {
        "DATABASE_URL": service_settings.database_url or "",
        "REDIS_URL": service_settings.redis_url or "",
        "DATA_DIR": str(service_settings.data_dir),
        "TIMEZONE": "Europe/Berlin",
        "COLUMNS": "200",
    }

    def invoke(command: click.Command, *words: str) -> Result:
        return CliRunner(env=environ).invoke(command, list(words))

    return invoke


@pytest.fixture
def worker(redis_client: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that works whenever the command waits."""

    def work(seconds: float) -> None:
        queues = [queue("default", redis_client)]
        SimpleWorker(queues, connection=redis_client, serializer=JSONSerializer).work(burst=True)

    monkeypatch.setattr("mrilu.cli.scheduling.pause", work)


def scheduler(redis_client: Redis) -> TableScheduler:
    return TableScheduler(ROWS, ZoneInfo("Europe/Berlin"), redis_client, dict)


def test_the_schedule_shows_last_run_drift_and_next_run_in_local_time(
    call: Command, redis_client: Redis
) -> None:
    scheduler(redis_client).assert_table()
    beat("scheduler", {}, redis_client)
    slot = NOW - timedelta(minutes=5)
    done = JobRun.claim("count_up", "", slot, "host:1:1", slot + timedelta(seconds=2))
    assert done is not None
    JobRun.close(done, "done", slot + timedelta(seconds=9), {"counted": 1}, "")
    failed = JobRun.claim("second", "", None, "host:1:1", NOW)
    assert failed is not None
    JobRun.close(failed, "failed", NOW, {}, "ValueError: [no] markup")
    result = call(schedule)
    assert result.exit_code == 0, result.output
    assert "times are in Europe/Berlin" in result.output and result.output.count(" 00:00 ") == 3
    assert "7.0 s" in result.output and "2.0 s" in result.output
    assert "second: ValueError: [no] markup" in result.output
    facts = {row["job"]: row for row in json.loads(call(schedule, "--json").output)["jobs"]}
    count_up = facts["count_up"]
    assert (count_up["outcome"], count_up["drift"], count_up["seconds"]) == ("done", 2.0, 7.0)
    assert facts["fail_for_good"]["outcome"] == "never"


def test_a_scheduler_that_is_dead_and_an_entry_that_did_not_fire_are_said(
    call: Command, redis_client: Redis
) -> None:
    scheduler(redis_client).assert_table()
    result = call(schedule)
    assert result.exit_code == 1 and "the scheduler does not run" in result.output
    beat("scheduler", {}, redis_client)
    redis_client.zadd(TableScheduler.scheduled_jobs_key, {"mrilu-second": NOW.timestamp() - 60})
    result = call(schedule)
    assert result.exit_code == 1 and result.output.count("OVERDUE") == 1


@pytest.mark.usefixtures("worker")
def test_a_job_is_run_now_and_waited_for(call: Command) -> None:
    result = call(run, "count_up", "--wait")
    assert result.exit_code == 0 and "counted=1" in result.output
    assert JobRun.get().outcome == "done"


@pytest.mark.usefixtures("worker")
def test_force_reaches_the_job(call: Command) -> None:
    assert "counted=2" in call(run, "count_up", "--wait", "--force").output


@pytest.mark.usefixtures("worker")
def test_a_job_that_fails_while_waited_for_ends_with_its_error(call: Command) -> None:
    result = call(run, "fail_for_good", "--wait")
    assert result.exit_code == 1 and "the data is wrong" in result.output


def test_a_job_that_waits_is_not_enqueued_again(call: Command, redis_client: Redis) -> None:
    first, second = call(run, "count_up"), call(run, "count_up")
    assert (
        "is enqueued as count_up-now-" in first.output and "waits or runs already" in second.output
    )
    assert len(queue("default", redis_client)) == 1


def test_a_job_that_there_is_not_is_answered_with_those_that_there_are(call: Command) -> None:
    assert "count_up, second, fail_for_good" in str(call(run, "no_such_job").exception)
    assert "nothing to --force" in str(call(run, "second", "--force").exception)


def test_the_next_midnight_is_the_zones_own(call: Command, redis_client: Redis) -> None:
    scheduler(redis_client).assert_table()
    for row in json.loads(call(schedule, "--json").output)["jobs"]:
        due = datetime.fromisoformat(row["next"]).astimezone(ZoneInfo("Europe/Berlin"))
        assert due.strftime("%H:%M:%S") == "00:00:00"
