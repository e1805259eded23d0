"""Several services on one database: a Maildir's name stands for the same mails on each, wherever each has them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from peewee import PostgresqlDatabase

import models
from jobs.import_messages import import_messages
from models import Location, Maildir, Message, Rejected
from mrilu.archive.ledger import difference
from mrilu.archive.registration import register_watched
from mrilu.maildir.errors import MaildirError
from mrilu.maildir.presence import OutOfReach
from mrilu.runtime import heartbeat
from mrilu.runtime.database import database as process_database
from mrilu.service.first_look import agree
from mrilu.settings.current import current_settings, use_settings
from mrilu.settings.table import Settings
from mrilu.web.downloads.stored import places_of
from tests.factories import deliver, mail, make_maildir
from watcher.__main__ import connect

pytestmark = pytest.mark.usefixtures("redis_client", "database")
MARK = ".mrilu-maildir"
Become = Callable[..., None]


@pytest.fixture
def become(service_settings: Settings, tmp_path: Path) -> Become:
    """Make this process one of the service `name`, whose MAILDIR_PATH names these Maildirs."""

    def change(name: str, **maildirs: Path) -> None:
        places = ":".join(f"{one}={path}" for one, path in maildirs.items())
        use_settings(
            replace(service_settings, data_dir=tmp_path / "data" / name, maildir_path=places)
        )
        process_database()

    return change


def first(become: Become, tmp_path: Path, mails: int = 3) -> Path:
    """Watch a Maildir of so many mails as the service "one"."""
    root = make_maildir(tmp_path / "one" / "Maildir")
    for number in range(mails):
        deliver(root, mail(f"<{number}@x>"), f"cur/{number}.a:2,S")
    become("one", lists=root)
    connect(("lists",)).register("lists", root)
    import_messages("lists", difference(models.db, root, "lists").paths)
    assert Message.select().count() == mails
    return root


def gone() -> int:
    return Location.select().where(Location.gone_at.is_null(False)).count()


def untouched(messages: int) -> bool:
    """Tell whether each message is there, none of its files gone and none rejected."""
    return (Message.select().count(), gone(), Rejected.select().count()) == (messages, 0, 0)


def test_a_second_service_that_has_the_maildir_elsewhere_leaves_the_first_where_it_is(
    become: Become, tmp_path: Path
) -> None:
    """One file system, mounted at another path on each of two hosts."""
    here = first(become, tmp_path)
    there = tmp_path / "two" / "Maildir"
    there.parent.mkdir()
    here.rename(there)
    become("two", lists=there)
    connect(("lists",)).register("lists", there)
    assert import_messages("lists", [deliver(there, mail("<two@x>"))]) == {"imported": 1}
    there.rename(here)
    become("one", lists=here)
    assert import_messages("lists", [deliver(here, mail("<one@x>"))]) == {"imported": 1}
    assert Maildir.select().count() == 1 and untouched(5)


@pytest.mark.parametrize("mails", [0, 3])
@pytest.mark.parametrize("marked", [False, True])
def test_a_second_service_does_not_take_the_name_for_another_maildir(
    become: Become, tmp_path: Path, mails: int, marked: bool
) -> None:
    here = first(become, tmp_path, mails)
    other = make_maildir(tmp_path / "two" / "Maildir")
    if marked:
        (other / MARK).write_text("11111111-2222-4333-8444-555555555555\n")
    deliver(other, mail("<other@x>"), "cur/1.a:2,S")
    become("two", lists=other)
    refusal = (
        rf"{re.escape(str(other))}: this is not the Maildir 'lists'.* at {re.escape(str(here))}:"
    )
    with pytest.raises(MaildirError, match=refusal.removesuffix(":")):
        connect(("lists",)).register("lists", other)
    assert Maildir.get().root == str(here)
    assert marked or not (other / MARK).exists()
    become("one", lists=here)
    assert import_messages("lists", [deliver(here, mail("<new@x>"))]) == {"imported": 1}
    assert untouched(mails + 1)


def test_a_service_that_watches_another_maildir_leaves_the_first_ones_watched(
    become: Become, tmp_path: Path
) -> None:
    here = first(become, tmp_path)
    other = make_maildir(tmp_path / "two" / "Other")
    become("two", other=other)
    connect(("other",)).register("other", other)
    assert {one.name for one in Maildir.select().where(Maildir.watched)} == {"lists", "other"}
    become("one", lists=here)
    connect(("lists",)).register("lists", here)
    assert {one.name for one in Maildir.select().where(Maildir.watched)} == {"lists", "other"}


def test_a_maildir_is_watched_until_the_last_service_gives_it_up(
    become: Become, tmp_path: Path
) -> None:
    here, more = first(become, tmp_path), make_maildir(tmp_path / "one" / "More")
    become("two", lists=here)
    connect(("lists",)).register("lists", here)
    for service, watched in (("one", {"lists", "more"}), ("two", {"more"})):
        become(service, more=more)
        connect(("more",)).register("more", more)
        assert {one.name for one in Maildir.select().where(Maildir.watched)} == watched


@pytest.mark.parametrize(
    ("days", "lives", "watched"), [(8, False, False), (8, True, True), (6, False, True)]
)
def test_a_service_that_is_gone_for_good_watches_nothing_after_a_week(
    become: Become,
    tmp_path: Path,
    database: PostgresqlDatabase,
    days: int,
    lives: bool,
    watched: bool,
) -> None:
    first(become, tmp_path)
    if lives:
        heartbeat.beat("watcher", {})
    database.execute_sql(
        "UPDATE maildir_place SET since = now() - make_interval(days => %s)", (days,)
    )
    other = make_maildir(tmp_path / "two" / "Other")
    become("two", other=other)
    connect(("other",)).register("other", other)
    assert Maildir.get(Maildir.name == "lists").watched == watched


def test_a_database_of_before_takes_the_service_that_comes_first_for_its_own(
    become: Become, tmp_path: Path, database: PostgresqlDatabase
) -> None:
    here = first(become, tmp_path)
    database.execute_sql("DELETE FROM maildir_place")
    Maildir.update(mark=None).execute()
    (here / MARK).unlink()
    assert import_messages("lists", [deliver(here, mail("<a@x>"))]) == {"imported": 1}
    row = register_watched(models.db, "lists", here)
    assert str(row.mark) == (here / MARK).read_text().strip() and untouched(4)


def lacking(how: str, tmp_path: Path) -> Path:
    """Make what a host has at its MAILDIR_PATH that is not the Maildir."""
    root = tmp_path / "two" / "Maildir"
    if how != "nothing":
        make_maildir(root)
    if how in ("another", "marked"):
        deliver(root, mail("<else@x>"), "cur/other:2,S")
    if how == "marked":  # with a file of the same name, even
        deliver(root, mail("<else2@x>"), "cur/1.a:2,S")
        (root / MARK).write_text("11111111-2222-4333-8444-555555555555\n")
    return root


@pytest.mark.parametrize("how", ["nothing", "skeleton", "another", "marked"])
def test_a_worker_whose_host_has_not_the_maildir_leaves_its_jobs_to_others(
    become: Become, tmp_path: Path, how: str
) -> None:
    here = first(become, tmp_path)
    fresh = deliver(here, mail("<fresh@x>"))
    become("two", lists=lacking(how, tmp_path))
    paths = ["cur/0.a:2,S", "cur/1.a:2,S", fresh]
    with pytest.raises(OutOfReach) as caught:
        import_messages("lists", paths)
    assert caught.value.paths == paths and not caught.value.done and untouched(3)
    become("one", lists=here)
    assert import_messages("lists", paths) == {"known": 2, "imported": 1}


@pytest.mark.parametrize("kept", ["mark", "mails"])
def test_a_worker_knows_the_maildir_by_its_mark_or_by_its_mails(
    become: Become, tmp_path: Path, database: PostgresqlDatabase, kept: str
) -> None:
    """On a host without a watcher; a file system that is mounted read-only has no mark."""
    here = first(become, tmp_path)
    if kept == "mails":
        (here / MARK).unlink()
        Maildir.update(mark=None).execute()
    there = tmp_path / "two" / "Maildir"
    there.parent.mkdir()
    here.rename(there)
    become("two", lists=there)
    (there / "cur" / "0.a:2,S").unlink()
    paths = ["cur/0.a:2,S", deliver(there, mail("<fresh@x>"))]
    assert import_messages("lists", paths) == {"gone": 1, "imported": 1}


def test_a_maildir_that_cannot_be_written_to_is_watched_without_a_mark(
    become: Become, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mrilu.archive.places.write_mark", lambda root, mark=None: None)
    here = first(become, tmp_path)
    assert Maildir.get().mark is None and not (here / MARK).exists()
    other = make_maildir(tmp_path / "two" / "Maildir")
    become("two", lists=other)
    with pytest.raises(MaildirError):
        connect(("lists",)).register("lists", other)
    with pytest.raises(OutOfReach):
        import_messages("lists", ["cur/0.a:2,S"])
    assert untouched(3)


def test_a_flat_folder_gets_no_mark_and_is_known_by_its_mails(
    become: Become, tmp_path: Path
) -> None:
    flat, other = tmp_path / "one" / "flat", tmp_path / "two" / "flat"
    for root, names in ((flat, "abc"), (other, "xyz")):
        root.mkdir(parents=True)
        for name in names:
            (root / f"{name}.eml").write_bytes(mail(f"<{name}@x>"))
    become("one", flat=flat)
    connect(("flat",)).register("flat", flat)
    import_messages("flat", ["a.eml", "b.eml", "c.eml"])
    become("two", flat=other)
    with pytest.raises(MaildirError):
        connect(("flat",)).register("flat", other)
    with pytest.raises(OutOfReach):
        import_messages("flat", ["a.eml"])
    assert sorted(one.name for one in flat.iterdir()) == ["a.eml", "b.eml", "c.eml"]
    shutil.rmtree(other)
    shutil.copytree(flat, other)
    assert import_messages("flat", ["a.eml"]) == {"known": 1} and untouched(3)


def test_a_mails_file_is_looked_for_where_this_service_has_the_maildir(
    become: Become, tmp_path: Path
) -> None:
    here = first(become, tmp_path)
    message = Message.select().first().id
    assert {one.root for one in places_of(message)} == {here}
    become("two", lists=tmp_path / "two")
    assert {one.root for one in places_of(message)} == {tmp_path / "two"}
    become("three")
    assert {one.root for one in places_of(message)} == {here}


def test_a_start_waits_for_the_maildir_and_registers_none_without_the_watcher(
    become: Become, tmp_path: Path
) -> None:
    here, other = first(become, tmp_path), make_maildir(tmp_path / "two" / "Maildir")
    become("two", lists=other)
    agree(current_settings())
    fresh = make_maildir(tmp_path / "three" / "Maildir")
    become("three", fresh=fresh)
    agree(replace(current_settings(), roles=("mail",)))
    assert [one.root for one in Maildir.select()] == [str(here)]
    agree(current_settings())
    assert {one.root for one in Maildir.select()} == {str(here), str(fresh)}
