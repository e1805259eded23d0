"""One service: its data folder, its servers and where they are reached."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from mrilu.service.account import Account, ServerError, server_account
from mrilu.service.orphans import MARK
from mrilu.service.placement import (
    ourselves,
    program_folder,
    readable_folder,
    server_folder,
    socket_folder,
)
from mrilu.service.postgres import Cluster, embedded_binaries
from mrilu.service.programs import Place, ServerProgram
from mrilu.service.requirements import InstallError
from mrilu.service.valkey import Server
from mrilu.service.venv_place import publish
from mrilu.settings.table import PROJECT, Settings

PROGRAMS_OWN = ("home", "reading", "downloads")  # folders below DATA_DIR that our programs write in
UNPACKED = "unpacked"  # folder below DATA_DIR that `import` writes in, and our programs read
NOTE = "service.json"  # where the embedded servers are, for `status` and the like


@dataclass(frozen=True)
class Instance:
    """The parts of a service; a server that is elsewhere (DATABASE_URL, REDIS_URL) is None."""

    settings: Settings
    account: Account
    control: Path
    cluster: Cluster | None
    valkey: Server | None
    place: Place = Place(PROJECT, PROJECT, Path(sys.executable))

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.settings.data_dir

    @property
    def reached(self) -> Settings:
        """The settings with the URLs of the servers in use."""
        return replace(
            self.settings,
            database_url=self.cluster.url if self.cluster else self.settings.database_url,
            redis_url=self.valkey.url if self.valkey else self.settings.redis_url,
        )

    def server_programs(self) -> Iterator[ServerProgram]:
        """The embedded servers for supervisor; PostgreSQL's SIGINT is its fast shutdown."""
        if self.cluster:
            yield ServerProgram("postgresql", self.cluster.command(), "INT", 20, 10)
        if self.valkey:
            yield ServerProgram("valkey", self.valkey.command(), "TERM", 10, 11)

    def server_marks(self) -> list[Path]:
        """What the command lines of this instance's servers, and of no others, contain."""
        marks = [self.cluster.data] if self.cluster else []
        return [*marks, self.valkey.socket] if self.valkey else marks

    def disks(self) -> list[Path]:
        """The folders whose disks must have room."""
        return [self.data, *(server.folder for server in (self.cluster, self.valkey) if server)]

    def places(self) -> list[tuple[str, str]]:
        """What a person wants to find: (name, path or URL)."""
        found = [
            ("data", str(self.data)),
            ("logs", str(self.data / "log")),
            ("control", str(self.control)),
        ]
        if self.cluster:
            found += [("PostgreSQL", str(self.cluster.data)), ("", self.cluster.url)]
        if self.valkey:
            found += [("Valkey", str(self.valkey.folder)), ("", self.valkey.url)]
        return found

    def environment(self) -> dict[str, str]:
        """The environment of supervisor: the caller's, the embedded servers' URLs, and where our code is.

        A secret that is given by file stays in it: each program that needs it reads the file at its start.
        """
        own = {"DATA_DIR": str(self.data), "PYTHONPATH": str(self.place.code), MARK: str(self.data)}
        if self.settings.roles:  # chosen by --only, perhaps
            own["ROLES"] = ",".join(self.settings.roles)
        overruling = set()
        if self.cluster:
            own["DATABASE_URL"] = self.cluster.url
            overruling.add("DATABASE_URL_FILE")
        if self.valkey:
            own |= {"REDIS_URL": self.valkey.url, "RQ_REDIS_URL": self.valkey.url}
            overruling.add("REDIS_URL_FILE")
        inherited = {key: value for key, value in os.environ.items() if key not in overruling}
        return inherited | own

    def note(self) -> None:
        """Write down where the embedded servers are. Secrets of other servers stay in the environment."""
        known = {
            "DATABASE_URL": self.cluster.url if self.cluster else "",
            "REDIS_URL": self.valkey.url if self.valkey else "",
            "control": str(self.control),
            "account": self.account.name if self.account.drops else "",
            "binaries": str(self.cluster.binaries) if self.cluster else "",
            "roles": ",".join(self.settings.roles),
        }
        partial = self.data / f"{NOTE}.new"
        partial.write_text(json.dumps(known))
        partial.replace(self.data / NOTE)


def of(settings: Settings) -> Instance:
    """Lay out the service of these settings: make its folders, start nothing. Raises ServerError."""
    account = server_account(settings.server_user)
    data = settings.data_dir
    place = _place(account)
    if account.drops:
        for name in PROGRAMS_OWN:
            program_folder(data, name, account)
        readable_folder(data, UNPACKED, account)
    control = socket_folder(data / "control", ourselves()) / "supervisor.sock"
    cluster = valkey = None
    if not settings.database_url:
        binaries = embedded_binaries(account, settings.postgres_bin)
        folder = server_folder(data, "postgresql", account)
        cluster = Cluster(
            folder, account=account, binaries=binaries, sockets=socket_folder(data / "pg", account)
        )
    if not settings.redis_url:
        folder = server_folder(data, "valkey", account)
        valkey = Server(folder, account=account, sockets=socket_folder(data / "vk", account))
    return Instance(settings, account, control, cluster, valkey, place)


def _place(account: Account) -> Place:
    """Return where the account finds our code and our Python; raises ServerError."""
    python = Path(sys.prefix).resolve() / "bin" / "python"
    if not account.drops:
        return Place(PROJECT, PROJECT, Path(sys.executable))
    if not account.reaches(python):
        raise ServerError(
            f"the account {account.name} (SERVER_USER) cannot run {python}: start with ./run.sh, which sees to that"
        )
    try:
        return Place(PROJECT, publish(PROJECT), python)
    except (InstallError, OSError) as error:
        raise ServerError(str(error)) from error


def noted(data: Path) -> dict[str, str]:
    """Return what the last start wrote down; empty before the first."""
    try:
        return dict(json.loads((data / NOTE).read_text()))
    except (OSError, ValueError):
        return {}


def account_of(settings: Settings) -> Account:
    """Return whom the programs of the service run as: ourselves, if root did not start it; raises ServerError."""
    name = noted(settings.data_dir).get("account")
    return server_account(name) if name else ourselves()


def urls(database: str, redis: str) -> dict[str, str]:
    """The variables by which our programs, psql users and RQ's tools find the servers."""
    return {"DATABASE_URL": database, "REDIS_URL": redis, "RQ_REDIS_URL": redis}


def environment_of(settings: Settings) -> dict[str, str]:
    """Return what a shell needs of the service in the data folder: URLs, DATA_DIR, SERVER_USER, PATH with rq and psql.

    Raises ServerError when it was never started here.
    """
    known = noted(settings.data_dir)
    database = settings.database_url or _noted_url(known, "DATABASE_URL", settings)
    redis = settings.redis_url or _noted_url(known, "REDIS_URL", settings)
    folders = [
        str(Path(sys.prefix).resolve() / "bin"),
        known.get("binaries", ""),
        *os.environ.get("PATH", "").split(os.pathsep),
    ]
    own = {"DATA_DIR": str(settings.data_dir.resolve())}
    if known.get("account"):
        own["SERVER_USER"] = known["account"]
    return (
        urls(database, redis)
        | own
        | {"PATH": os.pathsep.join(dict.fromkeys(filter(None, folders)))}
    )


def _noted_url(known: dict[str, str], variable: str, settings: Settings) -> str:
    if not known:
        raise ServerError(
            f"the service was never started in {settings.data_dir}: run ./run.sh first"
        )
    if not known.get(variable):
        raise ServerError(
            f"{variable} is unset here, and was set when the service was started: set it to the same"
        )
    return known[variable]
