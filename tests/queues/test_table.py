"""The schedule's entries in Redis: asserted, corrected, pruned (fakeredis, a frozen clock)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from fakeredis import FakeRedis
from rq.job import Job
from rq.serializers import JSONSerializer

from mrilu.queues.scheduler import JsonJob, TableScheduler
from mrilu.queues.table import Periodic
from mrilu.runtime.database import disconnect
from mrilu.settings.current import forget_settings, use_settings
from mrilu.settings.load import load
from tests.jobs.test_schedule import ROW

KEY = TableScheduler.scheduled_jobs_key
NOON = datetime(2026, 11, 24, 12, 0, 30, tzinfo=UTC)
SECOND = Periodic(id="second", function="tests.queues.sample_jobs.second", interval=60, timeout=60)


@pytest.fixture(autouse=True)
def _settings():
    use_settings(load({}))
    yield
    disconnect()
    forget_settings()


def scheduler(
    connection: FakeRedis,
    *rows: Periodic,
    now: datetime = NOON,
    last: Mapping[str, datetime] | None = None,
) -> TableScheduler:
    return TableScheduler(rows, ZoneInfo("UTC"), connection, lambda: last or {}, now=lambda: now)


def entries(connection: FakeRedis) -> dict[str, datetime]:
    pairs: Any = connection.zrange(KEY, 0, -1, withscores=True)
    return {key.decode(): datetime.fromtimestamp(score, UTC) for key, score in pairs}


def queued(connection: FakeRedis) -> list[str]:
    keys: Any = connection.lrange("rq:queue:default", 0, -1)
    return [key.decode() for key in keys]


def test_asserting_the_table_twice_changes_nothing() -> None:
    redis = FakeRedis()
    scheduler(redis, ROW, SECOND).assert_table()
    first = entries(redis)
    scheduler(redis, ROW, SECOND).assert_table()
    assert (
        first
        == entries(redis)
        == {
            "mrilu-count_up": datetime(2026, 11, 24, 13, tzinfo=UTC),
            "mrilu-second": datetime(2026, 11, 24, 12, 1, tzinfo=UTC),
        }
    )


def test_an_entry_that_left_the_table_is_pruned_and_those_of_others_stay() -> None:
    redis = FakeRedis()
    scheduler(redis, ROW, SECOND).assert_table()
    redis.zadd(KEY, {"somebody-elses": NOON.timestamp() + 999})
    scheduler(redis, ROW).assert_table()
    assert sorted(entries(redis)) == ["mrilu-count_up", "somebody-elses"]
    assert not redis.exists("rq:job:mrilu-second")


def test_an_entry_whose_cron_changed_gets_its_new_time() -> None:
    redis = FakeRedis()
    scheduler(redis, ROW).assert_table()
    scheduler(redis, replace(ROW, cron="30 15 * * *")).assert_table()
    assert entries(redis)["mrilu-count_up"] == datetime(2026, 11, 24, 15, 30, tzinfo=UTC)


def test_registering_an_overdue_entry_again_fires_it_first() -> None:
    redis = FakeRedis()
    scheduler(redis, ROW).assert_table()
    late = scheduler(redis, replace(ROW, cron="30 15 * * *"), now=NOON + timedelta(hours=1))
    late.assert_table()
    late.enqueue_jobs()
    assert queued(redis) == ["count_up-20261124T130000Z"]
    assert entries(redis)["mrilu-count_up"] == datetime(2026, 11, 24, 15, 30, tzinfo=UTC)


def test_what_redis_forgot_is_due_when_the_last_run_says_so() -> None:
    redis = FakeRedis()
    scheduler(redis, ROW, last={"count_up": datetime(2026, 11, 24, 10, tzinfo=UTC)}).assert_table()
    assert entries(redis)["mrilu-count_up"] == datetime(2026, 11, 24, 11, tzinfo=UTC)
    redis.flushall()
    scheduler(redis, ROW, last={"count_up": datetime(2026, 11, 24, 12, tzinfo=UTC)}).assert_table()
    assert entries(redis)["mrilu-count_up"] == datetime(2026, 11, 24, 13, tzinfo=UTC)


def test_an_entry_is_fired_with_its_queue_timeout_slot_and_all_its_retries() -> None:
    redis = FakeRedis()
    one = scheduler(redis, replace(ROW, queue="embed", timeout=77), now=NOON + timedelta(hours=1))
    redis.zadd(KEY, {"mrilu-count_up": datetime(2026, 11, 24, 13, tzinfo=UTC).timestamp()})
    one.enqueue_jobs()
    job = Job.fetch("count_up-20261124T130000Z", connection=redis, serializer=JSONSerializer)
    assert (job.origin, job.timeout, job.meta) == (
        "embed",
        77,
        {"slot": "2026-11-24T13:00:00+00:00"},
    )
    assert (
        job.retries_left == 7 and job.retry_intervals is not None and len(job.retry_intervals) == 7
    )


def test_an_unreadable_entry_and_one_of_a_renamed_function_hold_up_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    redis = FakeRedis()
    redis.zadd(KEY, {b"pickled": 1, b"\xff\xfe": 2, b"mrilu-count_up": NOON.timestamp() - 30})
    redis.hset(
        "rq:job:pickled",
        mapping={"data": b"\x80\x04.", "created_at": "2026-11-24T12:00:00.000000Z"},
    )
    redis.hset("rq:job:mrilu-count_up", mapping={"data": b"garbage"})
    one = scheduler(redis, ROW)
    for _ in range(3):
        one.enqueue_jobs()
        one.assert_table()
    assert queued(redis) == ["count_up-20261124T120000Z"]
    assert JsonJob.fetch("mrilu-count_up", connection=redis).func_name == ROW.function
    assert sum("cannot be fired" in record.message for record in caplog.records) <= 2


def test_somebody_elses_readable_entry_is_fired() -> None:
    redis = FakeRedis()
    one = scheduler(redis)
    one.enqueue_at(
        NOON - timedelta(seconds=5), "tests.queues.sample_jobs.count_up", job_id="by-hand"
    )
    one.enqueue_jobs()
    assert queued(redis) == ["by-hand"] and entries(redis) == {}


def test_the_job_that_is_pending_is_not_enqueued_again_and_its_slot_passes() -> None:
    redis = FakeRedis()
    clock = [NOON]
    one = TableScheduler([ROW], ZoneInfo("UTC"), redis, dict, now=lambda: clock[0])
    one.assert_table()
    for _ in range(24):
        clock[0] += timedelta(hours=1)
        one.enqueue_jobs()
    assert queued(redis) == ["count_up-20261124T130000Z"]
    assert entries(redis)["mrilu-count_up"] > clock[0]


def test_a_job_that_was_lost_on_its_way_to_a_worker_blocks_nothing() -> None:
    redis = FakeRedis()
    one = scheduler(redis, ROW, now=NOON + timedelta(hours=1))
    redis.zadd(KEY, {"mrilu-count_up": datetime(2026, 11, 24, 13, tzinfo=UTC).timestamp()})
    one.enqueue_jobs()
    redis.delete("rq:queue:default")
    later = scheduler(redis, ROW, now=NOON + timedelta(hours=2))
    later.enqueue_jobs()
    assert queued(redis) == ["count_up-20261124T140000Z"]


@pytest.mark.parametrize(
    ("zone", "start", "midnights"),
    [
        ("Europe/Berlin", "2026-03-28T12:00Z", ["0328T230000Z", "0329T220000Z", "0330T220000Z"]),
        ("Europe/Berlin", "2026-10-24T12:00Z", ["1024T220000Z", "1025T230000Z", "1026T230000Z"]),
        ("America/New_York", "2026-03-07T12:00Z", ["0308T050000Z", "0309T040000Z", "0310T040000Z"]),
        ("America/New_York", "2026-10-31T12:00Z", ["1101T040000Z", "1102T050000Z", "1103T050000Z"]),
    ],
)
def test_each_midnight_is_fired_once_over_both_changes_of_the_clock(
    zone: str, start: str, midnights: list[str]
) -> None:
    redis, clock = FakeRedis(), [datetime.fromisoformat(start)]
    one = TableScheduler(
        [replace(ROW, cron="0 0 * * *")], ZoneInfo(zone), redis, dict, now=lambda: clock[0]
    )
    fired = []
    for _ in range(72):
        one.assert_table()
        one.enqueue_jobs()
        fired += queued(redis)
        redis.delete("rq:queue:default")
        clock[0] += timedelta(hours=1)
    assert [job.removeprefix("count_up-2026") for job in fired] == midnights


def test_a_clock_that_is_set_back_puts_the_entry_right() -> None:
    redis = FakeRedis()
    scheduler(redis, ROW, now=NOON + timedelta(hours=5)).assert_table()
    scheduler(redis, ROW, now=NOON).assert_table()
    assert entries(redis)["mrilu-count_up"] == datetime(2026, 11, 24, 13, tzinfo=UTC)
