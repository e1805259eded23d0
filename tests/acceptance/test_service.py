"""The promise of the whole: whatever is killed, every mail is in the archive once and the ledger is level."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess

import pytest

from mrilu.settings.table import PROJECT
from tests.acceptance.conftest import kill_all
from tests.factories import deliver, mail

MAILS = 1500


def delivered(service, maildir: str = "test") -> int:
    if maildir == "letters":
        return len(list(service.letters.iterdir()))
    return sum(len(list((service.maildir / place).iterdir())) for place in ("new", "cur"))


def assert_all_in_once(service) -> None:
    """Each file on disk is imported once, none is a copy, and there are as many messages as files."""
    service.until(
        lambda: service.run("status", "--json").returncode == 0
    )  # 1: not level, or a server is away
    facts = service.status()
    for one in facts["maildirs"]:
        if one["watched"]:
            count = delivered(service, one["maildir"])
            assert (one["on_disk"], one["imported"], one["copies"], one["rejected"]) == (
                count,
                count,
                0,
                0,
            ), one
    assert facts["messages"] == sum(one["imported"] for one in facts["maildirs"])


def in_mid_import(service, mails: int) -> int:
    """Deliver mails and return, as soon as the first are in the archive, how many will be."""
    before = service.imported()
    service.deliver_many(mails)
    service.until(lambda: service.imported() > before)
    return before + mails


@pytest.mark.parametrize("victim", ["postgres", "worker-pool", "-m watcher", "valkey"])
def test_a_kill_in_mid_import_loses_nothing_and_doubles_nothing(running, victim):
    service = running
    victims = service.processes(victim)
    total = in_mid_import(service, MAILS)
    if victim == "postgres":  # after it, the count would wait for its recovery
        assert service.imported() < total
    assert kill_all(victims) > 0
    if victim != "postgres":
        assert service.imported() < total
    service.deliver_many(50)
    assert_all_in_once(service)


def test_a_stop_in_mid_import_is_quick_and_the_next_start_goes_on(service):
    service.start()
    total = in_mid_import(service, MAILS)
    assert service.imported() < total
    assert service.stop() < 10
    status = service.run("status")
    assert status.returncode == 1 and "does not answer" in status.stderr
    service.start()
    assert_all_in_once(service)


def test_a_start_after_everything_was_killed_goes_on(service):
    service.start()
    victims = service.processes("")
    total = in_mid_import(service, MAILS)
    assert service.imported() < total
    os.killpg(service.process.pid, signal.SIGKILL)
    kill_all(victims)
    service.process.wait(10)
    service.start()
    assert_all_in_once(service)


def test_the_day_of_a_mail(running):
    """Delivered, seen at once, read, and deleted; told by status and why."""
    service = running
    before = service.imported()
    path = deliver(service.maildir, mail("<day@x>"))
    service.until(lambda: service.imported() == before + 1, 5)
    read = path.replace("new/", "cur/") + ":2,S"
    (service.maildir / path).rename(service.maildir / read)
    service.until(lambda: f": {read} flags=S" in service.run("why", read).stdout)
    assert_all_in_once(service)
    (service.maildir / read).unlink()
    service.until(lambda: "the archive keeps its message" in service.run("why", read).stdout)
    deliver(
        service.maildir, mail("<day@x>"), path
    )  # for the tests that share the service: files and messages agree
    assert_all_in_once(service)
    again = service.run("up")
    assert again.returncode == 1 and again.stderr.count("\n") == 1, again.stderr


def test_two_maildirs_go_in_each_in_its_own_way(running):
    """A Maildir seen by inotify, a flat folder of letters by polling."""
    service = running
    service.until(lambda: service.imported("letters") == 1)  # what lay there before the start
    partial = service.letters / ".second"
    partial.write_bytes(mail("<second-letter@x>"))
    partial.rename(service.letters / "second.eml")
    deliver(service.maildir, mail("<two@x>"))
    service.until(lambda: service.imported("letters") == 2)
    assert_all_in_once(service)
    modes = {name: one["mode"] for name, one in service.status()["watcher"]["maildirs"].items()}
    assert modes == {"test": "inotify", "letters": "poll"}
    service.until(
        lambda: f"Maildir letters ({service.letters}): 1 mails, watched by poll" in service.said()
    )


def test_plain_rq_works_with_what_env_prints(running):
    """As the README says: eval "$(./run.sh env)"; rq info; rq worker mail; psql."""
    service = running
    before = service.imported()
    deliver(service.maildir, mail("<plain@x>"))
    service.until(lambda: service.imported() == before + 1, 10)
    shell = f"""
    set -e
    eval {shlex.quote(service.run("env").stdout)}
    rq info && rq worker mail --burst
    psql "$DATABASE_URL" -Atc "SELECT message_id FROM message ORDER BY id DESC LIMIT 1"
    """
    bare = {"PATH": "/usr/bin:/bin", "HOME": str(service.data)}
    done = subprocess.run(
        ["bash", "-c", shell], cwd=PROJECT, env=bare, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "mail" in done.stdout and done.stdout.splitlines()[-1] == "plain@x"
