"""The fault suite's comparison sees each kind of damage."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.factories import make_maildir
from tests.faults.feed import WORD, Feed, Sent
from tests.faults.table import FAULTS
from tests.faults.truth import Row, compare, doubled

SENT = {"1.a": Sent("a@x", "all of it\n"), "2.b": Sent("b@x", "more\n")}
ROWS = [Row("1.a", "a@x", "all of it"), Row("2.b", "b@x", "more\n")]
COUNTS = {"a@x": 1, "b@x": 1}


def test_what_is_as_delivered_passes() -> None:
    assert not compare(SENT, ROWS, COUNTS, {}, {"a@x": 1})


@pytest.mark.parametrize(
    ("kind", "rows", "messages", "rejected", "news"),
    [
        ("lost", ROWS[:1], COUNTS, {}, {}),
        ("lost", ROWS, {"a@x": 1}, {}, {}),
        ("twice", [*ROWS, ROWS[0]], COUNTS, {}, {}),
        ("twice", ROWS, {"a@x": 2, "b@x": 1}, {}, {}),
        ("half", [ROWS[0], Row("2.b", "b@x", "mo")], COUNTS, {}, {}),
        ("half", [ROWS[0], Row("2.b", "other@x", "more")], COUNTS, {}, {}),
        ("rejected", ROWS[:1], COUNTS, {"2.b": "killed-worker"}, {}),
        ("news", ROWS, COUNTS, {}, {"a@x": 0}),
        ("news", ROWS, COUNTS, {}, {"a@x": 2}),
    ],
)
def test_each_kind_of_damage_is_seen(kind, rows, messages, rejected, news) -> None:
    found = compare(SENT, rows, messages, rejected, news)
    assert found and [name for name, what in vars(found).items() if what] == [kind]


def test_a_notification_that_was_delivered_twice_is_seen() -> None:
    assert doubled(["<1@x>", "<2@x>", "<1@x>"]) == ["<1@x>"]


@pytest.mark.parametrize("how", [lambda feed: feed.burst(20), lambda feed: feed.in_place(20, 0.0)])
def test_what_the_feed_notes_lies_on_disk(tmp_path: Path, how: Callable[[Feed], None]) -> None:
    feed = Feed(make_maildir(tmp_path / "Maildir"), random.Random(1))
    how(feed)
    files = {one.name: one.read_text() for one in (tmp_path / "Maildir" / "new").iterdir()}
    assert files.keys() == feed.sent.keys() and len(files) == feed.total == 20
    assert all(raw.endswith(feed.sent[name].body) for name, raw in files.items())
    assert sum(WORD in one.body for one in feed.sent.values()) == 1


def test_each_fault_has_a_name_of_its_own() -> None:
    assert len({one.name for one in FAULTS}) == len(FAULTS) > 25
