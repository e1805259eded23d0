"""The folders of an older version change hands, and nothing else does."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from mrilu.service import placement
from mrilu.service.account import Account, server_account
from mrilu.service.handing_over import hand_over
from mrilu.service.placement import program_folder, reachable_data, readable_folder

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives away")


@pytest.fixture
def account() -> Account:
    return server_account("nobody")


def owner(path: Path) -> int:
    return path.lstat().st_uid


def test_all_that_the_former_owner_had_is_handed_over_and_closed(tmp_path, account):
    old = tmp_path / "Maildir"
    (old / "new").mkdir(parents=True)
    (old / "new" / "1.x").write_text("mail")
    (old / "new" / "1.x").chmod(0o644)
    assert hand_over(old, account, 0) == 0
    for path in (old, old / "new", old / "new" / "1.x"):
        assert owner(path) == account.uid and not path.stat().st_mode & 0o077


def test_what_a_planted_link_leads_to_stays_whose_it_is(tmp_path, account):
    victim, folder = tmp_path / "shadow", tmp_path / "etc"
    victim.write_text("secret")
    folder.mkdir()
    (folder / "passwd").write_text("")
    old = tmp_path / "old"
    old.mkdir()
    (old / "file").symlink_to(victim)
    (old / "folder").symlink_to(folder)
    os.link(victim, old / "second-name")
    assert hand_over(old, account, 0) == 3
    assert {owner(victim), owner(folder), owner(folder / "passwd")} == {0}
    assert owner(old) == account.uid


def test_what_belongs_to_somebody_else_and_what_is_no_file_stays(tmp_path, account):
    old = tmp_path / "old"
    old.mkdir()
    (old / "others").touch()
    os.chown(old / "others", 12345, 12345)
    os.mkfifo(old / "fifo")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(old / "socket"))
        assert hand_over(old, account, 0) == 3
    assert owner(old / "others") == 12345


def test_an_interrupted_one_is_gone_on_with(tmp_path, account, monkeypatch):
    old = tmp_path / "reading"
    old.mkdir()
    for name in ("a", "b"):
        (old / name).touch()
    real, calls = os.fchown, []

    def once(file, uid, gid):
        if calls:
            raise KeyboardInterrupt
        calls.append(file)
        real(file, uid, gid)

    monkeypatch.setattr(os, "fchown", once)
    with pytest.raises(KeyboardInterrupt):
        hand_over(old, account, 0)
    monkeypatch.undo()
    assert owner(old) == 0, "the next start sees that it is not done"
    assert program_folder(tmp_path, "reading", account) == old
    assert {owner(path) for path in (old, old / "a", old / "b")} == {account.uid}


def test_what_import_writes_is_roots_and_the_account_may_read_it(tmp_path, account):
    folder = readable_folder(tmp_path, "unpacked", account)
    (folder / "box").mkdir(mode=0o750)
    assert (folder / "box").stat().st_gid == account.gid
    assert stat.S_IMODE(folder.stat().st_mode) == 0o2750 and owner(folder) == 0
    assert readable_folder(tmp_path, "unpacked", account) == folder


@pytest.fixture
def state(monkeypatch, tmp_path):
    from mrilu.service import venv_place

    place = placement.short_folder(Path("/state-of-a-handing-over"))
    for module in (placement, venv_place):
        monkeypatch.setattr(module, "STATE", place / "state")
    yield place / "state"
    placement.shutil.rmtree(place)


def test_data_out_of_the_accounts_reach_moves_once_and_a_link_leads_to_it(tmp_path, account, state):
    data = tmp_path / "data"
    (data / "log").mkdir(parents=True)
    (data / "instance").write_text("x")
    tmp_path.chmod(0o700)
    moved = reachable_data(data, account)
    assert moved.is_relative_to(state) and (moved / "instance").read_text() == "x"
    assert data.is_symlink() and reachable_data(data, account) == moved
    copy = tmp_path / "copy"
    copy.symlink_to(moved)
    with pytest.raises(placement.ServerError, match="is a copy of .*data"):
        reachable_data(copy, account)
    placement.shutil.rmtree(moved.parent)
    with pytest.raises(placement.ServerError, match="which is gone"):
        reachable_data(data, account)


def test_data_within_reach_stays(account, state):
    place = placement.short_folder(Path("/data-of-a-handing-over"))
    try:
        (place / "data").mkdir()
        assert reachable_data(place / "data", account) == place / "data"
    finally:
        placement.shutil.rmtree(place)
