"""Files that vanish together keep their messages until someone confirms it, or a time has passed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from peewee import PostgresqlDatabase

import models
from jobs.import_messages import import_messages
from models import Location, Maildir, Message, RemovedMessage, Vanishing
from mrilu.archive.removal import remove_gone_messages
from mrilu.archive.vanishings import Bounds, confirm_gone, note_vanishings
from mrilu.queues import ledgers
from tests.factories import deliver, mail, make_maildir, register

pytestmark = pytest.mark.usefixtures("redis_client")
BOUNDS = Bounds(percent=20, hours=72)


@pytest.fixture
def root(tmp_path: Path, database: PostgresqlDatabase) -> Path:
    made = make_maildir(tmp_path / "Maildir", ".Archive", ".Small")
    register(made)
    return made


def fill(root: Path, folder: str, count: int) -> list[str]:
    place = f"{folder}/cur" if folder else "cur"
    paths = [deliver(root, mail(), f"{place}/{n}.{folder or 'inbox'}:2,S") for n in range(count)]
    import_messages("test", paths)
    ledgers.unqueued("test", root)
    return paths


def look(root: Path, database: PostgresqlDatabase) -> int:
    """What the service does after files went; return how many messages it removed."""
    import_messages("test", ledgers.unqueued("test", root)[0])
    note_vanishings(models.db, BOUNDS)
    return remove_gone_messages(database, grace=0)


def delete(root: Path, paths: list[str]) -> None:
    for path in paths:
        (root / path).unlink()


def test_a_disk_of_a_folder_that_goes_away_removes_nothing(root, database):
    fill(root, "", 20)
    fill(root, ".Archive", 50)
    (root / ".Archive").rename(root.parent / "away")
    make_maildir(root, ".Archive")
    assert look(root, database) == 0
    assert Message.select().count() == 70
    [held] = ledgers.ledgers()[0]["vanished"]
    assert held["files"] == 50
    shutil.rmtree(root / ".Archive")
    (root.parent / "away").rename(root / ".Archive")
    look(root, database)
    assert Vanishing.get().outcome == "returned" and not ledgers.ledgers()[0]["vanished"]
    assert Location.select().where(Location.gone_at.is_null(False)).count() == 0


@pytest.mark.parametrize("skeleton", [False, True])
def test_a_small_folder_on_another_disk_is_held_back_whatever_its_share(root, database, skeleton):
    fill(root, "", 40)
    fill(root, ".Small", 2)
    (root / ".Small").rename(root.parent / "away")
    if skeleton:
        make_maildir(root, ".Small")
    assert look(root, database) == 0 and Message.select().count() == 42
    assert Vanishing.get().folder == ".Small"


def test_mail_that_is_deleted_now_and_then_goes_at_once(root, database):
    paths = fill(root, "", 60)
    delete(root, paths[:9])
    assert look(root, database) == 9
    delete(root, paths[9:11])
    assert look(root, database) == 2
    assert Vanishing.select().count() == 0 and RemovedMessage.select().count() == 11


def test_a_share_of_the_maildir_is_a_mass(root, database):
    paths = fill(root, "", 60)
    delete(root, paths[:12])
    assert look(root, database) == 0 and Vanishing.get().files == 12


def test_more_that_goes_while_a_vanishing_is_open_is_held_back_with_it(root, database):
    paths = fill(root, "", 60)
    delete(root, paths[:12])
    look(root, database)
    delete(root, paths[12:15])
    assert look(root, database) == 0
    assert (Vanishing.select().count(), Vanishing.get().files) == (1, 15)


def test_a_renamed_folder_has_not_vanished(root, database):
    fill(root, ".Archive", 30)
    (root / ".Archive").rename(root / ".Old")
    assert look(root, database) == 0
    assert Vanishing.select().count() == 0 and Message.select().count() == 30


def test_what_a_person_confirms_is_gone(root, database):
    paths = fill(root, "", 30)
    delete(root, paths[:20])
    assert look(root, database) == 0
    assert confirm_gone(models.db, Maildir.get()) == 20
    assert look(root, database) == 20
    delete(root, paths[20:])
    assert look(root, database) == 10, "confirmed for the next hour, too"


def test_what_is_missing_for_long_is_gone(root, database):
    delete(root, fill(root, "", 30))
    assert look(root, database) == 0
    database.execute_sql("UPDATE vanishing SET since = since - interval '73 hours'")
    assert look(root, database) == 30 and Vanishing.get().outcome == "expired"


def test_a_message_with_one_file_that_is_held_back_and_one_that_was_deleted_stays(root, database):
    raw = mail("<a@x>")
    paths = fill(root, "", 30)
    import_messages("test", [deliver(root, raw, "cur/copy.inbox:2,S")])
    import_messages("test", [deliver(root, raw, ".Small/cur/copy.small:2,S")])
    (root / ".Small/cur/copy.small:2,S").unlink()
    import_messages("test", [".Small/cur/copy.small:2,S"])
    database.execute_sql("UPDATE location SET gone_at = gone_at - interval '2 hours'")
    delete(root, [*paths, "cur/copy.inbox:2,S"])
    assert look(root, database) == 0


def test_what_moved_behind_a_symlink_that_is_not_followed_is_held_back(root, database):
    (path,) = fill(root, ".Small", 1)
    outside = root.parent / "bigdisk"
    (root / ".Small/cur").rename(outside)
    (root / ".Small/cur").symlink_to(outside)
    assert not (root / path).is_symlink() and look(root, database) == 0
    assert Message.select().count() == 1 and Vanishing.get().folder == ".Small"
