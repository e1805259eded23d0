"""Files that appear whole, also where others may write."""

import os
import stat

import pytest

from mrilu.runtime.writing import whole_file


def write(path, text: bytes = b"new") -> None:
    with whole_file(path, 0o600) as file:
        file.write(text)


def test_it_appears_whole_with_its_mode_and_leaves_nothing_else(tmp_path):
    write(tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == b"new" and os.listdir(tmp_path) == ["b"]
    assert stat.S_IMODE((tmp_path / "b").stat().st_mode) == 0o600


def test_an_error_leaves_the_old_one(tmp_path):
    write(tmp_path / "b", b"old")
    with pytest.raises(RuntimeError), whole_file(tmp_path / "b") as file:
        file.write(b"half")
        raise RuntimeError
    assert (tmp_path / "b").read_bytes() == b"old" and os.listdir(tmp_path) == ["b"]


def test_a_planted_link_is_replaced_not_followed(tmp_path):
    (tmp_path / "victim").write_bytes(b"kept")
    (tmp_path / "b").symlink_to(tmp_path / "victim")
    write(tmp_path / "b")
    assert (tmp_path / "victim").read_bytes() == b"kept" and not (tmp_path / "b").is_symlink()


def test_a_planted_file_keeps_no_hold_of_what_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr("mrilu.runtime.writing.secrets.token_hex", lambda size: "guessed")
    planted = tmp_path / ".b.guessed.partial"
    planted.write_bytes(b"theirs")
    with pytest.raises(FileExistsError):
        write(tmp_path / "b")
    planted.unlink(missing_ok=True)
    planted.symlink_to(tmp_path / "victim")
    with pytest.raises(FileExistsError):
        write(tmp_path / "b")
    assert not (tmp_path / "victim").exists()


def test_a_long_name_is_no_hindrance(tmp_path):
    write(tmp_path / ("x" * 250))
    assert os.listdir(tmp_path) == ["x" * 250]
