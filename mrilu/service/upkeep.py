"""What the foreground process looks after while the embedded servers run: damaged files, sockets that went."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import psutil

from mrilu.service.account import ServerError
from mrilu.service.instance import Instance
from mrilu.service.orphans import kill_orphans
from mrilu.service.placement import socket_folder
from mrilu.service.valkey import Server

# What Valkey says of an append-only file that power loss left with zeros, garbage or a part missing, and then ends.
DAMAGED = (
    "reading the append only file",
    "FATAL AOF MANIFEST FILE ERROR",
    "Unable to obtain the AOF file",
    "Wrong signature trying to load DB",
    "Internal error in RDB reading",
)
OURS_TO_MEND = (
    "Permission denied",
    "No space left",
    "Too many open files",
)  # no damage: leave the file alone
FOLDER, ASIDE = "appendonlydir", "appendonlydir.damaged"


class QueueFile:
    """Valkey's append-only file: set aside when it is damaged, since all that it holds can be scanned anew."""

    def __init__(self, server: Server, log: Path) -> None:
        self._server, self._log = server, log
        self._read = self._size()

    def mend(self) -> Iterator[str]:
        """Set the file aside if Valkey said, since the last call, that it cannot read it; yield a line about it."""
        said = self._said()
        reason = next((line for line in said for mark in DAMAGED if mark in line), "")
        if not reason or any(mark in line for line in said for mark in OURS_TO_MEND):
            return
        folder, aside = self._server.folder / FOLDER, self._server.folder / ASIDE
        with suppress(OSError):
            shutil.rmtree(aside, ignore_errors=True)
            folder.rename(aside)
            yield (
                f"valkey cannot read its append-only file, which is set aside as {aside}: "
                "the queue is made anew from the disk and the database"
            )

    def _said(self) -> list[str]:
        size = self._size()
        if size < self._read:  # it was rotated
            self._read = 0
        if size == self._read:
            return []
        with open(self._log, errors="replace") as log:
            log.seek(self._read)
            lines = log.read().splitlines()
        self._read = size
        return lines

    def _size(self) -> int:
        try:
            return self._log.stat().st_size
        except OSError:
            return 0


def free_cluster(service: Instance) -> Iterator[str]:
    """After a death of the postmaster: end what it left, or no new one can start."""
    if service.cluster and not service.cluster.alive():
        if killed := kill_orphans(service.server_marks()):
            yield f"postgresql ended and left {killed} processes, which were killed so that it can start again"


class Sockets:
    """The servers' sockets: made again, by a restart of their server, when a cleaner of /tmp removed them."""

    def __init__(self, service: Instance) -> None:
        self._service = service
        self._missing: dict[str, float] = {}

    def mend(self) -> Iterator[str]:
        """Restart the servers that run, and whose socket has been missing for two looks; yield a line for each."""
        for name, socket, number in self._servers():
            if socket.exists() or (pid := number()) is None:
                self._missing.pop(name, None)
            elif name not in self._missing:
                self._missing[name] = time.monotonic()
            else:
                del self._missing[name]
                self._restart(name, pid)
                yield f"the socket {socket} was removed: {name} starts again to make it anew"

    def _servers(self) -> Iterator[tuple[str, Path, Callable[[], int | None]]]:
        cluster, valkey = self._service.cluster, self._service.valkey
        if cluster:
            yield "postgresql", cluster.socket, cluster.pid
        if valkey:
            yield "valkey", valkey.socket, partial(_pid_of, valkey)

    def _restart(self, name: str, pid: int) -> None:
        """End the server in order; supervisor starts it again."""
        data, account = self._service.data, self._service.account
        with suppress(OSError, ServerError):
            socket_folder(data / ("pg" if name == "postgresql" else "vk"), account)
            os.kill(pid, signal.SIGINT if name == "postgresql" else signal.SIGTERM)


def _pid_of(server: Server) -> int | None:
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            # it changes its title: "valkey-server unixsocket:PATH"
            if process.name() == "valkey-server" and str(server.socket) in " ".join(
                process.cmdline()
            ):
                return int(process.pid)
    return None
