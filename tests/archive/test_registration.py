"""A name stands for one folder's files: moved, they keep their rows; another folder never takes them over."""

import shutil
from pathlib import Path

import pytest

import models
from jobs.import_messages import import_messages
from models import Location, Maildir, Message
from mrilu.archive.ledger import balance, difference
from mrilu.archive.registration import NameTaken, register_watched
from mrilu.archive.removal import remove_gone_messages
from mrilu.cli.sources import register as register_source
from mrilu.maildir.errors import MaildirMissing, NotAMaildir
from mrilu.service.first_look import agree
from mrilu.settings.current import use_settings
from mrilu.settings.fields import SettingError
from tests.factories import deliver, mail, make_maildir


def filled(root: Path, *names: str) -> Path:
    made = make_maildir(root)
    for name in names:
        deliver(made, mail(f"<{name}@x>"), f"cur/{name}:2,S")
    return made


def take_in(maildir: Maildir) -> None:
    import_messages(maildir.name, difference(models.db, maildir.root, maildir.name).paths)


def gone() -> int:
    return Location.select().where(Location.gone_at.is_null(False)).count()


@pytest.fixture
def imported(tmp_path, database, redis_client) -> Path:
    """`./run.sh import /backup/Maildir`, which gets the name that a watched one would have."""
    root = filled(tmp_path / "backup" / "Maildir", "1.a", "2.a", "3.a")
    take_in(register_source(root, tmp_path / "unpacked"))
    return root


@pytest.fixture
def watched(tmp_path, database, redis_client) -> Path:
    root = filled(tmp_path / "a" / "Maildir", *(f"{number}.a" for number in range(10)))
    take_in(register_watched(models.db, "Maildir", root))
    return root


@pytest.mark.parametrize(
    "names", [["8.home", "9.home"], ["1.a", "2.a"], []], ids=["others", "some", "none"]
)
def test_a_watched_maildir_leaves_an_imported_one_of_its_name_alone(
    imported, database, tmp_path, names, caplog
):
    home = filled(tmp_path / "home" / "Maildir", *names)
    row = register_watched(models.db, "Maildir", home)
    take_in(row)
    backup = Maildir.get(Maildir.root == str(imported))
    assert (row.root, row.watched, backup.name, backup.watched) == (
        str(home),
        True,
        "Maildir-2",
        False,
    )
    assert f"maildir=Maildir-2 root={imported} former=Maildir\n" in caplog.text
    take_in(backup)
    assert gone() == 0 and remove_gone_messages(database, grace=0) == 0
    assert balance(models.db, row, set()).level and balance(models.db, backup, set()).level
    assert register_watched(models.db, "Maildir", home).id == row.id


def test_an_imported_maildir_that_cannot_be_seen_is_not_taken_over_by_one_that_lacks_a_file(
    imported, tmp_path
):
    home = filled(tmp_path / "home" / "Maildir", "1.a", "2.a")
    imported.rename(tmp_path / "unmounted")
    assert (
        register_watched(models.db, "Maildir", home).id
        != Maildir.get(Maildir.root == str(imported)).id
    )


def test_an_imported_maildir_that_was_moved_and_is_watched_now_keeps_its_rows(imported, tmp_path):
    moved = imported.rename(tmp_path / "Maildir")
    row = register_watched(models.db, "Maildir", moved)
    assert difference(models.db, row.root, row.name).paths == [] and Maildir.select().count() == 1


def test_importing_never_takes_a_name_that_is_or_will_be_watched(
    service_settings, database, tmp_path
):
    from dataclasses import replace

    home, backup = filled(tmp_path / "home" / "Maildir"), filled(tmp_path / "backup" / "Maildir")
    use_settings(replace(service_settings, maildir_path=str(home)))
    from mrilu.runtime.database import database as process_database

    process_database()
    assert register_source(backup, tmp_path / "unpacked").name == "Maildir-2"
    assert register_source(home, tmp_path / "unpacked").name == "Maildir"


def test_two_imports_that_want_one_name_get_two(database, tmp_path):
    assert Maildir.add("mail", "/a", "maildir").name == "mail"
    assert Maildir.add("mail", "/b", "maildir") is None
    assert Maildir.get().root == "/a"


@pytest.mark.parametrize(
    "names", [["1.b", "2.b"], ["1.a", "2.b"], []], ids=["others", "one known", "none"]
)
def test_another_maildir_under_a_watched_name_is_refused_and_nothing_is_gone(
    watched, tmp_path, names
):
    other = filled(tmp_path / "b" / "Maildir", *names)
    with pytest.raises(
        NameTaken, match=rf"^MAILDIR_PATH: .*'Maildir'.*{watched}.*\(Maildir-2={other}\)$"
    ):
        register_watched(models.db, "Maildir", other)
    row = Maildir.get()
    assert row.root == str(watched) and difference(models.db, row.root, row.name).paths == []
    shutil.rmtree(watched)  # even so: an unmounted disk looks like this
    with pytest.raises(NameTaken):
        register_watched(models.db, "Maildir", other)
    assert register_watched(models.db, "Maildir-2", other).root == str(other)


def test_a_watched_maildir_that_was_moved_keeps_its_rows(watched, tmp_path):
    before = Maildir.get().id
    moved = watched.rename(tmp_path / "Maildir")
    deliver(moved, mail("<new@x>"), "new/99.new")
    (moved / "cur" / "1.a:2,S").unlink()
    (moved / "cur" / "2.a:2,S").rename(moved / "cur" / "2.a:2,FS")
    row = register_watched(models.db, "Maildir", moved)
    assert (row.id, row.root) == (before, str(moved))
    take_in(row)
    assert (gone(), Message.select().count(), Location.select().where(Location.copy).count()) == (
        1,
        11,
        0,
    )


def test_a_copy_of_a_watched_maildir_may_take_its_place(watched, tmp_path):
    copy = Path(shutil.copytree(watched, tmp_path / "copy"))
    assert register_watched(models.db, "Maildir", copy).root == str(copy)


def test_an_old_backup_does_not_take_the_place_of_a_watched_maildir_that_is_there(
    watched, tmp_path
):
    backup = Path(shutil.copytree(watched, tmp_path / "copy"))
    for number in range(3):
        (backup / "cur" / f"{number}.a:2,S").unlink()
    with pytest.raises(NameTaken):
        register_watched(models.db, "Maildir", backup)


def test_a_symlink_to_a_watched_maildir_is_that_maildir(watched, tmp_path):
    (tmp_path / "link").symlink_to(watched)
    assert register_watched(models.db, "Maildir", tmp_path / "link").id == Maildir.get().id


def test_the_start_is_refused_in_one_line_that_names_the_setting(
    watched, service_settings, tmp_path
):
    from dataclasses import replace

    other = filled(tmp_path / "b" / "Maildir", "1.b")
    with pytest.raises(SettingError, match="^MAILDIR_PATH: the name 'Maildir'"):
        agree(replace(service_settings, maildir_path=str(other)))
    with pytest.raises(SettingError, match="^MAILDIR_PATH: .* no such folder"):
        agree(replace(service_settings, maildir_path=str(tmp_path / "none")))


@pytest.fixture
def flat(tmp_path, database, redis_client) -> Path:
    root = tmp_path / "flat"
    root.mkdir()
    for number in range(3):
        (root / f"{number}.eml").write_bytes(mail(f"<{number}@x>"))
    take_in(register_watched(models.db, "flat", root))
    return root


def test_sub_folders_of_a_maildirs_names_do_not_take_a_flat_folders_mail_away(flat):
    for name in ("new", "cur", "tmp"):
        (flat / name).mkdir()
    (flat / "new" / "3.eml").write_bytes(mail("<3@x>"))
    row = register_watched(models.db, "flat", flat)
    take_in(row)
    assert row.kind == "folder" and gone() == 0
    assert balance(models.db, row, set()).level and balance(models.db, row, set()).imported == 4


def test_a_flat_folder_without_mail_stays_one(flat):
    for file in flat.iterdir():
        file.unlink()
    row = Maildir.get()
    with pytest.raises(NotAMaildir):  # its files are missed: it may not be mounted
        difference(models.db, row.root, row.name)
    with pytest.raises(NotAMaildir):
        register_watched(models.db, "flat", flat)
    import_messages("flat", [f"{number}.eml" for number in range(3)])  # what the watcher offers
    row = register_watched(models.db, "flat", flat)
    assert (
        row.kind == "folder"
        and balance(models.db, row, set()).level
        and difference(models.db, row.root, row.name).paths == []
    )
    flat.rmdir()
    with pytest.raises(MaildirMissing):
        register_watched(models.db, "flat", flat)


def test_a_flat_folder_that_became_a_maildir_is_one_once_its_flat_files_are_gone(flat):
    make_maildir(flat)
    for number in range(3):
        (flat / f"{number}.eml").rename(flat / "cur" / f"{number}.eml")
    take_in(Maildir.get())
    row = register_watched(models.db, "flat", flat)
    assert (
        row.kind == "maildir"
        and balance(models.db, row, set()).imported == 3
        and balance(models.db, row, set()).level
    )
    (flat / "4.eml").write_bytes(mail("<4@x>"))
    assert register_watched(models.db, "flat", flat).kind == "maildir"
