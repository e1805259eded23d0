"""The supervisor process: started, asked, stopped."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from xmlrpc.client import Error as XmlRpcError
from xmlrpc.client import ServerProxy

from mrilu.service.account import ServerError
from mrilu.service.orphans import mark
from mrilu.service.programs import SHIM

STOP_SECONDS = 45.0  # the sum of what supervisor itself allows, and a margin
_PR_SET_PDEATHSIG = 1


class Supervisor:
    """A running supervisord and its control socket."""

    def __init__(self, process: subprocess.Popen[bytes], control: Path) -> None:
        self.process = process
        self._control = control

    @property
    def alive(self) -> bool:
        """Tell whether supervisord still runs."""
        return self.process.poll() is None

    def start(self, group: str, names: Iterable[str]) -> None:
        """Start these programs of a group, in this order, without waiting for each to prove itself."""
        with _asking(self._control) as proxy:
            for name in names:
                _start(f"{group}:{name}", proxy)

    def states(self) -> dict[str, str]:
        """Return each program's state in supervisor's words; empty when it does not answer."""
        return program_states(self._control)

    def stop(self) -> None:
        """Stop everything in order: our programs, then the servers. Kills supervisord only if it hangs."""
        if self.alive:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def program_states(control: Path) -> dict[str, str]:
    """Return the state of each program of the supervisor behind the socket `control`; empty without an answer."""
    try:
        with _asking(control) as proxy:
            entries = proxy.supervisor.getAllProcessInfo()
        return {entry["name"]: entry["statename"] for entry in entries}
    except (OSError, XmlRpcError):
        return {}


def rest(control: Path, group: str) -> None:
    """Stop a group's programs and wait for their end; raises ServerError."""
    _tell(control, lambda proxy: proxy.supervisor.stopProcessGroup(group, True))


def wake(control: Path, group: str) -> None:
    """Start a group's programs, but the installer, which starts with the service only; raises ServerError."""
    for entry in _tell(control, lambda proxy: proxy.supervisor.getAllProcessInfo()):
        if entry["group"] == group and entry["name"] != "install":
            _tell(control, partial(_start, f"{group}:{entry['name']}"))


def _start(name: str, proxy: Any) -> Any:
    return proxy.supervisor.startProcess(name, False)


def _tell(control: Path, order: Callable[[Any], Any]) -> Any:
    try:
        with _asking(control) as proxy:
            return order(proxy)
    except (OSError, XmlRpcError) as error:
        raise ServerError(f"the supervisor does not obey: {error}") from error


@contextmanager
def _asking(control: Path) -> Iterator[Any]:
    """Yield what calls supervisord; its socket is closed, also where nobody listened behind it."""
    from supervisor.xmlrpc import SupervisorTransport

    transport = SupervisorTransport(None, None, f"unix://{control}")
    try:
        yield ServerProxy("http://mrilu", transport=transport)
    finally:
        transport.close()


def launch(
    configuration: Path, control: Path, environment: Mapping[str, str], output: Path
) -> Supervisor:
    """Start supervisord in a session of its own, so that Ctrl-C reaches us alone; raises ServerError."""
    shim = ["-m", SHIM, mark(configuration.parent), "-", "supervisor"]
    command = [
        sys.executable,
        "-P",
        *shim,
        "-m",
        "supervisor.supervisord",
        "-c",
        str(configuration),
    ]
    parent = os.getpid()
    try:
        with open(output, "wb") as out:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=dict(environment),
                start_new_session=True,
                preexec_fn=lambda: _die_with(parent),
            )
    except OSError as error:
        raise ServerError(f"cannot start supervisor: {error.strerror}") from error
    return Supervisor(process, control)


def _die_with(parent: int) -> None:
    """Let the kernel stop supervisord in order when we are killed (Linux; elsewhere the next start tidies up)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # killed between the fork and the line above
            os._exit(1)
