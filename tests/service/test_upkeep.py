"""A damaged append-only file is set aside, and a removed socket comes back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from mrilu.service.account import ServerError
from mrilu.service.upkeep import ASIDE, FOLDER, QueueFile
from mrilu.service.valkey import Server


def newest(folder: Path, part: str) -> Path:
    return sorted(file for file in (folder / FOLDER).iterdir() if part in file.name)[-1]


def with_zeros(folder: Path) -> None:
    with open(newest(folder, ".incr."), "ab") as file:
        file.write(bytes(4096))


def with_garbage(folder: Path) -> None:
    with open(newest(folder, ".incr."), "ab") as file:
        file.write(b"\x80\x81garbage" * 100)


def with_a_hole(folder: Path) -> None:
    file = newest(folder, ".incr.")
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2 : len(raw) // 2 + 64] = bytes(64)
    file.write_bytes(raw)


def without_its_base(folder: Path) -> None:
    file = newest(folder, ".base.")
    file.write_bytes(bytes(file.stat().st_size))


def with_an_empty_list(folder: Path) -> None:
    newest(folder, ".manifest").write_bytes(b"")


def without_its_tail(folder: Path) -> None:
    newest(folder, ".incr.").unlink()


@pytest.mark.parametrize(
    "damage",
    [
        with_zeros,
        with_garbage,
        with_a_hole,
        without_its_base,
        with_an_empty_list,
        without_its_tail,
    ],
)
def test_a_damaged_file_is_set_aside_with_a_line(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    with Server(tmp_path / "server") as server:
        with redis.Redis.from_url(server.url) as link:
            for number in range(100):
                link.set(f"key{number}", "x" * 50)
        server.stop()
        file = QueueFile(server, server.log_file())
        damage(server.folder)
        with pytest.raises(ServerError):
            server.start()
        [line] = file.mend()
        assert "set aside" in line and (server.folder / ASIDE).is_dir()
        assert list(file.mend()) == []
        server.start()
        with redis.Redis.from_url(server.url) as link:
            assert link.dbsize() == 0 and link.set("goes", "on")
        assert list(file.mend()) == []


def test_a_file_that_is_only_out_of_reach_is_left_alone(tmp_path: Path) -> None:
    with Server(tmp_path / "server") as server:
        log = tmp_path / "valkey.log"
        file = QueueFile(server, log)
        log.write_text(
            "1:M # Unable to obtain the AOF file appendonly.aof.1.incr.aof length. stat: Permission denied\n"
        )
        assert list(file.mend()) == [] and (server.folder / FOLDER).is_dir()
