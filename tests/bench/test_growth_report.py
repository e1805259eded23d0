"""What is told of the runs of the growth benchmark."""

from xml.etree import ElementTree  # noqa: S405 - what is read was made here

import pytest

from bench.front_door import Progress
from bench.growth_report import missed, table, to_svg

RUN = {
    "mails": 1_000_000,
    "rate": 3000,
    "tenths": [3000] * 9 + [2500],
    "ms of tenths": [0.5] * 9 + [0.61],
    "stall s": 1.0,
    "live p50 ms": 20,
    "live max ms": 400,
    "live lost": 0,
    "valkey MB": 40.0,
    "all MB": 2000,
    "watcher MB": 250,
    "mail bytes": 4500,
    "rescan s": 9.0,
    "status s": 1.2,
    "search p50 ms": 5.0,
    "search p95 ms": 20.0,
    "database bytes": 5000,
}


def test_a_run_that_keeps_all_bars_misses_none():
    assert missed(RUN) == []


def test_each_missed_bar_is_told():
    bad = RUN | {"rate": 2400, "tenths": [3000, 2000], "stall s": 6, "watcher MB": 301}
    bad |= {"live max ms": 1000, "valkey MB": 100, "status s": 2.0}
    assert len(missed(bad)) == 7
    assert len(missed(RUN | {"live lost": 1})) == 1


def test_the_table_has_a_line_for_each_run():
    lines = table([RUN | {"mails": 10_000}, RUN]).splitlines()
    assert len(lines) == 4
    assert lines[-1].startswith("| 1,000,000 | 3,000 | 2,500, 3,000 |")
    assert len({line.count("|") for line in lines}) == 1


def test_the_plot_is_a_picture_with_a_line_for_each_run():
    picture = ElementTree.fromstring(to_svg([RUN | {"mails": 10_000}, RUN]))  # noqa: S314
    lines = [one for one in picture.iter() if one.tag.endswith("polyline")]
    assert [len(line.attrib["points"].split()) for line in lines] == [10, 10]


def test_rates_and_stalls_come_from_the_moments_at_which_files_were_in():
    seen = Progress([(1.0, 10), (2.0, 20), (6.0, 100)])
    assert seen.seconds_at(15) == 1.5
    assert seen.worst_stall() == 4.0
    assert seen.tenths(100)[:3] == [10.0, 10.0, 20.0]


def test_the_work_of_each_tenth_comes_from_the_processor_time_at_its_ends():
    seen = Progress([(1.0, 10), (11.0, 110)], work=[(1.0, 2.0), (6.0, 7.0), (11.0, 22.0)])
    work = seen.work_of_tenths(110)
    assert work[1] == pytest.approx(1000 * 1.1 / 11)
    assert work[-1] == pytest.approx(1000 * 3.3 / 11)
