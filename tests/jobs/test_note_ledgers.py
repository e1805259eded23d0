"""Readers are told up to when the archive is complete."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jobs.import_messages import import_messages
from jobs.note_ledgers import note_ledgers
from models import JobRun, LedgerCheck, Maildir
from tests.factories import deliver, mail, make_maildir, register


@pytest.fixture
def watched(tmp_path: Path, database: object, redis_client: object) -> Path:
    root = make_maildir(tmp_path / "Maildir")
    register(root)
    Maildir.update(watched=True).execute()
    return root


def test_an_archive_that_has_all_is_complete_to_now(watched: Path) -> None:
    import_messages("test", [deliver(watched, mail())])
    before = datetime.now(UTC)
    assert note_ledgers() == {"maildirs": 1, "waiting": 0, "rejected": 0, "out_of_reach": 0}
    row = LedgerCheck.get()
    assert row.complete_to == row.checked_at >= before and not row.trouble
    assert JobRun.get(JobRun.job == "note_ledgers").counts["maildirs"] == 1


def test_what_waits_and_what_was_rejected_is_told_and_the_time_stays(watched: Path) -> None:
    import_messages("test", [deliver(watched, mail())])
    note_ledgers()
    complete_to = LedgerCheck.get().complete_to
    empty = deliver(watched, b"")
    import_messages("test", [empty])
    deliver(watched, mail())
    assert note_ledgers()["waiting"] == 1
    row = LedgerCheck.get()
    assert (row.waiting, row.rejected, row.complete_to) == (1, 1, complete_to)
    assert row.checked_at > complete_to


def test_a_maildir_out_of_reach_is_in_trouble_and_keeps_what_was_known(watched: Path) -> None:
    note_ledgers()
    complete_to = LedgerCheck.get().complete_to
    shutil.rmtree(watched)
    assert note_ledgers()["out_of_reach"] == 1
    row = LedgerCheck.get()
    assert row.trouble == "out-of-reach" and row.complete_to == complete_to


def test_what_is_not_watched_is_left_out(watched: Path) -> None:
    Maildir.update(watched=False).execute()
    assert note_ledgers()["maildirs"] == 0 and not LedgerCheck.select().exists()


def test_a_maildir_whose_look_takes_long_is_left_to_rest(watched: Path) -> None:
    note_ledgers()
    LedgerCheck.update(seconds=3600.0).execute()
    assert note_ledgers()["resting"] == 1
    LedgerCheck.update(checked_at=datetime(2000, 1, 1, tzinfo=UTC)).execute()
    assert note_ledgers()["maildirs"] == 1 and LedgerCheck.get().seconds < 3600
