"""The very ./run.sh of a newcomer: a normal user, no setting, a path with spaces that is too long for a socket."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest

from tests.acceptance.checkout import Checkout


@pytest.fixture(scope="module")
def checkout() -> Iterator[Checkout]:
    made = Checkout()
    yield made
    made.remove()


def test_a_maildir_that_may_not_be_read_is_one_line_that_says_what_to_do(checkout):
    if not checkout.account.drops and os.geteuid() == 0:
        pytest.skip("root reads everything")
    closed = checkout.base / "closed"
    closed.mkdir(mode=0o700)
    closed.chmod(0)
    done = checkout.run(MAILDIR_PATH=str(closed))
    assert done.returncode == 1 and done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith(
        f"mrilu: MAILDIR_PATH: {closed}: no permission to read this folder; start as "
    )


def read_until(stream: IO[str], start: str) -> str:
    """Return what a service prints up to the line that begins so, or all if it ends before."""
    lines: list[str] = []
    for line in stream:
        lines.append(line)
        if line.startswith(start):
            break
    return "".join(lines)


def wait_for_status(checkout: Checkout, holds: Callable[[str], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds(told := checkout.run("status").stdout):
        assert time.monotonic() < deadline, told


def test_a_newcomer_sees_what_was_found_the_samples_the_ledger_and_the_installation(checkout):
    service = checkout.begin()
    try:
        said = read_until(service.stdout, "level: ")
        assert "mrilu is up after" in said, service.stderr.read() if not said else said
        sample = checkout.place / "data" / "Maildir"
        assert f"Maildir sample ({sample}): 5 mails, watched by inotify" in said
        assert (
            "these are samples; for your own mail: MAILDIR_PATH=/path/to/Maildir ./run.sh" in said
        )
        assert "level: sample: 5 files on disk = 3 imported + 1 copies + 1 rejected" in said
        assert Path(f"/proc/{service.pid}").stat().st_uid == checkout.account.uid
        wait_for_status(
            checkout,
            lambda told: "background installing 1 of " in told and "torch (running)" in told,
        )
        (checkout.venv / "go-on").touch()
        wait_for_status(checkout, lambda told: "background installing" not in told)
        stopped = checkout.run("stop")
        assert (stopped.returncode, stopped.stdout) == (0, "stopped\n"), stopped.stderr
        assert service.wait(10) == 0
        assert service.stderr.read() == ""
    finally:
        service.terminate()
        service.wait(60)
        service.stdout.close()
        service.stderr.close()
