"""The whole service, started as a person starts it: over a data folder of its own, with this very .venv."""

import contextlib
import os
import shutil
import signal
import socket
import socketserver
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import psutil
import psycopg
import pytest
import redis

import models
from mrilu.service import checks, instance
from mrilu.service import up as service
from mrilu.service.account import ServerError
from mrilu.service.install import installed
from mrilu.service.orphans import MARK, left_running, mark
from mrilu.service.placement import ourselves, remove_outside
from mrilu.settings.load import load
from mrilu.settings.table import PROJECT

pytestmark = pytest.mark.skipif(
    not installed("heavy"), reason="the background installation would start: ./run.sh setup"
)
PATIENCE = 60.0


def wait_for(holds: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)


class Running:
    """`./run.sh up` without the shell around it."""

    def __init__(self, folder: Path, **more: str) -> None:
        self.data, self.log = folder / "data", folder / "up.log"
        for name in ("new", "cur", "tmp"):
            (folder / "Maildir" / name).mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            more = {"SERVER_USER": "nobody", **more}
        known = {
            "DATA_DIR": str(self.data),
            "MAILDIR_PATH": str(folder / "Maildir"),
            "PYTHONPATH": str(PROJECT),
        }
        known["WEB_ADDRESS"] = "off"
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(folder)} | known | more
        self.settings = load(self.environment)
        with open(self.log, "w") as log:
            command = [sys.executable, "-P", "-m", "mrilu.cli", "up"]
            self.process = subprocess.Popen(
                command, env=self.environment, stdout=log, stderr=log, cwd=folder
            )

    def said(self, text: str) -> bool:
        return text in self.log.read_text()

    def wait_up(self) -> None:
        wait_for(
            lambda: self.said("stop it: Ctrl-C") or self.process.poll() is not None, "the start"
        )
        assert self.process.poll() is None, self.log.read_text()

    def supervisor(self) -> int:
        return int((self.data / "supervisord.pid").read_text())

    def stop(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def left(self) -> list[psutil.Process]:
        return left_running(self.data, instance.of(self.settings).server_marks())


@pytest.fixture
def place():
    """A folder that whoever the programs run as can enter, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="mrilu-up-"))
    folder.chmod(0o755)
    yield folder
    remove_outside(folder / "data")
    shutil.rmtree(folder)


@pytest.fixture
def start(place):
    started: list[Running] = []

    def run(**more: str) -> Running:
        started.append(Running(place, **more))
        return started[-1]

    yield run
    for one in started:
        one.stop()


def test_it_starts_answers_and_stops_in_order(start):
    running = start()
    running.wait_up()
    known = instance.environment_of(running.settings)
    with psycopg.connect(known["DATABASE_URL"]) as link:
        assert link.execute("SELECT count(*) FROM message").fetchone() == (0,)
    with redis.Redis.from_url(known["RQ_REDIS_URL"]) as link:
        assert link.scard("rq:workers") >= 4
    began = time.monotonic()
    assert running.stop(signal.SIGINT) == 0
    assert time.monotonic() - began < 10
    assert not running.left()


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root drops")


def is_roots(process: psutil.Process) -> bool:
    """Tell whether a process has root's rights; one that has ended since it was listed has none."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.uids().effective == 0
    return False


@as_root
def test_started_by_root_only_the_supervisor_and_what_started_it_are_roots(start):
    running = start()
    running.wait_up()
    family = psutil.Process(running.process.pid).children(recursive=True)
    roots = [one.pid for one in family if is_roots(one)]
    assert roots == [running.supervisor()]
    assert len(family) > 8
    # what lies deeper comes and goes while the servers run
    modes = {
        path.name: path.lstat().st_mode for path in running.data.iterdir() if not path.is_symlink()
    }
    assert {"log", "postgresql"} <= modes.keys()
    assert not [name for name, mode in modes.items() if mode & 0o007]
    assert running.data.stat().st_mode & 0o077 == 0o010


@as_root
@pytest.mark.parametrize("closed", ["", "Maildir", "Maildir/new"])
def test_a_maildir_that_the_account_may_not_read_stops_the_start_and_the_mend_is_told(
    start, place, closed
):
    (place / "Maildir" / "new").mkdir(parents=True)
    if closed:
        (place / closed).chmod(0o700)
    else:
        (place / "locked" / "Maildir" / "new").mkdir(parents=True)
        (place / "locked").chmod(0o700)
    path = place / ("Maildir" if closed else "locked/Maildir")
    running = start(MAILDIR_PATH=str(path))
    assert running.process.wait(PATIENCE) == 1
    (told,) = running.log.read_text().splitlines()
    assert told.startswith(f"mrilu: MAILDIR_PATH: {path}: the account nobody (SERVER_USER)")
    assert f"permission for {place / (closed or 'locked')}: `setfacl " in told


@as_root
def test_so_does_a_maildir_of_bounces(start, place):
    (place / "bounces" / "new").mkdir(parents=True)
    (place / "bounces").chmod(0o700)
    running = start(BOUNCE_MAILDIR=str(place / "bounces"))
    assert running.process.wait(PATIENCE) == 1
    (told,) = running.log.read_text().splitlines()
    assert told.startswith(f"mrilu: BOUNCE_MAILDIR: {place / 'bounces'}: the account nobody"), told


@as_root
def test_a_data_folder_that_root_ran_in_before_is_handed_over_and_goes_on(start, place):
    old = place / "data" / "Maildir"
    for name in ("new", "cur", "tmp"):
        (old / name).mkdir(parents=True)
    (old / "new" / "1.x").write_text("Subject: x\n\nx\n")
    (old / "new" / "1.x").chmod(0o600)
    victim = place / "victim"
    victim.write_text("root's")
    (old / "cur" / "link").symlink_to(victim)
    running = start(MAILDIR_PATH="")
    running.wait_up()
    wait_for(lambda: running.said("level: sample: 1 files"), "the mail")
    assert (old / "new" / "1.x").stat().st_uid == old.stat().st_uid != 0
    assert victim.stat().st_uid == 0


def test_no_process_of_the_service_shows_a_secret_that_was_given_by_file(start, place):
    files = {"TOKEN_SECRET_FILE": "hush-token-1", "OPERATOR_PASSWORD_FILE": "hush-operator-2"}
    for variable, secret in files.items():
        (place / variable).write_text(secret)
        (place / variable).chmod(0o600)
    running = start(**{variable: str(place / variable) for variable in files})
    running.wait_up()
    family = psutil.Process(running.process.pid).children(recursive=True)
    assert len(family) > 8
    shown = {one.pid: f"{environment_of(one)} {command_of(one)}" for one in family}
    assert sum(text != " []" for text in shown.values()) > 8, "or this reads nothing"
    assert not {pid: text for pid, text in shown.items() if "hush" in text}
    if os.geteuid() != 0:
        ours = [one for one in family if "mrilu.service.program" in command_of(one)]
        assert not any(environment_of(one) for one in ours), "closed to others of this account"


def environment_of(process: psutil.Process) -> str:
    try:
        return Path(f"/proc/{process.pid}/environ").read_text()
    except (PermissionError, FileNotFoundError, ProcessLookupError):  # closed to us, or it ended
        return ""


def command_of(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def test_a_second_start_in_the_same_folder_is_refused(start):
    first = start()
    first.wait_up()
    first_log = first.log.read_text()
    second = subprocess.run(
        [sys.executable, "-P", "-m", "mrilu.cli", "up"],
        env=first.environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert second.returncode == 1
    assert "already runs" in second.stderr and len(second.stderr.splitlines()) == 1
    assert first.process.poll() is None and first_log in first.log.read_text()


def test_a_start_copes_with_what_a_killed_supervisor_left(start):
    first = start()
    first.wait_up()
    supervisor = first.supervisor()
    os.kill(first.process.pid, signal.SIGKILL)
    os.kill(supervisor, signal.SIGKILL)
    first.process.wait()
    assert first.left(), "something is left running, or this tests nothing"
    second = start()
    second.wait_up()
    assert second.said("killed supervisor left running")
    assert second.stop() == 0 and not second.left()


def test_a_supervisor_that_dies_takes_the_service_down_and_is_told(start):
    running = start()
    running.wait_up()
    os.kill(running.supervisor(), signal.SIGKILL)
    assert running.process.wait(PATIENCE) == 1
    assert running.said("supervisor ended by itself")
    wait_for(lambda: not running.left(), "the end of all programs")


def test_a_dead_postgresql_and_valkey_come_back_by_themselves(start):
    running = start()
    running.wait_up()
    servers = [
        process for process in running.left() if process.name() in ("postgres", "valkey-server")
    ]
    servers = [process for process in servers if process.ppid() == running.supervisor()]
    assert len(servers) == 2
    for process in servers:
        process.kill()
    known = instance.environment_of(running.settings)

    def answer() -> bool:
        try:
            psycopg.connect(known["DATABASE_URL"]).close()
            return bool(redis.Redis.from_url(known["REDIS_URL"]).ping())
        except (psycopg.Error, redis.RedisError):
            return False

    wait_for(
        lambda: not any(process.is_running() for process in servers) and answer(), "both servers"
    )
    assert running.stop() == 0


def test_a_request_to_stop_during_the_start_is_heeded(start):
    running = start()
    wait_for(lambda: (running.data / "supervisord.conf").exists(), "the servers to be started")
    assert running.stop() == 0
    assert not running.left() and not running.said("Traceback")


def test_a_start_that_a_lock_holds_up_says_so_and_heeds_ctrl_c(start, cluster, migrated):
    with psycopg.connect(migrated) as holder:
        holder.execute("LOCK TABLE schema_migration IN ACCESS EXCLUSIVE MODE")
        running = start(DATABASE_URL=migrated)
        told = f"waiting for PostgreSQL: session {holder.info.backend_pid} "
        wait_for(lambda: running.said(told) or running.process.poll() is not None, "a word")
        assert running.said(told), running.log.read_text()
        assert running.stop(signal.SIGINT) == 0
        assert not running.left() and not running.said("Traceback")


def test_a_start_over_a_damaged_queue_goes_on_and_says_so(start):
    running = start()
    running.wait_up()
    assert running.stop() == 0
    [tail] = (running.data / "valkey" / "appendonlydir").glob("*.incr.aof")
    with open(tail, "ab") as file:
        file.write(bytes(4096))
    running = start()
    running.wait_up()
    assert running.said("cannot read its append-only file, which is set aside")


def test_sockets_that_were_removed_are_made_again(start):
    running = start()
    running.wait_up()
    known = instance.environment_of(running.settings)
    service_of = instance.of(running.settings)
    removed = [service_of.cluster.socket, service_of.valkey.socket]
    for one in removed:
        one.unlink()
    wait_for(lambda: service_of.cluster.ready() and service_of.valkey.ready(), "the servers")
    with psycopg.connect(known["DATABASE_URL"], connect_timeout=20) as link:
        assert link.execute("SELECT 1").fetchone() == (1,)
    assert running.said("was removed: postgresql starts again")
    assert running.said("was removed: valkey starts again")


class OldPostgresql(socketserver.BaseRequestHandler):
    """Enough of PostgreSQL's protocol, version 3, to say that it is PostgreSQL 14 and has no extension."""

    READY = b"Z\0\0\0\5I"

    def handle(self) -> None:
        while self._read_startup() != 196608:  # the other one asks for encryption
            self.request.sendall(b"N")
        version = b"server_version\x0014.9\0"
        status = b"S" + struct.pack("!I", len(version) + 4) + version
        self.request.sendall(b"R\0\0\0\x08\0\0\0\0" + status + self.READY)
        while question := self.request.recv(65536):
            if question[:1] == b"X":
                return
            columns = b"T\0\0\0\x1d\0\1name\0" + struct.pack("!IHIHIH", 0, 0, 19, 64, 0xFFFFFFFF, 0)
            rows = columns if b"SELECT" in question else b""
            self.request.sendall(rows + b"C\0\0\0\x0bSELECT\0" + self.READY)

    def _read_startup(self) -> int:
        length, kind = struct.unpack("!II", self.request.recv(8))
        if length > 8:
            self.request.recv(length - 8)
        return kind


@pytest.fixture
def odd_servers():
    """The URL of a server that is not good enough: a PostgreSQL 14."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), OldPostgresql) as old:
        threading.Thread(target=old.serve_forever, daemon=True).start()
        yield {"old": f"postgresql://mrilu@127.0.0.1:{old.server_address[1]}/x"}
        old.shutdown()


@pytest.mark.parametrize(
    ("setting", "value", "told"),
    [
        ("SERVER_USER", "no-such-account", "SERVER_USER: there is no account"),
        ("POSTGRES_BIN", "/no/such/folder", "POSTGRES_BIN: "),
        (
            "DATABASE_URL",
            "postgresql://mrilu@/x?host=/no/such/folder",
            "DATABASE_URL: cannot connect",
        ),
        ("REDIS_URL", "unix:///no/such/socket", "REDIS_URL: cannot connect"),
        ("DATABASE_URL", "postgresql://mrilu@127.0.0.1:1/x", "DATABASE_URL: cannot connect"),
        ("DATABASE_URL", "{old}", "DATABASE_URL: PostgreSQL 14 is too old, 15 or newer is needed"),
        ("REDIS_URL", "redis://127.0.0.1:1/0", "REDIS_URL: cannot connect"),
        ("DATA_DIR", "/proc/mrilu", "DATA_DIR: cannot use /proc/mrilu"),
        ("MAIL_WORKERS", "none", "MAIL_WORKERS: "),
    ],
)
def test_a_setting_that_cannot_be_used_is_one_line_and_an_exit_code(
    tmp_path, odd_servers, setting, value, told
):
    value = value.format(**odd_servers)
    if setting == "SERVER_USER" and os.geteuid() != 0:
        pytest.skip("only root changes the account")
    known = {
        "DATA_DIR": str(tmp_path / "data"),
        "PYTHONPATH": str(PROJECT),
        "PATH": os.environ["PATH"],
    }
    known |= {"WEB_ADDRESS": "off", "SERVER_USER": "nobody", setting: value}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "mrilu.cli", "up"],
        env=known,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=PATIENCE,
    )
    assert done.returncode != 0
    assert told in done.stderr and len(done.stderr.splitlines()) == 1, done.stderr
    remove_outside(tmp_path / "data")


def test_a_web_address_that_is_taken_stops_the_start_before_anything_runs(start):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        running = start(WEB_ADDRESS=f"127.0.0.1:{taken.getsockname()[1]}")
        assert running.process.wait(PATIENCE) == 1
    told = running.log.read_text().splitlines()
    assert len(told) == 1 and told[0].startswith("mrilu: WEB_ADDRESS: "), told
    assert not (running.data / "supervisord.conf").exists() and not running.left()


def test_a_database_that_takes_no_schema_from_us_is_told_in_one_line(cluster):
    with psycopg.connect(cluster.url, autocommit=True) as link:
        link.execute("CREATE ROLE weak LOGIN")
        link.execute("CREATE DATABASE bare")
    url = cluster.url.replace("mrilu@/mrilu", "weak@/bare")
    try:
        with pytest.raises(
            ServerError, match="DATABASE_URL: cannot bring the schema up to date there: "
        ) as raised:
            service._migrate(url, "DATABASE_URL")
        assert "\n" not in str(raised.value)
    finally:
        models.bind(cluster.url)


class Told:
    """A supervisor that says what a test wants it to say."""

    alive = True

    def __init__(self, state: str) -> None:
        self.state = state

    def states(self) -> dict[str, str]:
        return {"postgresql": self.state}


class Awake:
    """Signals that never come; what is waited for is looked at a hundred times."""

    def until(self, holds: Callable[[], bool], pause: float = 0.0) -> bool:
        return any(holds() for _ in range(100))


def wait_for_postgresql(data: Path, state: str, ready: Callable[[], bool]) -> bool:
    whole = instance.Instance(load({"DATA_DIR": str(data)}), ourselves(), data, None, None)
    supervisor, signals = cast(Any, Told(state)), cast(Any, Awake())
    return service._wait_for_server(whole, supervisor, signals, "postgresql", ready)


def test_a_server_that_keeps_ending_is_given_up_with_its_own_words(tmp_path, monkeypatch):
    monkeypatch.setattr(service, "RETRY_SECONDS", 0.0)
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "postgresql.log").write_text(
        'LOG: x\nFATAL:  lock file "socket.lock" already exists\nHINT: y\n'
    )
    with pytest.raises(
        ServerError,
        match='postgresql does not start: FATAL:  lock file "socket.lock" already exists',
    ):
        wait_for_postgresql(tmp_path, "BACKOFF", lambda: False)


def test_a_server_that_runs_but_recovers_is_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(service, "RETRY_SECONDS", 0.0)
    looks = iter([False] * 50 + [True] * 2)
    assert wait_for_postgresql(tmp_path, "RUNNING", lambda: next(looks))


def test_only_the_processes_of_this_data_folder_are_taken_for_ours(tmp_path):
    ours = subprocess.Popen(["/bin/sleep", "60"], env={MARK: str(tmp_path)})
    others = subprocess.Popen(["/bin/sleep", "60"], env={MARK: f"{tmp_path}-other"})
    # closed to a look at its environment, such as ours: its command line tells
    words = ["/bin/sh", "-c", "sleep 60; :", mark(tmp_path)]
    marked = subprocess.Popen(words, env={}, start_new_session=True)
    try:
        wait_for(lambda: len(left_running(tmp_path, [])) == 2, "the processes")
        assert {process.pid for process in left_running(tmp_path, [])} == {ours.pid, marked.pid}
    finally:
        os.killpg(marked.pid, signal.SIGKILL)
        for process in (ours, others, marked):
            process.kill()
            process.wait()


def test_one_that_has_just_ended_by_itself_is_no_error_of_a_stop(tmp_path, monkeypatch):
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    with subprocess.Popen(["true"]) as ended:
        ended.wait(PATIENCE)
    with checks.only_one(tmp_path) as lock:
        lock.truncate(0)
        lock.write(f"{ended.pid}\n")
        lock.flush()
        with pytest.raises(ServerError, match="did not stop within"):
            service.stop(0.2)
    assert service.stop() is False
