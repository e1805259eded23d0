"""What happens between an import's look at the disk and its commit: moves, deletions, another worker, symlinks."""

from collections.abc import Callable
from pathlib import Path

import pytest

import models
from jobs import import_messages as job
from jobs.import_messages import import_messages
from models import Location, Maildir, Message, Rejected
from mrilu.archive import plan, read, read_bytes
from mrilu.archive.ledger import balance, difference
from mrilu.queues.quarantine import quarantine
from tests.factories import deliver, mail, make_maildir, register


@pytest.fixture
def root(tmp_path: Path, database) -> Path:
    made = make_maildir(tmp_path / "Maildir", ".one")
    register(made)
    return made


@pytest.fixture
def meanwhile(monkeypatch) -> Callable[[Callable[[], object]], None]:
    """Arrange for something to happen once, after the next import has looked at its files and before it stores them."""

    def arrange(event: Callable[[], object]) -> None:
        waiting = [event]

        def make_plan(*arguments):
            made = plan.make_plan(*arguments)
            if waiting and (made.moved or made.gone):
                waiting.pop()()
            return made

        def read_mails(*arguments):
            found = read.read_mails(*arguments)
            if waiting:
                waiting.pop()()
            return found

        monkeypatch.setattr(job, "make_plan", make_plan)
        monkeypatch.setattr(job, "read_mails", read_mails)

    return arrange


def assert_level(root: Path) -> None:
    found = balance(models.db, Maildir.get(Maildir.name == "test"), set())
    assert found.level and found.gap == 0, found
    assert difference(models.db, root, "test").paths == []


def move(root: Path, path: str, target: str) -> str:
    (root / path).rename(root / target)
    return target


@pytest.mark.parametrize(
    "seen", [["new/1.a"], ["cur/1.a:2,S"], ["new/1.a", "cur/1.a:2,S"], ["cur/1.a:2,S", "new/1.a"]]
)
def test_a_mail_that_is_read_and_moved_at_once_ends_where_it_lies(root, meanwhile, seen):
    path = deliver(root, mail("<a@x>"), "new/1.a")

    def another_worker() -> None:
        move(root, path, "cur/1.a:2,S")
        import_messages("test", seen)

    meanwhile(another_worker)
    import_messages("test", [path])
    if "cur/1.a:2,S" not in seen:  # its event is dealt with after the commit
        import_messages("test", ["cur/1.a:2,S"])
    (row,) = Location.select()
    assert (row.path(), row.gone_at) == ("cur/1.a:2,S", None)
    assert_level(root)


def test_a_mail_that_is_deleted_while_it_is_read_is_gone(root, meanwhile):
    path = deliver(root, mail("<a@x>"))

    def another_worker() -> None:
        (root / path).unlink()
        import_messages("test", [path])

    meanwhile(another_worker)
    import_messages("test", [path])
    assert_level(root)


def test_a_mail_that_comes_back_while_it_is_noted_as_gone_is_there(root, meanwhile):
    path, raw = deliver(root, mail("<a@x>")), mail("<a@x>")
    import_messages("test", [path])
    aside = (root / path).rename(root / "tmp" / "aside")

    def another_worker() -> None:
        aside.rename(root / path)
        import_messages("test", [path])

    meanwhile(another_worker)
    import_messages("test", [path, deliver(root, raw, "new/1.more")])
    assert_level(root)


def test_two_moves_in_a_row_by_two_workers_end_at_the_last_place(root, meanwhile):
    path = deliver(root, mail("<a@x>"), "new/1.a")
    import_messages("test", [path])
    move(root, path, "cur/1.a:2,")

    def another_worker() -> None:
        move(root, "cur/1.a:2,", "cur/1.a:2,S")
        import_messages("test", ["cur/1.a:2,", "cur/1.a:2,S"])

    meanwhile(another_worker)
    import_messages("test", [path, "cur/1.a:2,"])
    assert [row.path() for row in Location.select()] == ["cur/1.a:2,S"]
    assert_level(root)


@pytest.mark.parametrize("raw", [mail("<b@x>"), b""], ids=["mail", "rejected"])
def test_namesakes_that_two_workers_find_at_once_both_count(root, meanwhile, raw):
    first, second = deliver(root, mail("<a@x>"), "new/1.a"), deliver(root, raw, "cur/1.a:2,S")
    meanwhile(lambda: import_messages("test", [second]))
    import_messages("test", [first])
    assert Location.select().count() + Rejected.select().count() == 2
    assert_level(root)
    (root / second).write_bytes(mail("<b@x>", body="whole by now\n"))
    import_messages("test", [second])
    assert {row.message_id for row in Message.select()} >= {"a@x", "b@x"}
    assert_level(root)


def test_a_gone_row_is_given_to_one_of_two_namesakes_that_come_together(root):
    raw = mail("<a@x>")
    path = deliver(root, raw, "new/1.a")
    import_messages("test", [path])
    (root / path).unlink()
    import_messages("test", [path])
    deliver(root, raw, "cur/1.a:2,S")
    deliver(root, raw, "cur/1.a:2,T")
    import_messages("test", ["cur/1.a:2,S", "cur/1.a:2,T"])
    assert_level(root)


def test_a_second_row_for_one_file_is_found_and_goes(root):
    path = deliver(root, mail("<a@x>"))
    import_messages("test", [path])
    twin = Location.get().__data__ | {"nth": 1}
    Location.insert({key: value for key, value in twin.items() if key != "id"}).execute()
    assert not balance(models.db, Maildir.get(), set()).level
    import_messages("test", difference(models.db, root, "test").paths)
    assert_level(root)


def test_a_file_set_aside_leaves_its_namesake_alone(root):
    import_messages("test", [deliver(root, mail("<a@x>"), "cur/1.a:2,S")])
    quarantine(
        "test", deliver(root, mail("<b@x>"), "cur/1.a:2,T"), "killed-worker", "its worker died"
    )
    assert (Location.select().count(), Rejected.select().count()) == (1, 1)
    assert_level(root)


def test_a_folder_that_left_a_symlink_to_its_new_place_is_there_once(root):
    path = deliver(root, mail("<a@x>"), ".one/cur/1.a:2,")
    import_messages("test", [path])
    (root / ".one").rename(root / ".two")
    (root / ".one").symlink_to(".two")
    import_messages("test", difference(models.db, root, "test").paths)
    assert [row.folder for row in Location.select().where(Location.gone_at.is_null())] == [".two"]
    assert_level(root)


@pytest.fixture(params=["proc", "no proc"])
def proc(request, monkeypatch):
    """Linux's /proc tells where an open file lies, or there is none."""
    real = read_bytes.os.readlink

    def readlink(path, **more):
        if request.param == "no proc" and str(path).startswith("/proc/"):
            raise FileNotFoundError(path)
        return real(path, **more)

    monkeypatch.setattr(read_bytes.os, "readlink", readlink)


@pytest.mark.usefixtures("proc")
def test_a_folder_that_became_a_symlink_does_not_lead_out_of_the_maildir(root, monkeypatch):
    path = deliver(root, mail("<a@x>"), ".one/new/1.a")
    secret = make_maildir(root.parent / "secret")
    deliver(secret, mail("<secret@x>"), "new/1.a")
    real = read_bytes.os.open

    def swapped(name, *more):
        if not (root / ".one").is_symlink():
            (root / ".one").rename(root / ".two")
            (root / ".one").symlink_to(secret)
        return real(name, *more)

    monkeypatch.setattr(read_bytes.os, "open", swapped)
    assert import_messages("test", [path]) == {"vanished": 1}
    assert import_messages("test", [path]) == {}
    assert Message.select().count() == 0


@pytest.mark.usefixtures("proc")
def test_a_maildir_behind_a_symlink_is_read(root):
    (root.parent / "there").symlink_to(root)
    Maildir.update(root=str(root.parent / "there")).execute()
    paths = [deliver(root, mail()), deliver(root, mail(), ".one/new/1.a")]
    assert import_messages("test", paths) == {"imported": 2}


def test_another_mail_of_the_same_size_under_the_same_name_is_read(root):
    path = deliver(root, mail("<a@x>"), "cur/1.a:2,S")
    import_messages("test", [path])
    deliver(root, mail("<b@x>"), path)
    import_messages("test", [path])
    assert Message.get_by_id(Location.get().message).message_id == "b@x"
    assert_level(root)
