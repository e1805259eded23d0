"""Three hosts and their servers, as docs/operations.md has them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

from mrilu.queues.ledgers import ledgers
from mrilu.runtime.database import database, disconnect
from mrilu.settings.current import forget_settings, use_settings
from mrilu.settings.load import load
from tests.acceptance.conftest import open_folder
from tests.external import debian_postgresql, folder_for_all, redis_server
from tests.factories import make_maildir
from tests.hosts.network import NET, Host, Network

ROLES = {
    "alpha": "watcher,mail,default,notify,scheduler",
    "beta": "mail,default,notify,scheduler",
    "gamma": "web,embed",
}


@dataclass
class Hosts:
    """The hosts by name, the Maildir that they share, and ways to the servers that no cable is in."""

    by_name: dict[str, Host]
    maildir: Path
    database_url: str
    redis_url: str

    def __getitem__(self, name: str) -> Host:
        """Return the host of this name."""
        return self.by_name[name]

    def link(self) -> psycopg.Connection[Any]:
        """Return a connection of its own to the database."""
        return psycopg.connect(self.database_url)

    def redis(self) -> redis.Redis:
        """Return a client of its own."""
        return redis.Redis.from_url(self.redis_url)

    def is_level(self) -> bool:
        """Tell whether each file of the Maildir is accounted for, and nothing waits."""
        database()
        facts = ledgers()
        return bool(facts) and all(
            one["level"] and not one["gap"] and not one["waiting"] for one in facts
        )


@contextmanager
def three_hosts() -> Iterator[Hosts]:
    """Start the servers and the hosts; skips where that is not possible."""
    network = Network()
    network.begin()
    try:
        with open_folder() as place, folder_for_all() as folder, ExitStack() as stack:
            yield stack.enter_context(_started(network, place, folder))
    finally:
        network.end()


@contextmanager
def _started(network: Network, place: Path, folder: Path) -> Iterator[Hosts]:
    socket, here = folder / "redis.sock", network.servers
    with ExitStack() as stack:
        port = stack.enter_context(debian_postgresql(folder, host=here))
        options = ["--appendonly", "yes", "--unixsocket", str(socket), "--protected-mode", "no"]
        redis_port = stack.enter_context(redis_server(folder, *options, host=here))
        maildir = make_maildir(place / "Maildir")
        common = {
            "DATABASE_URL": f"postgresql://mrilu@{NET}.1:{port}/mrilu",
            "REDIS_URL": f"redis://{NET}.1:{redis_port}/0",
            "MAILDIR_PATH": f"test={maildir}",
            "WEB_ADDRESS": "127.0.0.1:8025",
            "EMBEDDINGS": "off",
            "BATCH_SIZE": "20",
            "MAIL_WORKERS": "2",
        }
        hosts = {}
        for name, roles in ROLES.items():
            hosts[name] = Host(network, name, place / name, common | {"ROLES": roles})
            stack.callback(hosts[name].end)
            hosts[name].launch()
        for one in hosts.values():
            one.wait_until_up()
        own = f"postgresql://mrilu@/mrilu?host={folder}&port={port}"
        ways = {"DATABASE_URL": own, "REDIS_URL": f"unix://{socket}"}
        use_settings(load(ways | {"DATA_DIR": str(place / "own")}))
        stack.callback(forget_settings)
        stack.callback(disconnect)
        yield Hosts(hosts, maildir, own, f"unix://{socket}")


@pytest.fixture(scope="package")
def running_hosts() -> Iterator[Hosts]:
    """The hosts, shared by the tests of this folder; each leaves them running, and level."""
    with three_hosts() as hosts:
        yield hosts
