"""A whole service as a person starts it, on data of its own."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from mrilu.service.placement import remove_outside
from mrilu.settings.table import PROJECT
from tests.factories import mail, make_maildir

DEADLINE = 120.0


class Service:
    """`./run.sh up` without its set-up: the same process tree, in a folder of the test's."""

    def __init__(self, folder: Path) -> None:
        self.maildir = make_maildir(folder / "Maildir", ".one")
        self.letters = folder / "letters"
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
            "SERVER_USER": "nobody",  # of root's service; an account of its own is not for a test to make
        }
        self.process: subprocess.Popen[bytes] | None = None
        self.launcher: list[str] = []  # what starts it on another host
        self._link: psycopg.Connection | None = None
        self._numbers = iter(range(10**9))

    def add_letters(self) -> None:
        """Give it a second Maildir before it starts: a flat folder of .eml files, which is polled."""
        self.letters.mkdir()
        (self.letters / "first.eml").write_bytes(mail("<first-letter@x>"))
        self.environ["MAILDIR_PATH"] += f",letters={self.letters}"
        self.environ["WATCH_MODE"] = "letters=poll"

    def start(self) -> None:
        """Start it and wait until it says that it is up."""
        self.launch()
        self.wait_until_up()

    def launch(self) -> None:
        """Start it."""
        self.disconnect()
        with self.output.open("wb") as output:
            command = [*self.launcher, sys.executable, "-m", "mrilu.cli", "up"]
            self.process = subprocess.Popen(
                command,
                cwd=PROJECT,
                env=self.environ,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def wait_until_up(self) -> None:
        """Wait until it says that it is up."""
        assert self.process is not None
        self.until(lambda: "mrilu is up" in self.said() or self.process.poll() is not None)
        assert self.process.poll() is None, self.said()

    def said(self) -> str:
        """Return what it printed so far."""
        return self.output.read_text(errors="replace")

    def stop(self) -> float:
        """Ask it to stop; return the seconds it took."""
        self.disconnect()
        began = time.monotonic()
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        return time.monotonic() - began

    def entering(self) -> list[str]:
        """Return what calls a command on the host of the service."""
        return []

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Call a command of the front door."""
        command = [*self.entering(), sys.executable, "-m", "mrilu.cli", *words]
        return subprocess.run(
            command, cwd=PROJECT, env=self.environ, capture_output=True, text=True, timeout=DEADLINE
        )

    def watch(self, *words: str) -> tuple[int, str]:
        """Call a command of the front door in a terminal; return its exit code and all that was shown."""
        ours, its = pty.openpty()
        command = [sys.executable, "-m", "mrilu.cli", *words]
        environ = self.environ | {"TERM": "xterm", "COLUMNS": "160", "LINES": "50"}
        process = subprocess.Popen(
            command, cwd=PROJECT, env=environ, stdin=its, stdout=its, stderr=its
        )
        os.close(its)
        shown = b""
        with contextlib.suppress(OSError):  # EIO: the command has closed the terminal
            while part := os.read(ours, 65536):
                shown += part
        os.close(ours)
        return process.wait(DEADLINE), re.sub(
            r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode(errors="replace")
        )

    def status(self) -> dict:
        """Return the facts of `status --json`."""
        done = self.run("status", "--json")
        assert done.stdout, done.stderr
        return json.loads(done.stdout)

    def ledger(self, maildir: str = "test") -> dict[str, Any]:
        """Return one Maildir's ledger as `status` draws it up."""
        return next(one for one in self.status()["maildirs"] if one["maildir"] == maildir)

    def imported(self, maildir: str = "test") -> int:
        """Return how many files of a Maildir are in the archive, over one connection; waits for its server."""
        query = "SELECT count(*) FROM location JOIN maildir ON maildir.id = location.maildir WHERE maildir.name = %s"
        counted: list[int] = []

        def count() -> bool:
            try:
                counted.append(self._connected().execute(query, [maildir]).fetchone()[0])
            except psycopg.OperationalError:
                self.disconnect()
            return bool(counted)

        self.until(count)
        return counted[0]

    def _connected(self) -> psycopg.Connection:
        if self._link is None:
            printed = self.run("env").stdout.splitlines()
            environ = dict(line.removeprefix("export ").split("=", 1) for line in printed)
            self._link = psycopg.connect(shlex.split(environ["DATABASE_URL"])[0], autocommit=True)
        return self._link

    def disconnect(self) -> None:
        """Forget the connection."""
        if self._link is not None:
            self._link.close()
        self._link = None

    def deliver_many(self, count: int) -> None:
        """Put that many mails into the Maildir as near to at once as can be: written first, then all renamed."""
        names = [f"{next(self._numbers)}.many" for _ in range(count)]
        for name in names:
            (self.maildir / "tmp" / name).write_bytes(mail(f"<{name}@x>", body="coi rodo\n" * 40))
        for name in names:
            (self.maildir / "tmp" / name).rename(self.maildir / "new" / name)

    def until(self, ready: Callable[[], object], seconds: float = DEADLINE) -> None:
        """Wait for a condition, or fail with what the service said."""
        deadline = time.monotonic() + seconds
        while not ready():
            assert time.monotonic() < deadline, self.said() + str(self.run("status").stdout)
            time.sleep(0.01)

    def processes(self, mark: str) -> list[psutil.Process]:
        """Return the service's processes whose command line contains `mark`."""
        assert self.process is not None
        tree = psutil.Process(self.process.pid).children(recursive=True)
        return [one for one in tree if mark in " ".join(_command(one))]

    def kill9(self, mark: str) -> int:
        """Kill those processes without a warning; return how many there were."""
        return kill_all(self.processes(mark))

    def end(self) -> None:
        """Stop it if it runs, and remove what it keeps outside of its folder."""
        if self.process is not None and self.process.poll() is None:
            self.stop()
        self.disconnect()
        remove_outside(self.data)


def kill_all(victims: list[psutil.Process]) -> int:
    """Kill processes without a warning; return how many there still were."""
    killed = 0
    for victim in victims:
        with contextlib.suppress(psutil.NoSuchProcess):
            victim.kill()
            killed += 1
    return killed


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


@contextlib.contextmanager
def open_folder() -> Iterator[Path]:
    """A folder that whoever a service of root's runs as can enter, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="mrilu-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder for a test's own Maildirs."""
    with open_folder() as folder:
        yield folder


@pytest.fixture
def service(place: Path) -> Iterator[Service]:
    """A service that this test starts, stops and kills as it likes."""
    made = Service(place)
    yield made
    made.end()


@pytest.fixture(scope="package")
def running() -> Iterator[Service]:
    """A service that runs, with two Maildirs, shared by the tests of this folder; each leaves it running, and level."""
    with open_folder() as folder:
        made = Service(folder)
        made.add_letters()
        made.environ["EMBEDDINGS"] = "off"  # they would take the processor from the tests beside
        try:
            made.start()
            yield made
        finally:
            made.end()
