import os
import shutil
from pathlib import Path

import pytest

import models
from jobs.import_messages import import_messages
from models import Location
from mrilu.archive import ledger
from mrilu.archive.ledger import balance, difference, quick_balance
from mrilu.maildir.errors import MaildirMissing
from mrilu.maildir.names import to_text
from tests.factories import deliver, mail, make_maildir, register
from tests.watcher.conftest import permissions_that_bind


@pytest.fixture
def maildir(tmp_path: Path, database):
    return register(make_maildir(tmp_path / "Maildir", ".one"))


@pytest.fixture
def root(maildir) -> Path:
    return Path(maildir.root)


def test_an_empty_maildir_is_level(maildir):
    found = balance(models.db, maildir, set())
    assert (found.on_disk, found.gap, found.level) == (0, 0, True)


def test_both_sides_are_counted_by_kind(maildir, root):
    paths = [deliver(root, raw) for raw in (mail("<a@x>"), mail("<a@x>"), mail("<b@x>"), b"")]
    import_messages("test", paths)
    queued = deliver(root, mail())
    found = balance(models.db, maildir, {queued, "new/another"})
    counts = (found.on_disk, found.imported, found.copies, found.rejected, found.waiting)
    assert counts == (5, 2, 1, 1, 1)
    assert found.gap == 0 and not found.level and found.lost == []


def test_a_file_that_nobody_knows_of_is_lost_by_name(maildir, root):
    path = deliver(root, mail(), ".one/new/1.a")
    found = balance(models.db, maildir, set())
    assert (found.lost, found.gap, found.level) == ([path], 1, False)


def test_a_file_that_left_unseen_is_stale_by_name(maildir, root):
    path = deliver(root, mail())
    import_messages("test", [path])
    (root / path).unlink()
    found = balance(models.db, maildir, set())
    assert (found.stale, found.gap, found.level) == ([path], -1, False)
    import_messages("test", difference(models.db, root, "test").paths)
    assert balance(models.db, maildir, set()).level


def test_a_move_shows_as_one_path_gone_and_one_new_and_is_healed(maildir, root):
    path = deliver(root, mail())
    import_messages("test", [path])
    moved = path.replace("new/", "cur/") + ":2,S"
    (root / path).rename(root / moved)
    found = difference(models.db, root, "test")
    assert (found.unknown, found.vanished) == ([moved], [path])
    assert import_messages("test", found.paths)["moved"] == 1
    assert balance(models.db, maildir, set()).level


def test_a_removed_folder_makes_its_files_gone(maildir, root):
    path = deliver(root, mail(), ".one/new/1.a")
    import_messages("test", [path])
    shutil.rmtree(root / ".one")
    assert import_messages("test", difference(models.db, root, "test").paths) == {"gone": 1}
    assert balance(models.db, maildir, set()).level


def test_a_missing_maildir_is_an_error_and_not_an_empty_one(maildir, root):
    import_messages("test", [deliver(root, mail())])
    root.rename(root.parent / "unmounted")
    with pytest.raises(MaildirMissing):
        difference(models.db, root, "test")
    assert Location.select().where(Location.gone_at.is_null(False)).count() == 0


def test_a_maildir_whose_folders_all_vanished_is_an_error_too(maildir, root):
    import_messages("test", [deliver(root, mail())])
    shutil.rmtree(root)
    root.mkdir()
    with pytest.raises(Exception, match="cur/ and new/ are missing"):
        difference(models.db, root, "test")


def test_another_maildirs_files_do_not_count(maildir, tmp_path, root):
    other = register(make_maildir(tmp_path / "Other"), "other")
    path = deliver(Path(other.root), mail("<a@x>"), "new/1.same")
    deliver(root, mail("<a@x>"), "new/1.same")
    import_messages("other", [path])
    import_messages("test", [path])
    assert (
        balance(models.db, maildir, set()).copies == 1
        and balance(models.db, other, set()).imported == 1
    )
    assert balance(models.db, maildir, set()).level and balance(models.db, other, set()).level


def test_a_rejected_file_worth_another_try_is_neither_lost_nor_waiting_and_rows_are_read_once(
    maildir, root, monkeypatch
):
    path = deliver(root, b"")
    import_messages("test", [path])
    models.db.execute_sql("UPDATE rejected SET parser_version = 0")
    reads = []
    read = ledger.known_paths
    monkeypatch.setattr(ledger, "known_paths", lambda *of: reads.append(of) or read(*of))
    found = balance(models.db, maildir, {path})
    assert (found.rejected, found.waiting, found.lost, found.gap) == (1, 0, [], 0)
    assert len(reads) == 1
    assert difference(models.db, root, maildir.name).unknown == [path]


def none_wait() -> set[str]:
    return set()


def test_a_lost_and_a_stale_file_do_not_make_up_for_each_other_in_the_quick_ledger(maildir, root):
    path = deliver(root, mail(), "new/1.a")
    import_messages("test", [path])
    assert quick_balance(models.db, maildir, none_wait).level
    (root / path).rename(root / "new/2.b")
    found = quick_balance(models.db, maildir, none_wait)
    assert (found.on_disk, found.imported) == (1, 1)
    assert (found.lost, found.stale, found.level) == (["new/2.b"], ["new/1.a"], False)


def test_names_of_every_kind_and_directory_agree_however_they_are_cut(maildir, root, monkeypatch):
    monkeypatch.setattr(ledger, "SLICE", 2)
    names = ("1.a", "2.é:2,S", os.fsdecode(b"3.\xff\xfe:2,FS"), "4.\U0010ff80", "5.b\nc")
    paths = [
        deliver(root, mail(), f"{place}/{name}")
        for place in ("new", "cur", ".one/cur")
        for name in names
    ]
    import_messages("test", [to_text(path) for path in paths])
    import_messages("test", [deliver(root, b"", ".one/new/empty")])
    assert ledger.agreeing_files(models.db, maildir) == 16 == sum(maildir.file_counts())
    (root / ".one/cur/1.a").unlink()
    assert ledger.agreeing_files(models.db, maildir) is None


def test_a_folder_that_went_or_cannot_be_listed_does_not_agree(maildir, root):
    import_messages("test", [deliver(root, mail(), ".one/cur/1.a")])
    (root / ".one/cur").chmod(0)
    with permissions_that_bind(root):
        assert ledger.agreeing_files(models.db, maildir) is None
    (root / ".one/cur").chmod(0o700)
    shutil.rmtree(root / ".one")
    assert ledger.agreeing_files(models.db, maildir) is None
