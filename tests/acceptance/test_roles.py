"""Two services that share their servers: each runs its own roles, and together they are one."""

from __future__ import annotations

import json
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.conftest import Service
from tests.factories import deliver, mail


@pytest.fixture
def hosts() -> Iterator[tuple[Service, Service]]:
    """A host with the servers and the watcher, and one with import workers alone."""
    # unlike pytest's own, the account can enter them
    folders = [Path(tempfile.mkdtemp(prefix="mrilu-roles-")) for _ in range(2)]
    for folder in folders:
        folder.chmod(0o711)
    first, second = map(Service, folders)
    first.environ |= {"ROLES": "postgresql,valkey,watcher,notify,scheduler", "EMBEDDINGS": "off"}
    try:
        yield first, second
    finally:
        second.end()
        first.end()
        for folder in folders:
            shutil.rmtree(folder)


def test_a_host_runs_its_roles_alone_and_another_does_the_rest(
    hosts: tuple[Service, Service],
) -> None:
    first, second = hosts
    first.start()
    assert not first.processes("worker-pool") and first.processes("-m watcher")
    deliver(first.maildir, mail("<one@x>"))
    printed = first.run("env").stdout.splitlines()
    known = dict(line.removeprefix("export ").split("=", 1) for line in printed)
    second.environ |= {
        "ROLES": "mail",
        "MAILDIR_PATH": first.environ["MAILDIR_PATH"],
        **{name: shlex.split(known[name])[0] for name in ("DATABASE_URL", "REDIS_URL")},
    }
    second.start()
    assert second.processes("worker-pool") and not second.processes("-m watcher")
    first.until(lambda: first.imported() == 1, 20)
    told = json.loads(first.run("status", "--json").stdout)["services"]
    assert sorted(one["roles"] for one in told) == [
        ["mail"],
        ["watcher", "notify", "scheduler", "postgresql", "valkey"],
    ]
    shown = first.run("status").stdout
    assert "no host runs default, embed, web" in shown


def test_a_role_that_lacks_a_setting_is_refused_in_one_line(
    hosts: tuple[Service, Service],
) -> None:
    done = hosts[1].run("up", "--only", "mail")
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
    assert "DATABASE_URL is not set, and the roles mail need it" in done.stderr
