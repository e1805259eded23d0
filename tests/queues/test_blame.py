"""What an end of an import job counts against."""

from __future__ import annotations

from typing import Any

import pytest

from mrilu.queues.blame import (
    KILLED,
    MAX_DEATHS,
    MAX_KILLS,
    PATIENCE,
    RAISED,
    End,
    judge,
    pause_after,
)

FILES = [f"new/{number}" for number in range(3)]


def ended(suspects: list[str], *, caused: bool) -> End:
    return End(KILLED, "its worker died", suspects, caused)


def until_settled(paths: list[str], end: End) -> tuple[int, Any]:
    """Let one file end like this again and again; return how often it took, and the last verdict."""
    meta: dict[str, int] = {}
    for number in range(1, 50):
        verdict = judge(paths, meta, end)
        if verdict.rejected:
            return number, verdict
        meta = dict(verdict.meta)
    return number, verdict


@pytest.mark.parametrize(("caused", "times"), [(True, MAX_DEATHS), (False, MAX_KILLS)])
def test_one_file_is_rejected_sooner_when_it_is_the_cause(caused: bool, times: int) -> None:
    number, verdict = until_settled(["new/1"], ended(["new/1"], caused=caused))
    assert (number, verdict.rejected, verdict.together) == (times, "new/1", [])


def test_ends_that_no_file_had_a_part_in_reject_nothing() -> None:
    number, verdict = until_settled(["new/1"], ended([], caused=False))
    assert number == 49 and verdict.together == ["new/1"] and verdict.wait == 300


def test_a_kill_while_reading_and_a_kill_while_storing_do_not_add_up() -> None:
    meta: dict[str, int] = {}
    for _ in range(MAX_KILLS + 3):
        meta = dict(judge(["new/1"], meta, ended([], caused=False)).meta)
    verdict = judge(["new/1"], meta, ended(["new/1"], caused=False))
    assert verdict.alone == "new/1" and not verdict.rejected


def test_the_file_that_was_read_goes_alone_and_what_was_counted_of_the_batch_is_not_its_own() -> (
    None
):
    verdict = judge(
        FILES, {"kills": MAX_KILLS, "deaths": MAX_DEATHS}, ended([FILES[1]], caused=True)
    )
    assert (verdict.alone, verdict.together) == (FILES[1], [FILES[0], FILES[2]])
    assert verdict.meta["deaths"] == 1 and not verdict.meta["kills"] and not verdict.rejected


@pytest.mark.parametrize("reason", [KILLED, RAISED])
def test_where_all_may_be_to_blame_they_are_tried_apart(reason: str) -> None:
    assert judge(FILES, {}, End(reason, "", FILES, True)).apart == FILES


def test_a_batch_that_is_killed_again_and_again_is_cut_up() -> None:
    meta: dict[str, int] = {}
    for _ in range(MAX_KILLS):
        verdict = judge(FILES, meta, ended([], caused=False))
        assert verdict.together == FILES
        meta = dict(verdict.meta)
    assert judge(FILES, meta, ended([], caused=False)).apart == FILES


def test_the_first_tries_wait_for_nothing_and_later_ones_longer_and_longer() -> None:
    waits = [pause_after(ends) for ends in range(1, 20)]
    assert waits[:PATIENCE] == [0.0] * PATIENCE and waits == sorted(waits) and waits[-1] == 300
