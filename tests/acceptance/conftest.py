"""A whole service as a person starts it, on data of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from local.placement import remove_outside
from settings import PROJECT
from tests.factories import make_maildir

DEADLINE = 120.0


class Service:
    """`./run.sh up` without its set-up: the same process tree, in a folder of the test's."""

    def __init__(self, folder: Path) -> None:
        self.maildir = make_maildir(folder / "Maildir", ".one")
        self.data = folder / "data"
        self.output = folder / "output"
        scrubbed = {key: value for key, value in os.environ.items() if not key.endswith("_URL")}
        self.environ = {
            **scrubbed,
            "DATA_DIR": str(self.data),
            "WEB_ADDRESS": "off",
            "MAILDIR_PATH": f"test={self.maildir}",
            "PYTHONPATH": str(PROJECT),
            "BATCH_SIZE": "50",
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it says that it is up."""
        with self.output.open("wb") as output:
            command = [sys.executable, "-m", "cli", "up"]
            self.process = subprocess.Popen(
                command, cwd=PROJECT, env=self.environ, stdout=output, stderr=output, start_new_session=True
            )
        self.until(lambda: "mrilu is up" in self.said() or self.process.poll() is not None)
        assert self.process.poll() is None, self.said()

    def said(self) -> str:
        """Return what it printed so far."""
        return self.output.read_text(errors="replace")

    def stop(self) -> float:
        """Ask it to stop; return the seconds it took."""
        began = time.monotonic()
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        return time.monotonic() - began

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Call a command of the front door."""
        command = [sys.executable, "-m", "cli", *words]
        return subprocess.run(command, cwd=PROJECT, env=self.environ, capture_output=True, text=True, timeout=60)

    def status(self) -> dict:
        """Return the facts of `status --json`."""
        done = self.run("status", "--json")
        assert done.stdout, done.stderr
        return json.loads(done.stdout)

    def until(self, ready: Callable[[], object], seconds: float = DEADLINE) -> None:
        """Wait for a condition, or fail with what the service said."""
        deadline = time.monotonic() + seconds
        while not ready():
            assert time.monotonic() < deadline, self.said() + str(self.run("status").stdout)
            time.sleep(0.05)

    def processes(self, mark: str) -> list[psutil.Process]:
        """Return the service's processes whose command line contains `mark`."""
        assert self.process is not None
        tree = psutil.Process(self.process.pid).children(recursive=True)
        return [one for one in tree if mark in " ".join(_command(one))]

    def kill9(self, mark: str) -> int:
        """Kill those processes without a warning; return how many there were."""
        victims = self.processes(mark)
        for victim in victims:
            victim.kill()
        return len(victims)


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.stop()
    remove_outside(made.data)
