"""The table of periodic jobs and what its checks say about a wrong row or setting."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobs import schedule
from mrilu.queues.table import Periodic, ScheduleError, effective
from mrilu.runtime.database import disconnect
from mrilu.settings.current import forget_settings, use_settings
from mrilu.settings.fields import SettingError
from mrilu.settings.load import load

ROW = Periodic(
    id="count_up", function="tests.queues.sample_jobs.count_up", cron="0 * * * *", timeout=60
)


def test_every_row_of_the_schedule_can_be_run() -> None:
    assert effective(schedule.SCHEDULE, (), "Europe/Berlin") == schedule.SCHEDULE


def test_a_cron_setting_takes_the_place_of_the_rows_own() -> None:
    settings = load({"CRON_COUNT_UP": "5 4 * * *"})
    assert (
        effective([replace(ROW, cron="", interval=60)], settings.crons, "UTC")[0].when()
        == "5 4 * * *"
    )


def test_a_row_can_be_switched_off() -> None:
    assert effective([ROW], load({"CRON_COUNT_UP": "off"}).crons, "UTC") == ()


@pytest.mark.parametrize("cron", ["every day", "61 * * * *", "* * * *", "0 0 * * * *", "@daily"])
def test_a_wrong_cron_string_is_refused_with_its_variable(cron: str) -> None:
    with pytest.raises(SettingError, match="^CRON_UPDATE_MUPLIS: "):
        load({"CRON_UPDATE_MUPLIS": cron})


def test_a_cron_setting_that_never_comes_is_refused_with_its_variable() -> None:
    with pytest.raises(SettingError, match="^CRON_COUNT_UP: .*never comes"):
        effective([ROW], (("count_up", "0 0 30 2 *"),), "UTC")


def test_a_cron_setting_for_no_job_names_those_that_there_are() -> None:
    with pytest.raises(SettingError, match="^CRON_EXPRTS: .*CRON_COUNT_UP"):
        effective([ROW], (("exprts", "0 0 * * *"),), "UTC")


def test_the_variable_of_cron_itself_is_no_setting_of_ours() -> None:
    assert load({"CRON_TZ": "Europe/Berlin"}).crons == ()


@pytest.mark.parametrize(
    "wrong",
    [
        replace(ROW, function="tests.queues.sample_jobs.counted_up"),
        replace(ROW, function="tests.jobs.no_such_module.count_up"),
        replace(ROW, id="NOT_CALLABLE", function="tests.queues.sample_jobs.NOT_CALLABLE"),
        replace(ROW, id="other", function="tests.queues.sample_jobs.count_up"),
        replace(ROW, id="Bad-Id"),
        replace(ROW, cron=""),
        replace(ROW, interval=60),
        replace(ROW, queue="nowhere"),
        replace(ROW, cron="0 0 30 2 *"),
    ],
)
def test_a_wrong_row_is_refused_with_its_id(wrong: Periodic) -> None:
    with pytest.raises(ScheduleError, match=wrong.id):
        effective([wrong], (), "UTC")


def test_an_id_comes_once() -> None:
    with pytest.raises(ScheduleError, match="count_up"):
        effective([ROW, ROW], (), "UTC")


def test_the_scheduler_says_what_is_wrong_and_does_not_start(
    capsys: pytest.CaptureFixture[str],
) -> None:
    use_settings(
        load(
            {
                "CRON_NOTHING": "0 0 * * *",
                "DATABASE_URL": "postgresql:///x",
                "REDIS_URL": "unix:///x",
            }
        )
    )
    try:
        assert schedule.main() == 2
    finally:
        disconnect()
        forget_settings()
    assert capsys.readouterr().err.startswith("CRON_NOTHING: no job has this name")
