"""Where the servers' files and sockets go, and whom we refuse to trust."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from mrilu.service import placement
from mrilu.service.account import Account, ServerError, server_account
from mrilu.service.placement import (
    ourselves,
    own_folder,
    reachable_binaries,
    server_folder,
    short_folder,
    socket_folder,
    throwaway,
)

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, which servers drop from")


@pytest.fixture
def us() -> Account:
    return ourselves()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_folder_is_ours_alone(tmp_path, us):
    made = own_folder(tmp_path / "sockets", us)
    assert mode(made) == 0o700


def test_a_folder_open_to_others_is_refused(tmp_path, us):
    (tmp_path / "sockets").mkdir()
    (tmp_path / "sockets").chmod(0o777)
    with pytest.raises(ServerError, match="open to others"):
        own_folder(tmp_path / "sockets", us)


def test_a_link_planted_for_a_folder_is_refused(tmp_path, us):
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "sockets").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ServerError, match="not a folder"):
        own_folder(tmp_path / "sockets", us)


@as_root
def test_a_folder_that_belongs_to_somebody_else_is_refused(tmp_path, us):
    (tmp_path / "sockets").mkdir(mode=0o700)
    os.chown(tmp_path / "sockets", 12345, 12345)
    with pytest.raises(ServerError, match="belongs to user id 12345"):
        own_folder(tmp_path / "sockets", us)


def test_sockets_stay_in_a_short_folder(us):
    short = short_folder(Path("/somewhere"))
    try:
        assert socket_folder(short / "pg", us) == short / "pg"
    finally:
        (short / "pg").rmdir()
        short.rmdir()


@pytest.mark.parametrize("name", ["x" * 120, "with space", "quo'te", "semi;colon", "per%cent"])
def test_sockets_leave_a_path_that_is_long_or_needs_quoting(tmp_path, us, name):
    parent = tmp_path / name
    parent.mkdir()
    found = socket_folder(parent / "pg", us)
    try:
        assert len(str(found)) <= placement.LONGEST_SOCKET_FOLDER
        assert found.parent == short_folder(parent)
        assert found == socket_folder(parent / "pg", us), "the second start finds the same one"
    finally:
        found.rmdir()
        found.parent.rmdir()


@pytest.fixture
def state(monkeypatch) -> Iterator[Path]:
    """A stand-in for /var/lib/mrilu that an unprivileged account can enter, as it can the real one."""
    folder = short_folder(Path("/state-of-a-test"))
    monkeypatch.setattr(placement, "STATE", folder / "state")
    yield folder / "state"
    placement.shutil.rmtree(folder)


@as_root
def test_data_moves_to_the_state_folder_when_the_account_cannot_enter_the_project(tmp_path, state):
    nobody = server_account("nobody")
    tmp_path.chmod(0o700)
    found = server_folder(tmp_path, "postgresql", nobody)
    assert (
        found.is_relative_to(state) and found.stat().st_uid == nobody.uid and mode(found) == 0o700
    )
    assert (tmp_path / "postgresql").readlink() == found
    assert nobody.reaches(found)
    assert server_folder(tmp_path, "postgresql", nobody) == found, (
        "the second start follows the link"
    )
    assert mode(tmp_path) == 0o700, "no mode of a folder that is not ours changes"


@as_root
def test_a_copied_data_folder_does_not_share_the_state_of_the_first(tmp_path, state):
    nobody = server_account("nobody")
    tmp_path.chmod(0o700)
    first, copy = tmp_path / "first", tmp_path / "copy"
    first.mkdir()
    server_folder(first, "postgresql", nobody)
    placement.shutil.copytree(first, copy, symlinks=True)
    with pytest.raises(ServerError, match="is a copy of .*first"):
        server_folder(copy, "postgresql", nobody)
    placement.shutil.rmtree(first)
    assert server_folder(copy, "postgresql", nobody), "a folder that was moved keeps its data"


@as_root
def test_what_lies_outside_can_be_removed(tmp_path, state):
    tmp_path.chmod(0o700)
    found = server_folder(tmp_path, "valkey", server_account("nobody"))
    placement.remove_outside(tmp_path)
    assert not found.exists() and not found.parent.exists()


@as_root
def test_a_link_to_data_that_is_gone_is_told_not_begun_anew(tmp_path, state):
    (tmp_path / "postgresql").symlink_to(state / "gone")
    with pytest.raises(ServerError, match="which is gone"):
        server_folder(tmp_path, "postgresql", server_account("nobody"))


@as_root
def test_programs_are_copied_with_their_libraries_where_the_account_can_run_them(tmp_path, state):
    tmp_path.chmod(0o700)
    package, nobody = tmp_path / "wheel", server_account("nobody")
    (package / "bin").mkdir(parents=True)
    (package / "bin" / "server").write_text("#!/bin/sh\ncat ${0%/*}/../../wheel.libs/so\n")
    (package / "bin" / "server").chmod(0o700)
    (tmp_path / "wheel.libs").mkdir(mode=0o700)
    (tmp_path / "wheel.libs" / "so").write_text("found")
    copied = reachable_binaries(package / "bin", package, nobody)
    assert nobody.run([str(copied / "server")]).stdout == "found"
    assert copied == reachable_binaries(package / "bin", package, nobody)
    assert not list((state / "binaries").glob(".partial*"))


@as_root
def test_a_throwaway_folder_out_of_reach_is_made_elsewhere_and_removed(tmp_path):
    tmp_path.chmod(0o700)
    place = throwaway(tmp_path / "pg", server_account("nobody"))
    assert not place.folder.is_relative_to(tmp_path)
    place.remove()
    assert not place.folder.exists() and not place.sockets.exists()


def test_root_is_no_account_for_servers():
    if os.geteuid() == 0:
        with pytest.raises(ServerError, match="SERVER_USER.*unprivileged"):
            server_account("root")
        with pytest.raises(ServerError, match="SERVER_USER: there is no account"):
            server_account("no-such-account")
    else:
        assert not server_account("whoever").drops
