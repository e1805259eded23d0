"""A large archive's ledger is told by its last look, with its time, and drawn up anew for who asks for it."""

from __future__ import annotations

import io
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console

from jobs.import_messages import import_messages
from jobs.note_ledgers import note_ledgers
from models import LedgerCheck, Maildir
from mrilu.archive import ledger_checks
from mrilu.cli.status import gather, show
from mrilu.queues.ledgers import ledgers_at_hand
from tests.factories import deliver, mail, make_maildir, register


@pytest.fixture
def large(
    tmp_path: Path, database: object, redis_client: object, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A watched Maildir that counts as large, was looked at, and got a mail since."""
    monkeypatch.setattr(ledger_checks, "MANY", 1)
    root = make_maildir(tmp_path / "Maildir")
    register(root)
    Maildir.update(watched=True).execute()
    import_messages("test", [deliver(root, mail())])
    (root / "cur" / "deep").mkdir()
    (root / "cur" / "deep" / "1.a").write_bytes(b"x")
    note_ledgers()
    deliver(root, mail(), "new/late")
    return root


def test_the_last_look_is_told_with_its_time(large: Path) -> None:
    [one] = ledgers_at_hand(exact=False)
    assert (one["on_disk"], one["imported"], one["gap"], one["level"]) == (1, 1, 0, True)
    assert one["checked_at"] == LedgerCheck.get().checked_at.isoformat()
    [part] = one["passed_over"]
    assert (part["place"], part["files"]) == ("cur/deep", 1)


def test_who_asks_for_it_has_it_drawn_up_now_and_both_tell_the_same_facts(large: Path) -> None:
    [kept], [now] = ledgers_at_hand(exact=False), ledgers_at_hand(exact=True)
    assert (now["on_disk"], now["lost"], now["checked_at"]) == (2, ["new/late"], None)
    assert kept.keys() - now.keys() == {"more"} and not now.keys() - kept.keys()
    assert kept["passed_over"] == now["passed_over"]


def test_a_person_sees_how_old_it_is_and_how_to_ask_anew(large: Path) -> None:
    checked_at = datetime.now(UTC) - timedelta(seconds=100)
    LedgerCheck.update(checked_at=checked_at).execute()
    file = io.StringIO()
    show(gather(), Console(file=file, width=300))
    line = next(line for line in file.getvalue().splitlines() if "as of" in line)
    assert f"as of {checked_at:%H:%M:%S} UTC, 10" in line and "./run.sh status --exact" in line
    file = io.StringIO()
    show(gather(exact=True), Console(file=file, width=300))
    assert "as of" not in file.getvalue() and "new/late" in file.getvalue()


def test_a_look_that_is_too_old_is_not_told(large: Path) -> None:
    late = datetime.now(UTC) - timedelta(seconds=ledger_checks.LATE + 1)
    LedgerCheck.update(checked_at=late).execute()
    assert ledgers_at_hand(exact=False)[0]["lost"] == ["new/late"]
    LedgerCheck.update(seconds=ledger_checks.LATE).execute()  # so long a look is rare
    assert ledgers_at_hand(exact=False)[0]["lost"] == []


def test_a_small_maildir_and_one_of_which_nothing_is_kept_are_looked_at(
    large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    LedgerCheck.update(facts=None).execute()
    assert ledgers_at_hand(exact=False)[0]["on_disk"] == 2
    note_ledgers()
    deliver(large, mail(), "new/later")
    assert ledgers_at_hand(exact=False)[0]["on_disk"] == 2
    monkeypatch.setattr(ledger_checks, "MANY", 3)
    assert ledgers_at_hand(exact=False)[0]["on_disk"] == 3


def test_a_maildir_that_is_out_of_reach_by_now_is_no_ledger_of_before(large: Path) -> None:
    away = large.rename(large.parent / "away")
    one = ledgers_at_hand(exact=False)[0]
    assert "no such folder" in one["error"] and not one["level"]
    note_ledgers()
    shutil.copytree(away, large)
    assert ledgers_at_hand(exact=False)[0]["on_disk"] == 2  # no look since it is back


def test_of_a_large_gap_the_first_names_are_kept_and_all_are_counted(
    large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_checks, "MOST_NAMES", 2)
    for number in range(4):
        deliver(large, mail(), f"new/{number}.x")
    note_ledgers()
    [one] = ledgers_at_hand(exact=False)
    assert (one["lost"], one["more"], one["gap"]) == (["new/0.x", "new/1.x"], {"lost": 3}, 5)
    file = io.StringIO()
    show(gather(), Console(file=file, width=300))
    assert "neither in the archive nor queued (5)" in file.getvalue()
    assert "... and 3 more (--exact --json lists all)" in file.getvalue()
