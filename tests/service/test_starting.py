"""A server that runs but is not ready is waited for, with a word on it; one that is not there is not."""

from __future__ import annotations

import multiprocessing
import socketserver
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest

from mrilu.service import checks, starting
from mrilu.service.account import ServerError
from mrilu.service.postgres import Cluster
from mrilu.service.signals import Signals
from mrilu.service.starting import StillStarting, progress_of, when_started

LOG = """\
2026-11-27 00:00:00.000 UTC [7] LOG:  redo starts at 0/100000
2026-11-27 00:00:00.000 UTC [7] LOG:  redo done at 0/17E2B08 system usage: CPU: user: 0.00 s
2026-11-27 01:00:00.000 UTC [8] LOG:  starting PostgreSQL 18.1 on x86_64-pc-linux-gnu
2026-11-27 01:00:00.010 UTC [9] LOG:  database system was interrupted; last known up at 2026-11-27 00:59:00 UTC
2026-11-27 01:00:00.020 UTC [9] LOG:  database system was not properly shut down; automatic recovery in progress
2026-11-27 01:00:00.030 UTC [9] LOG:  redo starts at 0/FFF00000
"""
ON_ITS_WAY = """\
2026-11-27 01:00:10.030 UTC [9] LOG:  redo in progress, elapsed time: 10.00 s, current LSN: 1/8000000
2026-11-27 01:00:11.000 UTC [12] FATAL:  the database system is not yet accepting connections
2026-11-27 01:00:20.030 UTC [9] LOG:  redo in progress, elapsed time: 20.00 s, current LSN: 1/4FF00000
"""


def test_how_far_postgresql_is_with_its_log_is_told(tmp_path: Path) -> None:
    log = tmp_path / "postgresql.log"
    assert progress_of(log) == "it starts"
    log.write_text(LOG)
    assert progress_of(log) == "it replays its log after a crash"
    log.write_text(LOG + ON_ITS_WAY)
    assert progress_of(log).endswith("after a crash: 1,280 MB in 20 s so far")
    log.write_text(LOG + ON_ITS_WAY + "LOG:  starting PostgreSQL 18.1\n")
    assert progress_of(log) == "it starts"


def test_nothing_is_said_of_a_moment_and_not_all_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    clock = [100.0]
    monkeypatch.setattr(starting.time, "monotonic", lambda: clock[0])
    telling = starting.Telling(said.append)
    for moment in (102.9, 103.0, 132.9, 133.0):
        clock[0] = moment
        telling.tell(lambda: str(clock[0]))
    assert said == ["103.0", "133.0"]


class Asked:
    """Signals: as many looks as are asked for, then the request to stop."""

    def __init__(self, looks: int) -> None:
        self.looks = looks

    def until(self, holds: Callable[[], bool], pause: float) -> bool:
        return any(holds() for _ in range(self.looks))


@pytest.mark.parametrize(("looks", "started"), [(5, True), (3, False)])
def test_a_server_that_starts_is_asked_again_until_it_has_or_we_are_to_stop(
    looks: int, started: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starting, "FIRST", 0.0)
    said: list[str] = []
    answers = iter([StillStarting("it reads")] * 3 + [None])

    def check() -> None:
        if error := next(answers):
            raise error

    signals = cast(Signals, Asked(looks))
    assert when_started(check, signals, said.append) is started
    assert said == ["waiting: it reads"]


REFUSAL = b"SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0"


class Recovering(socketserver.BaseRequestHandler):
    """As PostgreSQL while it replays its log."""

    def handle(self) -> None:
        length, kind = struct.unpack("!II", self.request.recv(8))
        while kind != 196608:  # encryption is asked for first
            self.request.sendall(b"N")
            length, kind = struct.unpack("!II", self.request.recv(8))
        self.request.recv(length - 8)
        self.request.sendall(b"E" + struct.pack("!I", len(REFUSAL) + 4) + REFUSAL)


@pytest.fixture
def recovering() -> Iterator[str]:
    with socketserver.TCPServer(("127.0.0.1", 0), Recovering) as server:
        # a process of its own: libpq's ping keeps all threads of ours waiting
        apart = multiprocessing.get_context("fork").Process(target=server.serve_forever)
        apart.start()
        yield f"postgresql://mrilu@127.0.0.1:{server.server_address[1]}/mrilu"
        apart.kill()
        apart.join()


def test_a_postgresql_that_recovers_is_told_from_one_that_is_away(
    recovering: str, tmp_path: Path
) -> None:
    with pytest.raises(StillStarting, match="DATABASE_URL: .*the database system is starting up"):
        checks.usable_database(recovering)
    with pytest.raises(ServerError) as raised:
        checks.usable_database(f"postgresql://mrilu@/mrilu?host={tmp_path}")
    assert not isinstance(raised.value, StillStarting)


def test_a_redis_that_reads_its_file_is_told_from_one_that_is_away(tmp_path: Path) -> None:
    answer = b"-LOADING Redis is loading the dataset in memory\r\n"

    class Loading(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            while self.request.recv(65536):
                self.request.sendall(answer)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Loading) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(StillStarting, match="REDIS_URL: .*loading"):
            checks.usable_redis(f"redis://127.0.0.1:{server.server_address[1]}/0")
        server.shutdown()


def test_a_throw_away_cluster_that_recovers_is_waited_for_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unmade = Cluster(tmp_path, durable=False)
    try:
        looks = iter([False, False, True])
        monkeypatch.setattr(unmade, "ready", lambda: next(looks))
        monkeypatch.setattr(unmade, "starts", lambda: True)
        unmade.wait_ready(0.0)
        monkeypatch.setattr(unmade, "ready", lambda: False)
        monkeypatch.setattr(unmade, "starts", lambda: False)
        with pytest.raises(ServerError, match="was not ready after"):
            unmade.wait_ready(0.0)
    finally:
        unmade.place.remove()
