"""What the watcher offers: all that differs and no job has; of a Maildir that is new, folder by folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobs.import_messages import import_messages
from models import Maildir
from mrilu.archive import ledger
from mrilu.maildir.errors import MaildirMissing
from mrilu.queues import ledgers
from mrilu.queues.queues import queued_paths, submit_import
from tests.factories import deliver, mail, make_maildir


@pytest.fixture
def paths(root: Path, redis_client: object) -> list[str]:
    make_maildir(root, ".one", ".two")
    places = ("cur/1.a:2,S", "new/2.a", ".one/cur/3.a:2,", ".two/new/4.a")
    return [deliver(root, mail(), place) for place in places]


def test_files_of_a_new_maildir_are_offered_as_they_are_found(root: Path, paths: list[str]) -> None:
    offered = ledgers.to_offer("test", root)
    assert isinstance(offered, Iterator)
    first = next(offered)
    late = deliver(root, mail(), ".two/new/5.a")  # its folder has not been listed yet
    assert sorted([first, *offered]) == sorted([*paths, late])


def test_files_of_a_new_maildir_are_enqueued_before_the_last_folder_was_listed(
    root: Path, paths: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    scan = ledger.scan_place

    def noted(*place: object) -> Any:
        seen.append(len(queued_paths().get("test", ())))
        return scan(*place)

    monkeypatch.setattr(ledger, "scan_place", noted)
    maildir = Maildir.get(Maildir.name == "test")
    assert sorted(ledgers.enqueue_missing(maildir, 1)) == sorted(paths)
    assert queued_paths() == {"test": set(paths)}
    assert seen[0] == 0 and any(0 < waiting < len(paths) for waiting in seen)


def test_files_that_jobs_have_are_not_offered_again(root: Path, paths: list[str]) -> None:
    submit_import("test", paths[:2], live=False)
    assert sorted(ledgers.to_offer("test", root)) == sorted(paths[2:])


def test_of_a_maildir_that_is_known_only_what_differs_is_offered(
    root: Path, paths: list[str]
) -> None:
    import_messages("test", paths[:3])
    (root / paths[0]).unlink()
    assert sorted(ledgers.to_offer("test", root)) == sorted([paths[0], paths[3]])


def test_a_new_maildir_that_goes_away_meanwhile_is_not_taken_for_empty(
    root: Path, paths: list[str]
) -> None:
    offered = ledgers.to_offer("test", root)
    root.rename(root.with_name("away"))
    with pytest.raises(MaildirMissing):
        list(offered)


def test_a_folder_that_cannot_be_listed_keeps_no_other_from_its_import(
    root: Path, paths: list[str]
) -> None:
    (root / ".one" / "cur").rename(root / ".one" / "away")
    (root / ".one" / "cur").symlink_to("nowhere")
    assert sorted(ledgers.to_offer("test", root)) == sorted([*paths[:2], paths[3]])
