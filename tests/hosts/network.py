"""Hosts of one machine: network namespaces on a bridge, each with processes and a name of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from tests.acceptance.conftest import Service
from tests.external import Where

NET = "10.213.77"  # of no one else; it ends in these namespaces
NAMED = 'hostname "$0" && exec "$@"'
UNSHARED = ("unshare", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc")


class Network:
    """A bridge in a namespace of its own, where the servers run, and hosts with a cable to it each."""

    def __init__(self) -> None:
        self.mark = f"mrilu{os.getpid()}"
        self.middle = f"{self.mark}-servers"
        self.names: list[str] = [self.middle]

    def begin(self) -> None:
        """Make the bridge; skip the test where that is not possible."""
        if os.geteuid() or not all(map(shutil.which, ("ip", "unshare", "nsenter", "setpriv"))):
            pytest.skip("only root can make network namespaces, with iproute2 and util-linux")
        made = subprocess.run(["ip", "netns", "add", self.middle], capture_output=True, text=True)
        if made.returncode:
            pytest.skip(f"no network namespaces here: {made.stderr.strip()}")
        if self._try("-n", self.middle, "link", "add", "br0", "type", "bridge"):
            self.end()
            pytest.skip("no network bridges here")
        self._ip("-n", self.middle, "addr", "add", f"{NET}.1/24", "dev", "br0")
        for device in ("br0", "lo"):
            self._ip("-n", self.middle, "link", "set", device, "up")

    @property
    def servers(self) -> Where:
        """Where PostgreSQL and Redis run."""
        return Where(f"{NET}.1", f"{NET}.0/24", ("ip", "netns", "exec", self.middle))

    def add(self, name: str) -> list[str]:
        """Add a host; return what starts a program there, as the first of all its processes."""
        space, number = f"{self.mark}-{name}", len(self.names) + 1
        self.names.append(space)
        self._ip("netns", "add", space)
        cable = ("type", "veth", "peer", "name", "eth0", "netns", space)
        self._ip("link", "add", f"to-{name}", "netns", self.middle, *cable)
        self._ip("-n", self.middle, "link", "set", f"to-{name}", "master", "br0", "up")
        self._ip("-n", space, "addr", "add", f"{NET}.{number}/24", "dev", "eth0")
        for device in ("eth0", "lo"):
            self._ip("-n", space, "link", "set", device, "up")
        return ["ip", "netns", "exec", space, *UNSHARED, "sh", "-c", NAMED, name]

    def plug(self, name: str, *, out: bool) -> None:
        """Take a host's cable out of the bridge, or put it back: nothing arrives, and no one is told."""
        self._ip("-n", self.middle, "link", "set", f"to-{name}", "down" if out else "up")

    def end(self) -> None:
        """Remove all namespaces; their cables go with them."""
        for space in self.names:
            self._try("netns", "del", space)

    def _ip(self, *words: str) -> None:
        subprocess.run(["ip", *words], check=True, capture_output=True)

    def _try(self, *words: str) -> int:
        return subprocess.run(["ip", *words], capture_output=True).returncode


class Host(Service):
    """A service on a host of the network, with the roles and addresses that it is given."""

    def __init__(self, network: Network, name: str, folder: Path, environ: dict[str, str]) -> None:
        folder.mkdir()
        super().__init__(folder)
        self.network, self.name = network, name
        self.launcher = network.add(name)
        self.environ |= environ

    def first(self) -> psutil.Process:
        """Return the first process of the host, with which all others end."""
        assert self.process is not None
        [one] = psutil.Process(self.process.pid).children()
        return one

    def lose_power(self) -> None:
        """Kill all at once, while no word of it reaches the servers: they go on waiting for an answer."""
        assert self.process is not None
        self.network.plug(self.name, out=True)
        self.first().kill()
        self.process.wait()

    def entering(self) -> list[str]:
        """Return what calls a command on the host."""
        return ["nsenter", "-t", str(self.first().pid), "--net", "--uts", "--pid", "--mount"]

    @contextmanager
    def unplugged(self, seconds: float) -> Iterator[None]:
        """Have the cable out for the block, so long at least."""
        self.network.plug(self.name, out=True)
        ends = time.monotonic() + seconds
        try:
            yield
        finally:
            time.sleep(max(0.0, ends - time.monotonic()))
            self.network.plug(self.name, out=False)

    def end(self) -> None:
        """Stop it if it runs, and remove what it keeps."""
        if self.process is not None and self.process.poll() is None:
            with suppress(psutil.Error, ValueError):
                self.first().kill()
            self.process.wait()
        super().end()
