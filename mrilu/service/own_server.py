"""What our PostgreSQL and our Valkey have in common as processes: start, readiness, orderly stop, kill."""

from __future__ import annotations

import signal
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, Self

from mrilu.service.account import Account, ServerError, bare_environment
from mrilu.service.placement import Throwaway


class OwnServer(ABC):
    """One server of ours in `folder`; as a context manager, a running throw-away one for a test or a bench.

    Everything raises ServerError with one line for a person.
    """

    NAME: ClassVar[str]
    STOP_SIGNAL: ClassVar[signal.Signals]
    STOP_SECONDS: ClassVar[float]
    READY_SECONDS: ClassVar[float]
    LOOK_SECONDS: ClassVar[float]  # between two looks whether it is ready
    LOG_ENDING: ClassVar[str]

    def __init__(self, place: Throwaway, account: Account) -> None:
        self.place, self.account = place, account
        self.folder, self.sockets = place.folder, place.sockets
        self.process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> list[str]:
        """The server's command line, for subprocess or supervisor."""

    @abstractmethod
    def ready(self) -> bool:
        """Tell whether the server takes connections and answers."""

    def starts(self) -> bool:
        """Tell whether the server answers that it is getting ready, which may take as long as it has much to read."""
        return False

    def log_file(self) -> Path:
        """The server's own words: beside a folder that is another account's, in which root opens no file."""
        beside = self.folder.with_name(self.folder.name + self.LOG_ENDING)
        return beside if self.account.drops else self.folder / "server.log"

    def wait_ready(self, seconds: float | None = None) -> None:
        """Wait until the server is ready; raises ServerError when it has ended, or gives no sign after `seconds`."""
        seconds = self.READY_SECONDS if seconds is None else seconds
        deadline = time.monotonic() + seconds
        while not self.ready():
            if self.process and self.process.poll() is not None:
                raise ServerError(f"{self.NAME} ended at its start; see {self.log_file()}")
            if time.monotonic() > deadline and not self.starts():
                raise ServerError(
                    f"{self.NAME} in {self.folder} was not ready after {seconds:.0f} s"
                )
            time.sleep(self.LOOK_SECONDS)

    def start(self) -> None:
        """Start and wait until ready."""
        self.spawn()
        self.wait_ready()

    def spawn(self) -> None:
        """Start the process, without waiting for what comes of it."""
        # A file, never a pipe: the server outlives whoever would read the pipe.
        with open(self.log_file(), "ab") as log:
            self.process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=bare_environment(),
                start_new_session=True,
                **self.account.switch(),
            )

    def stop(self, seconds: float | None = None) -> None:
        """Orderly shutdown: all that was confirmed is kept."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(self.STOP_SIGNAL)
            try:
                self.process.wait(self.STOP_SECONDS if seconds is None else seconds)
            except subprocess.TimeoutExpired:
                self.kill9()
        self.process = None

    def kill9(self) -> None:
        """kill -9 the server, as the kernel does when memory runs out: no cleaning up."""
        if self.process:
            self.process.kill()
            self.process.wait()

    def restart(self) -> None:
        """Start again after `stop` or `kill9`, over the same data."""
        if self.process and self.process.poll() is None:
            self.stop()
        self.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.place.remove()
