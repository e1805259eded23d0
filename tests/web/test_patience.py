"""Servers that are frozen, as a stopped container is: their sockets take connections, and nothing is answered."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

import models
from mrilu import migrations
from mrilu.service.postgres import Cluster
from mrilu.service.valkey import Server
from mrilu.settings.table import PROJECT
from mrilu.web.__main__ import impatient
from mrilu.web.background import Background
from mrilu.web.patience import Asker, Askers
from tests.web.conftest import values

Ask = Callable[[str], tuple[int, str, float]]


def test_what_is_asked_is_answered_or_raised() -> None:
    asker = Asker("test")
    assert asker.ask(lambda: 7, 5) == 7
    with pytest.raises(LookupError, match="x"):
        asker.ask(lambda: {}["x"], 5)


def test_whoever_comes_while_another_is_held_up_does_not_wait() -> None:
    asker, held, done = Asker("test"), threading.Event(), []
    with pytest.raises(TimeoutError):
        asker.ask(lambda: held.wait(30), 0.01)
    with pytest.raises(TimeoutError, match="has not answered"):
        asker.ask(lambda: done.append(1), 30)
    held.set()
    asker._held_up.result(5)  # type: ignore[union-attr]
    assert asker.ask(lambda: 7, 5) == 7 and not done


def test_who_is_free_and_was_asked_last_is_asked_again() -> None:
    askers = Askers("test", 3)
    held, asked = threading.Event(), threading.Event()
    with ThreadPoolExecutor(1) as other:
        first = askers.ask(threading.get_ident, 5)
        waiting = other.submit(askers.ask, lambda: asked.set() or held.wait(30), 30)
        assert asked.wait(30)
        second = askers.ask(threading.get_ident, 5)
        assert {askers.ask(threading.get_ident, 5) for _ in range(9)} == {second} != {first}
        held.set()
        assert waiting.result(30)
    assert askers.ask(threading.get_ident, 5) == first


def test_one_that_is_held_up_keeps_no_one_from_those_that_are_free() -> None:
    askers, held = Askers("test", 2), threading.Event()
    with pytest.raises(TimeoutError):
        askers.ask(lambda: held.wait(30), 0.01)
    assert [askers.ask(lambda: 7, 5) for _ in range(9)] == [7] * 9
    with pytest.raises(TimeoutError):
        askers.ask(lambda: held.wait(30), 0.01)
    with pytest.raises(TimeoutError, match="has not answered"):
        askers.ask(lambda: 7, 30)
    held.set()


def test_a_thread_that_could_not_be_started_is_started_for_the_next_question(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asker, background = Asker("test"), Background("test-facts", lambda: 7)

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="new thread"):
            asker.ask(lambda: 7, 30)
        assert background.found().facts is None
    assert asker.ask(lambda: 7, 30) == 7
    assert background.found(30).facts == 7


def test_redis_is_waited_for_a_few_seconds_and_no_longer() -> None:
    assert impatient("redis://h/1") == "redis://h/1?socket_timeout=3"
    assert impatient("unix:///s?db=1") == "unix:///s?db=1&socket_timeout=3"
    assert impatient("redis://h?socket_timeout=9") == "redis://h?socket_timeout=9"


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[tuple[Cluster, Server]]:
    with Cluster(tmp_path / "pg", durable=False) as cluster, Server(tmp_path / "vk") as valkey:
        migrations.apply(models.bind(cluster.url))
        yield cluster, valkey


@pytest.fixture
def ask(servers: tuple[Cluster, Server], tmp_path: Path) -> Iterator[Ask]:
    """Ask a web program of its own; return status (0: no answer), text and seconds."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        place = f"127.0.0.1:{free.getsockname()[1]}"
    known = {"PATH": os.defpath, "PYTHONPATH": str(PROJECT), "DATABASE_URL": servers[0].url,
             "REDIS_URL": servers[1].url, "DATA_DIR": str(tmp_path / "data"), "WEB_ADDRESS": place,
             "METRICS_TOKEN": "scrape"}  # fmt: skip

    def get(path: str) -> tuple[int, str, float]:
        began = time.monotonic()
        try:
            bearer = {"Authorization": "Bearer scrape"}
            asked = urllib.request.Request(f"http://{place}{path}", headers=bearer)
            with urllib.request.urlopen(asked, timeout=30) as answer:
                return answer.status, answer.read().decode(), time.monotonic() - began
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(), time.monotonic() - began
        except OSError:
            return 0, "", time.monotonic() - began

    web = subprocess.Popen(
        [sys.executable, "-P", "-m", "mrilu.web"], env=known, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 30
        while get("/livez")[0] != 200:
            assert web.poll() is None and time.monotonic() < deadline
        yield get
    finally:
        web.terminate()
        assert web.wait(20) == 0  # a thread that is held up does not keep it


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    _signal(processes, signal.SIGSTOP)
    try:
        yield
    finally:
        _signal(processes, signal.SIGCONT)


def _signal(processes: list[psutil.Process], number: signal.Signals) -> None:
    for one in processes:
        with suppress(psutil.NoSuchProcess):  # autovacuum's workers come and go
            one.send_signal(number)


@pytest.mark.parametrize("name", ["postgresql", "redis"])
def test_a_frozen_server_makes_it_unready_and_leaves_it_alive(
    servers: tuple[Cluster, Server], ask: Ask, name: str
) -> None:
    assert json.loads(ask("/readyz")[1])[name] is True  # with a connection that is then frozen
    assert values(ask("/metrics")[1])[f'mrilu_up{{service="{name}"}}'] == 1
    server = servers[0 if name == "postgresql" else 1]
    assert server.process is not None
    with frozen(server.process.pid), ThreadPoolExecutor(16) as probes:
        asked = list(probes.map(ask, ["/readyz"] * 8 + ["/metrics"] * 4 + ["/unsubscribe/x"] * 2))
        alive = ask("/livez")
        assert (alive[0], alive[1]) == (200, "ok\n") and alive[2] < 5
        assert all(
            status == 503 and json.loads(text)[name] is False for status, text, _ in asked[:8]
        )
        assert max(seconds for _, _, seconds in asked[:8]) < 20
        for status, text, _ in asked[8:12]:
            assert status == 200 and values(text)[f'mrilu_up{{service="{name}"}}'] == 0
    deadline = time.monotonic() + 30
    while not json.loads(ask("/readyz")[1])[name]:
        assert time.monotonic() < deadline
