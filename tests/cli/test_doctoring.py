"""Each check of the doctor made to fail, and the doctor as a person meets it."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from peewee import PostgresqlDatabase
from redis import Redis

from mrilu.cli import doctoring
from mrilu.cli.diagnosis import machine, outside, servers
from mrilu.cli.diagnosis.finding import ERROR, OK, WARNING, Finding
from mrilu.embeddings.model import Model, verify
from mrilu.notifications.smtp import server_of
from mrilu.settings.fields import MaildirSetting
from mrilu.settings.table import PROJECT, Settings
from tests.factories import make_maildir

NOW = 1_800_000_000.0


def assert_says(found: Finding, level: str, word: str) -> None:
    assert found.level == level and word in found.what, found
    assert bool(found.advice) == (level != OK), found


def test_a_maildir_that_is_missing_or_closed(tmp_path: Path, monkeypatch) -> None:
    root = make_maildir(tmp_path / "Maildir", ".one")
    one = MaildirSetting("test", root, "inotify")
    assert_says(machine.check_maildir(one), OK, "0 mails")
    assert_says(
        machine.check_maildir(MaildirSetting("test", tmp_path / "no", "poll")),
        ERROR,
        "there is no such folder",
    )

    def half(path: object, errors: list, kind: object) -> Iterator[str]:
        errors.append(machine.FolderUnreadable(path, ".one"))
        yield "new/1"

    monkeypatch.setattr(machine, "scan", half)
    assert_says(machine.check_maildir(one), ERROR, "1 folders cannot be read: .one")


def test_a_data_folder_that_is_missing_or_open(tmp_path: Path, monkeypatch) -> None:
    tmp_path.chmod(0o711)
    assert_says(machine.check_data_folder(tmp_path), OK, "data folder")
    tmp_path.chmod(0o755)
    assert_says(machine.check_data_folder(tmp_path), WARNING, "others can read")
    assert_says(machine.check_data_folder(tmp_path / "no"), ERROR, "No such file")
    monkeypatch.setattr(machine.os, "geteuid", lambda: 123_456)
    assert_says(machine.check_data_folder(tmp_path), ERROR, "belongs to")
    monkeypatch.undo()
    monkeypatch.setattr(machine.os, "access", lambda *_: False)
    assert_says(machine.check_data_folder(tmp_path), ERROR, "cannot be written")


def test_a_secret_file_that_everybody_reads(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.touch(0o600)
    assert_says(machine.check_secret_file("TOKEN_SECRET_FILE", file), OK, "closed")
    file.chmod(0o644)
    assert_says(machine.check_secret_file("TOKEN_SECRET_FILE", file), WARNING, "everybody can read")
    assert_says(
        machine.check_secret_file("TOKEN_SECRET_FILE", tmp_path / "no"), ERROR, "No such file"
    )


def test_inotify_limits_that_are_too_low(tmp_path: Path) -> None:
    assert_says(machine.check_inotify(3, tmp_path), WARNING, "has none")
    (tmp_path / "max_user_watches").write_text("8192\n")
    (tmp_path / "max_user_instances").write_text("128\n")
    assert_says(machine.check_inotify(100, tmp_path), OK, "100 folders")
    low = machine.check_inotify(10_000, tmp_path)
    assert_says(low, ERROR, "10,000 folders to watch")
    assert "sysctl fs.inotify.max_user_watches=" in low.advice
    (tmp_path / "max_user_instances").write_text("2\n")
    assert_says(machine.check_inotify(100, tmp_path), WARNING, "instances")


def test_a_disk_that_is_full(tmp_path: Path) -> None:
    assert_says(machine.check_disk(tmp_path, lambda _: 10 * machine.GIGABYTE), OK, "10.0 GB free")
    assert_says(machine.check_disk(tmp_path, lambda _: machine.GIGABYTE), WARNING, "1.0 GB free")
    assert_says(machine.check_disk(tmp_path, lambda _: 1000), ERROR, "0.0 GB free")
    assert_says(machine.check_disk(tmp_path / "no"), ERROR, "No such file")


def test_versions_that_are_too_old() -> None:
    assert_says(machine.check_python(), OK, "Python 3")
    assert_says(machine.check_python((3, 10, 1)), ERROR, "3.10.1")
    assert_says(servers.check_postgresql(180006, ["vector", "pg_trgm", "unaccent"]), OK, "18.6")
    assert_says(servers.check_postgresql(130001, ["vector", "pg_trgm", "unaccent"]), ERROR, "13.1")
    assert_says(servers.check_postgresql(180006, ["unaccent"]), ERROR, "lacks pg_trgm")


@pytest.mark.parametrize(
    ("facts", "ours", "level", "told"),
    [
        ({}, True, OK, "7.2.4"),
        ({"aof_enabled": 1}, False, OK, "7.2.4"),
        ({"redis_version": "6.0.1", "aof_enabled": 1}, False, ERROR, "6.0.1"),
        ({"maxmemory": 1, "maxmemory_policy": "allkeys-lru"}, True, ERROR, "allkeys-lru"),
        ({"maxmemory": 1, "maxmemory_policy": "volatile-ttl"}, True, ERROR, "volatile-ttl"),
        ({"maxmemory": 1, "maxmemory_policy": "noeviction"}, True, OK, "7.2.4"),
        ({"aof_enabled": 0}, False, WARNING, "restart forgets"),
    ],
)
def test_a_redis_that_forgets_is_told(
    facts: dict[str, object], ours: bool, level: str, told: str
) -> None:
    found = list(servers.check_redis({"redis_version": "7.2.4", **facts}, ours=ours))
    assert_says(found[-1], level, told)


def test_packages_that_are_not_the_pinned_ones() -> None:
    def installed(name: str) -> str:
        if name == "gone":
            raise metadata.PackageNotFoundError
        return "1.0"

    assert_says(
        machine.check_packages(["one[extra]==1.0", "gone==2; python_version < '3'"], installed),
        OK,
        "packages",
    )
    assert_says(machine.check_packages(["one==1.1"], installed), ERROR, "one 1.0 (1.1 is pinned)")
    assert_says(
        machine.check_packages(["torch==2.13.0"], lambda name: "2.13.0+cpu"), OK, "packages"
    )
    assert_says(
        machine.check_packages(["torch==2.13.0"], lambda name: "2.13.1+cpu"),
        ERROR,
        "2.13.0 is pinned",
    )
    assert_says(machine.check_packages(["gone==1.1"], installed), ERROR, "gone is missing")


def test_another_time_zone_than_the_machines() -> None:
    assert_says(machine.check_zone("Europe/Berlin", "UTC"), OK, "Europe/Berlin")
    assert_says(
        machine.check_zone("UTC", "Europe/Berlin"), WARNING, "this machine is in Europe/Berlin"
    )


def test_a_schema_that_is_not_ours() -> None:
    assert_says(servers.check_schema({"0001_a"}, {"0001_a"}), OK, "0001_a")
    assert_says(servers.check_schema({"0001_a"}, {"0001_a", "0002_b"}), ERROR, "lacks 0002_b")
    assert_says(servers.check_schema({"0001_a", "0009_z"}, {"0001_a"}), ERROR, "0009_z is newer")


def test_clocks_that_differ_or_were_set_back() -> None:
    assert_says(servers.check_clocks(NOW, {"Redis": NOW + 1}, NOW - 5), OK, "agree")
    assert_says(servers.check_clocks(NOW, {"Redis": NOW + 9}, None), ERROR, "Redis +9.0 s")
    assert_says(servers.check_clocks(NOW, {}, NOW + 4000), ERROR, "in the future")


def test_programs_that_do_not_run_or_are_in_trouble() -> None:
    assert_says(servers.check_beat("watcher", {"at": NOW}, NOW + 1), OK, "lives")
    assert_says(servers.check_beat("watcher", None, NOW), ERROR, "does not run")
    assert_says(servers.check_beat("watcher", {"at": NOW - 12}, NOW), WARNING, "12 s ago")
    assert_says(
        servers.check_beat("watcher", {"at": NOW, "trouble": "no disk"}, NOW), WARNING, "no disk"
    )
    assert_says(
        servers.check_workers({"mail": 2, "default": 1, "long": 1, "notify": 1, "embed": 1}),
        OK,
        "mail 2",
    )
    assert_says(
        servers.check_workers({"mail": 2, "default": 1, "long": 1, "notify": 1}), ERROR, "embed"
    )


def test_workers_that_live_and_take_nothing() -> None:
    assert_says(servers.check_queues([]), OK, "worked on")
    found = servers.check_queues(["all workers are suspended (rq suspend): rq resume"])
    assert_says(found, ERROR, "suspended")
    assert found.advice == "rq resume"
    assert_says(servers.check_refusal(""), OK, "takes new work")
    assert_says(servers.check_refusal("READONLY You can't write"), ERROR, "READONLY")


def test_a_ledger_with_a_gap() -> None:
    level = {"maildir": "m", "on_disk": 3, "waiting": 0}
    level |= {"lost": [], "stale": [], "changed": [], "unreadable": []}
    assert_says(servers.check_ledger(level), OK, "3 files")
    assert_says(
        servers.check_ledger(level | {"lost": ["new/1"]}), WARNING, "1 files that nothing knows of"
    )
    assert_says(servers.check_ledger(level | {"stale": ["new/1"]}), WARNING, "1 that are gone")
    assert_says(
        servers.check_ledger(level | {"changed": ["new/1"]}), WARNING, "1 that were written"
    )
    assert_says(
        servers.check_ledger(level | {"unreadable": [".a"]}), ERROR, "1 folders cannot be read"
    )


def test_a_service_that_runs_is_not_told_to_start() -> None:
    found = servers.while_it_runs(servers.check_beat("watcher", None, NOW))
    assert_says(found, ERROR, "does not run")
    assert "the service runs" in found.advice and "start the service" not in found.advice


def test_a_schedule_that_drifts() -> None:
    assert_says(servers.check_schedule({"upkeep": NOW + 5}, NOW), OK, "1 jobs")
    assert_says(servers.check_schedule({"upkeep": None}, NOW), ERROR, "upkeep has no next time")
    assert_says(servers.check_schedule({"upkeep": NOW - 100}, NOW), ERROR, "upkeep is overdue")
    slot = datetime(2026, 11, 24, tzinfo=UTC)
    assert_says(servers.check_drift([("upkeep", slot, slot + timedelta(seconds=1))]), OK, "in time")
    assert_says(
        servers.check_drift([("upkeep", slot, slot + timedelta(seconds=90))]),
        WARNING,
        "upkeep 90 s",
    )
    assert_says(servers.check_failures({}), OK, "no job")
    assert_says(servers.check_failures({"upkeep": "SomeError: x"}), WARNING, "upkeep: SomeError")
    assert servers.check_failures({"upkeep": "x"}).advice == "./run.sh run upkeep --wait"
    assert (
        "./run.sh run" not in servers.check_failures({"import_messages": "x"}).advice
    )  # not of the schedule


@pytest.fixture
def smtp_port() -> Iterator[int]:
    def login(
        server: object, session: object, envelope: object, mechanism: str, data: object
    ) -> AuthResult:
        return AuthResult(success=getattr(data, "password", b"") == b"right", handled=False)

    class Nothing:
        pass

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    running = Controller(
        Nothing(), hostname="127.0.0.1", port=port, authenticator=login, auth_require_tls=False
    )
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # aiosmtpd warns of logins without TLS, which is what is tried here
        running.start()
        yield port
        running.stop()


def test_a_mail_server_that_is_away_or_refuses_the_login(smtp_port: int, tmp_path: Path) -> None:
    assert_says(outside.check_mail_server(None, "x"), OK, "SMTP_URL is not set")

    def with_password(word: str) -> Finding:
        url = f"smtp://u:{word}@127.0.0.1:{smtp_port}?starttls=never"
        return outside.check_mail_server(server_of(url, None, 30.0), "x.example")

    assert_says(with_password("right"), OK, "logged in")
    assert_says(with_password("hush"), ERROR, "refuses us")
    assert "hush" not in with_password("hush").what
    away = server_of("smtp://127.0.0.1:1?starttls=never", None, 2.0)
    assert_says(outside.check_mail_server(away, "x.example"), ERROR, "mail server")


def test_a_model_whose_weights_are_others(tmp_path: Path) -> None:
    def broken() -> None:
        raise ValueError("SHA-256 is another")

    assert_says(outside.check_model(True, True, lambda: True), OK, "are the pinned ones")
    own = Model("own@1", str(tmp_path), tmp_path, 3, 256)
    assert_says(
        outside.check_model(True, True, lambda: verify(own)), OK, "no hash of its weights is pinned"
    )
    assert_says(outside.check_model(False, True, broken), OK, "off")
    assert_says(outside.check_model(True, False, broken), WARNING, "not installed")
    assert_says(outside.check_model(True, True, broken), ERROR, "SHA-256 is another")


def test_pages_that_the_world_sees_or_nobody() -> None:
    assert_says(outside.check_reach("127.0.0.1:8025", None), OK, "web pages")
    assert_says(outside.check_reach("0.0.0.0:8025", None), WARNING, "./run.sh status prints")
    assert_says(outside.check_reach("[::]:8025", "x"), OK, "web pages")
    assert_says(outside.check_web("off"), OK, "off")
    assert_says(outside.check_web("127.0.0.1:1", 1.0), ERROR, "nothing answers")


@pytest.mark.parametrize(
    ("site", "level", "hint"),
    [
        ("http://127.0.0.1:8025", WARNING, "this machine"),
        ("https://localhost", WARNING, "this machine"),
        ("https://[::1]:8025", WARNING, "this machine"),
        ("http://lists.example.org", WARNING, "RFC 8058"),
        ("https://lists.example.org", OK, "lead to"),
    ],
)
def test_links_that_readers_cannot_open_or_not_safely(site, level, hint) -> None:
    assert_says(outside.check_links(site, sending=True), level, hint)
    assert_says(outside.check_links(site, sending=False), OK, "would lead")


def test_links_that_nothing_answers() -> None:
    assert_says(
        outside.check_links("https://a.example", sending=True, served=False), WARNING, "off"
    )


def test_sockets_that_others_can_reach(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    assert_says(outside.check_sockets(tmp_path), OK, "closed")
    tmp_path.chmod(0o755)
    assert_says(outside.check_sockets(tmp_path), ERROR, "others can enter")
    assert_says(outside.check_sockets(tmp_path / "no"), ERROR, "No such file")


def test_settings_that_cannot_be_read(monkeypatch) -> None:
    monkeypatch.setenv("MAIL_WORKERS", "many")
    [found] = doctoring.examine()
    assert_says(found, ERROR, "settings: MAIL_WORKERS")


def doctor(tmp_path: Path, **more: str) -> subprocess.CompletedProcess[str]:
    known = {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(PROJECT),
        "DATA_DIR": str(tmp_path / "data"),
        "COLUMNS": "100",
    }
    command = [
        sys.executable,
        "-P",
        "-m",
        "mrilu.cli",
        "doctor",
        *(("--json",) if more.pop("json", "") else ()),
    ]
    return subprocess.run(
        command, env=known | more, cwd=tmp_path, capture_output=True, text=True, timeout=60
    )


def test_with_nothing_running_it_says_so_and_shows_no_secret(tmp_path: Path) -> None:
    secrets = {"DATABASE_URL": "postgresql://u:hush1@127.0.0.1:1/d", "REDIS_URL": "redis://:hush2@127.0.0.1:1",
               "SMTP_URL": "smtp://u:hush3@127.0.0.1:1", "MAIL_FROM": "a@x.example", "TOKEN_SECRET": "hush4",
               "OPERATOR_PASSWORD": "hush5"}  # fmt: skip
    done = doctor(tmp_path, **secrets)
    assert done.returncode == 1 and "PostgreSQL does not answer" in done.stdout, (
        done.stdout + done.stderr
    )
    assert not re.search("hush[1-5]", done.stdout + done.stderr)
    facts = json.loads(doctor(tmp_path, json="yes", **secrets).stdout)
    assert {"level", "what", "advice"} == set(facts[0]) and "hush" not in str(facts)


def test_with_the_servers_running_it_asks_them(
    service_settings: Settings, database: PostgresqlDatabase, redis_client: Redis, tmp_path: Path
) -> None:
    urls = {
        "DATABASE_URL": str(service_settings.database_url),
        "REDIS_URL": str(service_settings.redis_url),
    }
    shown = " ".join(doctor(tmp_path, **urls).stdout.split())
    for word in ("PostgreSQL 18", "Redis 7", "schema 0", "clocks", "watcher does not run", "no worker for the queue",
                 "has no next time"):  # fmt: skip
        assert word in shown, shown
    assert "went away" not in shown
