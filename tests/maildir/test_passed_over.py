"""What looks like mail and is not looked at is counted and named."""

from __future__ import annotations

from pathlib import Path

import pytest

from mrilu.cli.diagnosis.machine import PASSED_OVER, check_passed_over
from mrilu.maildir.passed_over import BELOW, DEEP, LINK, MBOX, MH, OUTSIDE, PassedOver, passed_over
from mrilu.settings.lists import MaildirSetting
from tests.watcher.conftest import make_maildir


def touch(root: Path, *paths: str, content: bytes = b"x") -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_maildir(tmp_path / "Maildir", ".one")


def test_a_maildir_as_programs_leave_it_has_nothing_to_name(root):
    touch(root, "new/1.a", "cur/2.b:2,S", ".one/cur/3.c", ".one/.two/cur/4.d", "cur/3a/5.e")
    touch(root, "tmp/6.f", ".one/tmp/7.g", "dovecot-uidlist", "dovecot.index.log", "maildirfolder")
    touch(root, ".one/dovecot.index.cache", "subscriptions", ".notmuch/xapian/1", "cur/.hidden")
    touch(root, "courierimapsubscribed", ".nnmaildir/num/1")
    (root / ".alias").symlink_to(".one")
    (root / "cur" / ".lock").symlink_to("nowhere")
    assert passed_over(root, "maildir") == []


def test_each_kind_is_counted_and_named(root, tmp_path):
    touch(root, "cur/sub/1.a", "cur/sub/deep/2.b", "cur/sub/3.c", ".one/new/tree/new/4.d")
    touch(root, "1700000000.M1P1.host", ".one/letter.eml", "mh/1", "mh/2", "mh/.mh_sequences")
    touch(root, "Sent", content=b"From a@x Mon Jan  1 00:00:00 2024\n\n")
    touch(tmp_path, "bigdisk/.List/cur/5.e", "bigdisk/6.f")
    (root / ".List").symlink_to(tmp_path / "bigdisk/.List")
    (root / "cur" / "6.f").symlink_to(tmp_path / "bigdisk/6.f")
    assert passed_over(root, "maildir") == [
        PassedOver("", 1, LINK),
        PassedOver("", 1, OUTSIDE),
        PassedOver("", 1, MBOX),
        PassedOver(".one", 1, OUTSIDE),
        PassedOver(".one/new/tree/new", 1, BELOW),
        PassedOver("cur", 1, LINK),
        PassedOver("cur/sub", 2, BELOW),
        PassedOver("cur/sub/deep", 1, BELOW),
        PassedOver("mh", 2, MH),
    ]


def test_a_flat_folders_deeper_folders_are_named(tmp_path):
    touch(tmp_path, "a.eml", "sub/b.eml", "sub/deep/c.eml", "notes.txt", "sub/deep/notes.txt")
    assert passed_over(tmp_path, "folder") == [PassedOver("sub/deep", 1, DEEP)]


def test_doctor_says_of_each_what_to_do(root):
    touch(root, "cur/sub/1.a", "mh/1")
    found = list(check_passed_over(MaildirSetting("m", root, "inotify")))
    assert len(found) == 2 and all(one.level == "warning" and one.advice for one in found)
    assert set(PASSED_OVER) == {BELOW, OUTSIDE, DEEP, MH, MBOX, LINK}


def test_what_cannot_be_listed_is_no_error(tmp_path):
    assert passed_over(tmp_path / "none", "maildir") == []
