import os
import socket
from pathlib import Path

import pytest

from mrilu.maildir import names, presence
from mrilu.maildir.errors import (
    MaildirError,
    MaildirFails,
    MaildirMissing,
    MaildirUnreadable,
    NotAFolder,
    NotAMaildir,
    ScanIncomplete,
)
from mrilu.maildir.names import folders, kind_of, places, scan, to_disk
from tests.watcher.conftest import make_maildir, permissions_that_bind


def touch(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"x")


def test_the_scan_gives_the_mails_of_every_folder_and_nothing_else(root, tmp_path):
    make_maildir(root, ".Lists.r-help", "Archive/2020")
    mails = {
        "new/1.a",
        "cur/2.b:2,S",
        ".Lists.r-help/new/3.c",
        ".Lists.r-help/cur/4.d:2,",
        "Archive/2020/cur/5.e",
    }
    touch(
        root,
        *mails,
        "tmp/6.f",
        ".Lists.r-help/tmp/7.g",
        "cur/.hidden",
        "dovecot-uidlist",
        "cur/sub/8.h",
        "loose.eml",
    )
    touch(tmp_path, "outside/mail", "other/new/9.i")
    os.mkfifo(root / "cur" / "10.fifo")
    (root / "new" / "11.out").symlink_to(tmp_path / "outside" / "mail")
    (root / "new" / "12.in").symlink_to(root / "new" / "1.a")
    (root / ".linked").symlink_to(tmp_path / "other")
    (root / "linked").symlink_to(tmp_path / "other")
    with socket.socket(socket.AF_UNIX) as listening:
        here = os.getcwd()
        os.chdir(root / "cur")  # a socket's path may have 107 bytes at most
        try:
            listening.bind("13.socket")
        finally:
            os.chdir(here)
    assert sorted(scan(root)) == sorted(mails)
    assert folders(root) == ["", ".Lists.r-help", "Archive/2020"]


def test_a_name_that_is_not_utf_8_is_found_and_leads_back_to_its_file(root):
    for name in (b"1.caf\xe9:2,S", b"2.\xff\xfe", "3.é".encode()):
        Path(os.fsdecode(os.fsencode(root / "cur") + b"/" + name)).write_bytes(b"x")
    (root / os.fsdecode(b".l\xefste") / "new").mkdir(parents=True)
    Path(os.fsdecode(os.fsencode(root) + b"/.l\xefste/new/4.z")).write_bytes(b"x")
    paths = list(scan(root))
    assert len(paths) == 4
    assert all((root / to_disk(path)).is_file() and path.encode() for path in paths)


def test_folders_come_before_what_is_in_them_and_in_order(tmp_path):
    for folder in ("a/new", "a/b/cur", "a/b/new", "a/a/new", "c/new", "b/cur"):
        (tmp_path / folder).mkdir(parents=True)
    found = [place.path for place in names.places_below(tmp_path, "", [])]
    a = ["a", "a/new", "a/a", "a/a/new", "a/b", "a/b/new", "a/b/cur"]
    assert found == ["", *a, "b", "b/cur", "c", "c/new"]


def test_folders_may_be_as_deep_as_a_path_is_long(monkeypatch):
    def listed(root, folder, errors, links=False):
        return {"a": None} if len(folder) < 4000 else {}

    monkeypatch.setattr(names, "_directories", listed)
    assert sum(1 for _ in names.places_below("/", "", [])) > 2000


def test_a_flat_folder_holds_eml_files_one_level_deep(tmp_path):
    mails = {
        "a.eml",
        "b.EML",
        "sub/c.eml",
        "1721705830.3949238_35.lebna_2,S",
        "sub/1721705830.M1P2.host",
    }
    touch(
        tmp_path,
        *mails,
        "notes.txt",
        ".d.eml",
        "sub/.e.eml",
        "a/b/f.eml",
        ".git/g.eml",
        "tmp/h.eml",
        "1.2.3",
    )
    assert kind_of(tmp_path) == "folder"
    assert sorted(scan(tmp_path)) == sorted(mails)
    assert folders(tmp_path) == ["", "a", "sub"]


def test_a_sub_directory_made_later_does_not_turn_a_flat_folder_into_a_maildir(tmp_path):
    touch(tmp_path, "a.eml")
    (tmp_path / "new").mkdir()
    assert list(scan(tmp_path, kind="folder")) == ["a.eml"]


def test_folders_alone_make_a_maildir_too(tmp_path):
    make_maildir(tmp_path / ".only")
    touch(tmp_path, ".only/cur/1.a")
    assert kind_of(tmp_path) == "maildir"
    assert list(scan(tmp_path)) == [".only/cur/1.a"]


@pytest.mark.parametrize(
    ("path", "error", "words"),
    [
        ("missing", MaildirMissing, "no such folder"),
        ("file", NotAFolder, "not a folder"),
        ("empty", NotAMaildir, "cur/ and new/ are missing"),
        ("photos", NotAMaildir, "cur/ and new/ are missing"),
    ],
)
def test_what_is_no_maildir_is_refused_with_a_reason(tmp_path, path, error, words):
    touch(tmp_path, "file", "photos/a.jpg")
    (tmp_path / "empty").mkdir()
    for look in (kind_of, folders, lambda root: list(scan(root))):
        with pytest.raises(error, match=words) as caught:
            look(tmp_path / path)
        assert str(tmp_path / path) in str(caught.value)


def test_a_root_without_permission_is_refused(root):
    root.chmod(0o000)
    with (
        permissions_that_bind(root.parent),
        pytest.raises(MaildirUnreadable, match="no permission"),
    ):
        kind_of(root)


def test_an_unreadable_folder_is_named_and_hides_no_other(root):
    make_maildir(root, ".secret", ".z")
    touch(root, "new/1.a", ".z/new/2.b", ".secret/new/3.c")
    (root / ".secret/new").chmod(0o000)
    errors: list = []
    with permissions_that_bind(root.parent):
        assert sorted(scan(root, errors)) == [".z/new/2.b", "new/1.a"]
    assert [error.folder for error in errors] == [".secret"]
    assert "cannot be read" in str(errors[0]) and ".secret" in str(errors[0])


def test_without_a_list_for_errors_the_scan_gives_the_other_folders_then_raises(root):
    make_maildir(root, ".secret")
    touch(root, "new/1.a")
    (root / ".secret").chmod(0o000)
    with permissions_that_bind(root.parent):
        paths = scan(root)
        assert next(paths) == "new/1.a"
        with pytest.raises(ScanIncomplete) as caught:
            list(paths)
    assert [error.folder for error in caught.value.errors] == [".secret"]


def test_a_folder_that_vanishes_during_the_scan_is_passed_over(root):
    make_maildir(root, ".a")
    touch(root, "new/1.a", ".a/new/2.b")
    paths = scan(root)
    assert next(paths) == "new/1.a"
    (root / ".a").rename(root.parent / "gone")
    assert list(paths) == []


def test_new_is_listed_before_cur_so_that_a_moved_mail_is_never_missed(root):
    touch(root, "new/1.a")
    paths = scan(root)
    assert next(paths) == "new/1.a"
    (root / "new/1.a").rename(root / "cur/1.a:2,S")
    assert list(paths) == ["cur/1.a:2,S"]


def test_parents_are_listed_before_what_is_in_them(root):
    make_maildir(root, ".a")
    found = [place.path for place in places(root, "maildir", [])]
    assert found == ["", "new", "cur", ".a", ".a/new", ".a/cur"]


def test_the_scan_needs_no_stat(root, monkeypatch):
    touch(root, "new/1.a", "cur/2.b")
    paths = iter(scan(root, kind="maildir"))
    first = next(paths)
    monkeypatch.setattr(os, "stat", None)
    monkeypatch.setattr(os, "lstat", None)
    assert [first, *paths] == ["new/1.a", "cur/2.b"]


def test_a_flat_folder_may_have_sub_folders_of_a_maildirs_names(tmp_path):
    touch(tmp_path, "1.eml", "new/2.eml", "new/notes.txt", "cur/3.eml", "old/4.eml", "tmp/5.eml")
    (tmp_path / "tmp" / "5.eml").unlink()
    (tmp_path / "tmp").rmdir()
    assert kind_of(tmp_path) == "folder"
    assert set(scan(tmp_path)) == {"1.eml", "new/2.eml", "cur/3.eml", "old/4.eml"}


def test_new_beside_folders_of_eml_files_is_one_of_them(tmp_path):
    touch(tmp_path, "new/1.eml", "old/2.eml")
    assert kind_of(tmp_path) == "folder" and set(scan(tmp_path)) == {"new/1.eml", "old/2.eml"}


def test_a_maildir_with_a_stray_eml_file_is_a_maildir(root):
    touch(root, "1.eml", "new/1.a")
    assert kind_of(root) == "maildir" and set(scan(root)) == {"new/1.a"}


def test_a_flat_folder_of_which_no_file_is_missed_may_be_empty(tmp_path):
    assert list(scan(tmp_path, kind="folder", may_be_empty=True)) == []
    for kind, where in (("maildir", tmp_path), ("folder", tmp_path / "none")):
        with pytest.raises(MaildirError):
            list(scan(where, kind=kind, may_be_empty=True))


def test_folders_in_folders_of_either_kind_and_the_parts_of_cur_are_looked_at(root):
    mails = {
        ".top/.sub/cur/1.a",
        ".top/.sub/.subsub/new/2.b",
        ".inbox.directory/work/cur/3.c",
        "Lists/.inner/cur/4.d",
        "cur/3a/5.e:2,S",
        ".top/cur/00/6.f",
    }
    touch(root, *mails, "cur/3a/tmp/7.g", ".top/tmp/8.h")
    assert set(scan(root)) == mails
    assert set(folders(root)) >= {"", ".top", ".top/.sub", ".inbox.directory/work"}


def test_a_symlink_inside_the_maildir_is_followed_to_what_has_no_name_of_its_own(root, tmp_path):
    touch(root, "store/cur2020/1.a", ".two/cur/2.b")
    (root / "cur").rmdir()
    (root / "cur").symlink_to("store/cur2020")
    (root / ".one").symlink_to(".two")
    (root / "store" / "cur2020" / "3a").symlink_to("..")
    (root / ".loop").symlink_to(root)
    (root / ".two" / ".up").symlink_to("..")
    assert set(scan(root)) == {"cur/1.a", ".two/cur/2.b"}
    assert presence.mail_status(root, "cur/1.a") is not None
    assert presence.mail_status(root, ".one/cur/2.b") is None


def test_what_cannot_be_looked_at_is_not_absent(root):
    touch(root, ".shut/cur/1.a")
    (root / ".shut" / "cur").chmod(0)
    with permissions_that_bind(root):
        with pytest.raises(PermissionError):
            presence.mail_status(root, ".shut/cur/1.a")
        assert presence.is_there(root, ".shut/cur/1.a") is None
    assert presence.mail_status(root, "cur/none") is None
    assert presence.mail_status(root, "none/cur/1") is None
    assert presence.mail_status(root, "cur/1/cur/2") is None


def test_a_root_that_the_file_system_does_not_let_be_read_is_an_error_of_its_own(tmp_path):
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")
    with pytest.raises(MaildirFails, match=r"one: .*: Too many levels"):
        kind_of(tmp_path / "one")
    assert "Too many levels" in presence.root_trouble(tmp_path / "one", "maildir")
    assert "Too many levels" in presence.root_trouble(tmp_path / "one", "folder")


def test_one_pass_over_many_files_looks_at_each_folder_once(tmp_path, monkeypatch):
    root = make_maildir(tmp_path / "Maildir", ".one")
    for number in range(3):
        (root / f".one/cur/{number}.a").touch()
    looks, lstat = [], os.lstat
    monkeypatch.setattr(presence.os, "lstat", lambda path: looks.append(path) or lstat(path))
    sound: set[str] = set()
    for number in range(3):
        assert presence.mail_status(root, f".one/cur/{number}.a", sound) is not None
    assert len(looks) == 3 + 2 and sound == {".one/cur"}
