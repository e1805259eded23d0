"""The promise of the whole: whatever is killed, every mail is in the archive once and the ledger is level."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess

import psycopg
import pytest

from settings import PROJECT
from tests.factories import deliver, mail

MAILS = 1500


def deliver_many(service, count: int, first: int = 0) -> None:
    for number in range(first, first + count):
        deliver(service.maildir, mail(f"<{number}@x>", body="coi rodo\n" * 40), f"new/{number}.many")


def ledger(service) -> dict:
    return service.status()["maildirs"][0]


def assert_all_in_once(service, count: int) -> None:
    service.until(lambda: service.run("status", "--json").returncode == 0)  # 1: not level, or a server is away
    one = ledger(service)
    assert (one["on_disk"], one["imported"], one["copies"], one["rejected"]) == (count, count, 0, 0)
    assert service.status()["messages"] == count


def messages(service) -> int:
    environ = dict(line.removeprefix("export ").split("=", 1) for line in service.run("env").stdout.splitlines())
    with psycopg.connect(shlex.split(environ["DATABASE_URL"])[0]) as link:
        return link.execute("SELECT count(*) FROM message").fetchone()[0]


@pytest.mark.parametrize("victim", ["worker-pool", "-m watcher", "valkey", "postgres"])
def test_a_kill_in_mid_import_loses_nothing_and_doubles_nothing(service, victim):
    service.start()
    deliver_many(service, MAILS)
    service.until(lambda: messages(service) > 0)
    assert service.kill9(victim) > 0
    deliver_many(service, 50, first=MAILS)
    assert_all_in_once(service, MAILS + 50)
    assert service.stop() < 10


def test_a_start_after_everything_was_killed_goes_on(service):
    deliver_many(service, MAILS)
    service.start()
    service.until(lambda: messages(service) > 0)
    os.killpg(service.process.pid, signal.SIGKILL)
    service.kill9("")
    service.process.wait(10)
    service.start()
    assert_all_in_once(service, MAILS)


def test_the_day_of_a_mail(service):
    """Delivered, seen at once, read, and deleted; told by status and why."""
    service.start()
    path = deliver(service.maildir, mail("<day@x>"))
    service.until(lambda: messages(service) == 1, 5)
    assert_all_in_once(service, 1)
    read = path.replace("new/", "cur/") + ":2,S"
    (service.maildir / path).rename(service.maildir / read)
    service.until(
        lambda: f"imported: {read} flags=S" in service.run("why", "<day@x>").stdout or moved(service, read), 10
    )
    (service.maildir / read).unlink()
    service.until(lambda: "the archive keeps its message" in service.run("why", read).stdout, 10)
    again = service.run("up")
    assert again.returncode == 1 and again.stderr.count("\n") == 1, again.stderr
    assert service.stop() < 10
    assert service.run("status").returncode == 1


def moved(service, path: str) -> bool:
    return f": {path}" in service.run("why", path).stdout


def test_plain_rq_works_with_what_env_prints(service):
    """As the README says: eval "$(./run.sh env)"; rq info; rq worker mail; psql."""
    service.start()
    path = deliver(service.maildir, mail("<a@x>"))
    service.until(lambda: messages(service) == 1, 10)
    shell = f"""
    eval {shlex.quote(service.run("env").stdout)}
    rq info && rq worker mail --burst && psql "$DATABASE_URL" -Atc "SELECT message_id FROM message"
    """
    bare = {"PATH": "/usr/bin:/bin", "HOME": str(service.data)}
    done = subprocess.run(["bash", "-c", shell], cwd=PROJECT, env=bare, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "mail" in done.stdout and done.stdout.splitlines()[-1] == "a@x", path
