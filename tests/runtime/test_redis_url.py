"""REDIS_URL in each of its forms, with servers of the distribution: TLS, odd passwords, Sentinel."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import redis
from peewee import PostgresqlDatabase

from jobs.check_new_mail import check_new_mail
from models import Message
from mrilu.queues.queues import submit_import
from mrilu.queues.recovery import recover_imports
from mrilu.runtime.redis_url import RedisClient
from mrilu.service import checks
from mrilu.settings.current import use_settings
from mrilu.settings.fields import SettingError
from mrilu.settings.load import load
from mrilu.settings.table import PROJECT, Settings
from tests.external import (
    folder_for_all,
    free_port,
    make_certificates,
    program,
    redis_server,
    running,
    wait_for_port,
)
from tests.factories import deliver, mail, make_maildir, register

ODD = "p@ss/w#r?d+ %41 ünï:&="


def until(holds: Callable[[], bool], seconds: float = 40.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_tls_and_a_password_of_any_characters(tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path)
    tls = ["--tls-cert-file", str(certificates.cert), "--tls-key-file", str(certificates.key),
           "--tls-ca-cert-file", str(certificates.ca), "--tls-auth-clients", "no"]  # fmt: skip
    with redis_server(tmp_path, *tls, "--requirepass", ODD, "--appendonly", "yes") as port:
        start = f"rediss://:{quote(ODD, safe='')}@127.0.0.1:{port}/0?ssl_ca_certs="
        url = load({"REDIS_URL": f"{start}{certificates.ca}"}).redis_url
        assert checks.usable_redis(str(url)) == []
        environ = {"PATH": os.environ["PATH"], "RQ_REDIS_URL": str(url)}
        told = subprocess.run(
            [sys.executable, "-P", "-m", "rq.cli", "info", "--raw"],
            env=environ,
            capture_output=True,
            text=True,
        )
        assert told.returncode == 0 and "Error" not in told.stdout + told.stderr, told
        with pytest.raises(checks.ServerError, match="REDIS_URL: cannot connect"):
            checks.usable_redis(f"{start}{certificates.stranger}")


@dataclass(frozen=True)
class Watched:
    """A master, its replica and the Sentinel that watches them."""

    url: str
    ports: tuple[int, int]
    kill_master: Callable[[], None]


@pytest.fixture
def watched() -> Iterator[Watched]:
    with folder_for_all() as folder, ExitStack() as stack:
        secret = ["--requirepass", ODD, "--masterauth", ODD]
        first = stack.enter_context(redis_server(folder, *secret))
        replica = ["--replicaof", f"127.0.0.1 {first}", "--repl-diskless-sync-delay", "0"]
        second = stack.enter_context(redis_server(folder, *secret, *replica))
        yield _sentinel(stack, folder, first, second)


def _sentinel(stack: ExitStack, folder: Path, first: int, second: int) -> Watched:
    until(lambda: _info(second)["master_link_status"] == "up")
    port = free_port()
    conf = folder / "sentinel.conf"
    conf.write_text(
        f'port {port}\nbind 127.0.0.1\ndir "{folder}"\nrequirepass s3ntinel\nsentinel sentinel-pass s3ntinel\n'
        f"sentinel monitor mail 127.0.0.1 {first} 1\n"
        f'sentinel auth-pass mail "{ODD}"\n'
        "sentinel down-after-milliseconds mail 500\nsentinel failover-timeout mail 3000\n"
    )
    log = folder / "sentinel.log"
    sentinel = program("redis-sentinel", "valkey-sentinel")
    stack.enter_context(running([sentinel, str(conf)], log, None))
    wait_for_port(port, log)
    with redis.Redis(port=port, password="s3ntinel") as asked:
        until(lambda: len(asked.execute_command("SENTINEL", "REPLICAS", "mail")) == 1)
    url = (
        f"redis+sentinel://:{quote(ODD, safe='')}@127.0.0.1:1,127.0.0.1:{port}/mail/0"
        "?sentinel_password=s3ntinel"
    )

    def kill_master() -> None:
        pid = int(_info(first)["process_id"])
        os.kill(pid, signal.SIGKILL)

    return Watched(url, (first, second), kill_master)


def _info(port: int) -> Any:
    with redis.Redis(port=port, password=ODD, socket_timeout=2) as link:
        return link.info()


def test_a_failover_in_mid_import_loses_nothing(
    watched: Watched, service_settings: Settings, database: PostgresqlDatabase, tmp_path: Path
) -> None:
    url = load({"REDIS_URL": watched.url}).redis_url
    settings = replace(service_settings, redis_url=url)
    use_settings(settings)
    assert [line for line in checks.usable_redis(str(url)) if "appendonly" not in line] == []
    root = make_maildir(tmp_path / "Maildir")
    register(root)
    paths = [deliver(root, mail(f"<{number}@x>")) for number in range(60)]
    for path in paths:
        submit_import("test", [path], live=False)
    environ = {
        "PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT), "RQ_REDIS_URL": str(url),
        "REDIS_URL": str(url), "DATABASE_URL": str(settings.database_url),
        "MAILDIR_PATH": f"test={root}", "DATA_DIR": str(tmp_path / "data"), "EMBEDDINGS": "off",
    }  # fmt: skip
    command = [sys.executable, "-P", "-m", "rq.cli", "worker-pool", "mail", "-P", str(PROJECT),
               "-n", "2", "-S", "json", "-w", "jobs.workers.MailWorker"]  # fmt: skip
    with running(command, tmp_path / "pool.log", None, environ) as pool:
        _shows_no_secret(pool)
        until(lambda: Message.select().count() > 3)
        watched.kill_master()
        until(lambda: _info(watched.ports[1])["role"] == "master")
        with RedisClient.from_url(str(url)) as client:
            until(lambda: _answers(client))
        check_new_mail()
        until(lambda: _recovers() and Message.select().count() == len(paths), 60)
        assert pool.poll() is None, (tmp_path / "pool.log").read_text()


def _recovers() -> bool:
    """Do what the watcher and the scheduler do each second; the new master may just be loading."""
    with contextlib.suppress(redis.ConnectionError):
        recover_imports()
    return True


def test_a_sentinel_that_is_gone_is_asked_once(watched: Watched) -> None:
    asked: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as gone:
        host, port = gone.getsockname()
        threading.Thread(target=_hang_up, args=(gone, asked), daemon=True).start()
        url = watched.url.replace("127.0.0.1:1,", f"{host}:{port},")
        for _ in range(3):
            with RedisClient.from_url(url) as client:
                assert client.ping()
        assert len(asked) == 1
        gone.shutdown(socket.SHUT_RDWR)


def _hang_up(gone: socket.socket, asked: list[str]) -> None:
    """Close each connection at once, until the server is shut down."""
    with contextlib.suppress(OSError):
        while True:
            link, _ = gone.accept()
            asked.append("asked")
            link.close()


def _shows_no_secret(pool: subprocess.Popen[bytes]) -> None:
    shown = Path(f"/proc/{pool.pid}/cmdline").read_bytes()
    assert b"s3ntinel" not in shown and b"w%23r" not in shown


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False


@pytest.mark.parametrize(
    "url",
    ["redis+sentinel://h1,h2", "redis+sentinel:///mail", "redis+sentinel://u:p@ss/w@h1/mail"],
)
def test_a_url_of_sentinel_that_lacks_something_is_refused(url: str) -> None:
    with pytest.raises(SettingError, match="REDIS_URL"):
        load({"REDIS_URL": url})
