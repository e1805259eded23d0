"""What must hold before a start: a usable data folder, room on the disk, servers of a known version."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import socket
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from mrilu.service.account import Account, ServerError
from mrilu.service.starting import StillStarting

if TYPE_CHECKING:
    import psycopg

LEAST_FREE = 512 * 1024**2
FULL = 32 * 1024**2  # less than this is the likely cause of whatever ends
LEAST_POSTGRESQL = 15  # NULLS NOT DISTINCT
LEAST_REDIS = (6, 2)
POOLED = (
    "DATABASE_URL: a connection pooler such as PgBouncer is in between, which keeps our sessions' settings from "
    "PostgreSQL: give the address of PostgreSQL itself"
)


def usable_folder(data: Path, account: Account) -> Path:
    """Make the data folder if need be and check that we can work in it; raises ServerError.

    It is closed to all but us and, if that is another, the account: that passes through, and lists nothing.
    """
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        (data / "log").mkdir(exist_ok=True, mode=0o700)
    except OSError as error:
        raise ServerError(f"DATA_DIR: cannot use {data}: {error.strerror}") from error
    found = data.stat()
    if found.st_uid != os.geteuid():
        raise ServerError(
            f"DATA_DIR: {data} belongs to user id {found.st_uid}: start as that user, or choose another folder"
        )
    if not os.access(data, os.R_OK | os.W_OK | os.X_OK):
        raise ServerError(
            f"DATA_DIR: {data} is not writable: chmod u+rwx it, or choose another folder"
        )
    _refuse_open(data, found)
    if account.drops:
        os.chown(data, -1, account.gid)
    data.chmod(0o710 if account.drops else 0o700)
    return data


def closed_to_others(data: Path, account: Account) -> None:
    """Raise ServerError for what someone else may have put into the data folder; close what others could read.

    The servers' and programs' own folders are looked at where they are made or taken over.
    """
    for folder in (data, data / "log"):
        for path in folder.iterdir():
            found = path.lstat()
            if stat.S_ISLNK(found.st_mode):  # such as a Maildir elsewhere: only we could make it
                continue
            _refuse_open(path, found)
            if stat.S_ISREG(found.st_mode):
                path.chmod(0o600)


def _refuse_open(path: Path, found: os.stat_result) -> None:
    if found.st_mode & 0o022:
        raise ServerError(
            f"DATA_DIR: others may write to {path} (mode {stat.S_IMODE(found.st_mode):04o}): look at what is there, "
            "then chmod go-w it"
        )


def enough_room(data: Path, least: int = LEAST_FREE) -> None:
    """Raise ServerError when the disk of the data folder is nearly full: a full one stops PostgreSQL in mid-write."""
    free = shutil.disk_usage(data).free
    if free < least:
        raise ServerError(
            f"DATA_DIR: only {free // 1024**2} MB free where {data} is, and {least // 1024**2} MB are needed: "
            "make room, or choose another disk"
        )


def only_one(data: Path) -> IO[str]:
    """Take the lock of this data folder while the returned file is open; raises ServerError when it is taken."""
    lock = open(data / "lock", "a+")  # noqa: SIM115 - open for the life of the service
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.seek(0)
        holder = lock.read().strip() or "unknown"
        lock.close()
        raise ServerError(
            f"mrilu already runs in {data} (process {holder}): `./run.sh status` shows it, Ctrl-C there stops it; "
            "for a second one set DATA_DIR"
        ) from error
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock


def usable_address(address: str) -> None:
    """Raise ServerError unless the web pages can listen on WEB_ADDRESS (HOST:PORT, or off)."""
    if address == "off":
        return
    host, _, port = address.rpartition(":")
    try:
        places = socket.getaddrinfo(
            host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        for family, kind, protocol, _, place in places:
            with socket.socket(family, kind, protocol) as trial:
                trial.setsockopt(
                    socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
                )  # as waitress does: TIME_WAIT is not a user
                trial.bind(place)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        reason = "another program listens there" if taken else error.strerror or str(error)
        stop = "stop it, or " if taken else ""
        raise ServerError(
            f"WEB_ADDRESS: cannot listen on {address}: {reason}: {stop}set WEB_ADDRESS to another HOST:PORT, "
            "or to off for no web pages"
        ) from error


def usable_database(url: str) -> None:
    """Raise ServerError unless DATABASE_URL leads to a PostgreSQL that is new enough and has contrib's extensions.

    StillStarting where one is there that takes no connections yet.
    """
    import psycopg

    from models import IDLE_IN_TRANSACTION, session_options

    options = session_options(url, statement_timeout=10) | {"connect_timeout": 5}
    try:
        with _connected(url, options) as link:
            version = link.info.server_version // 10000
            offered = link.execute("SELECT name FROM pg_available_extensions").fetchall()
            asked = "SHOW idle_in_transaction_session_timeout"
            limit = link.execute(asked).fetchone() if version >= LEAST_POSTGRESQL else None
            pooled = is_pooled(link)
    except (
        psycopg.ProgrammingError
    ) as error:  # libpq quotes what it cannot read: a piece of the password
        raise ServerError(
            "DATABASE_URL: no URL that PostgreSQL's library can read: escape what stands in its user name and "
            "password (%40 for @, %2F for /, %23 for #, %25 for %)"
        ) from error
    except psycopg.Error as error:
        reason = reason_of(error)
        if "startup parameter" in reason:  # PgBouncer's word for options that it does not pass on
            raise ServerError(POOLED) from error
        if starts(url):
            raise StillStarting(f"DATABASE_URL: {reason}") from error
        raise ServerError(
            f"DATABASE_URL: cannot connect: {reason}; fix it, or unset it for the embedded one"
        ) from error
    if version < LEAST_POSTGRESQL:
        raise ServerError(
            f"DATABASE_URL: PostgreSQL {version} is too old, {LEAST_POSTGRESQL} or newer is needed"
        )
    # left out by a pooler with ignore_startup_parameters; the database may say the same by itself
    if pooled or limit != (IDLE_IN_TRANSACTION,):
        raise ServerError(POOLED)
    missing = {"pg_trgm", "unaccent"} - {name for (name,) in offered}
    if missing:
        raise ServerError(
            f"DATABASE_URL: that server lacks {', '.join(sorted(missing))}: install PostgreSQL's contrib there"
        )


def _connected(url: str, options: Mapping[str, Any]) -> psycopg.Connection:
    """Connect; once more if the first try was cut off, as by what is left of a connection of before a loss of power."""
    import psycopg

    try:
        return psycopg.connect(url, **options)
    except psycopg.OperationalError as error:
        if "closed the connection unexpectedly" not in str(error):
            raise
    return psycopg.connect(url, **options)


def starts(url: str) -> bool:
    """Tell whether PostgreSQL runs there and takes no connections yet (or no more): it may be replaying its log."""
    from psycopg import conninfo, pq

    asked = conninfo.make_conninfo(url, connect_timeout=5).encode()
    return pq.PGconn.ping(asked) == pq.Ping.REJECT


def is_pooled(link: psycopg.Connection) -> bool:
    """Tell whether a pooler is in between: PostgreSQL tells each session its process, PgBouncer a number of its own."""
    return link.execute("SELECT pg_backend_pid()").fetchone() != (link.info.backend_pid,)


def reason_of(error: Exception) -> str:
    """Return the last line of a libpq error that is not a hint: of several hosts that one which was tried last."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if not line[0].isspace()] or lines or [type(error).__name__]
    return telling[-1].strip()


def usable_redis(url: str) -> list[str]:
    """Return what to mind of REDIS_URL's server; raise ServerError unless it is new enough for RQ.

    StillStarting while it reads its file.
    """
    import redis

    from mrilu.runtime.redis_url import RedisClient

    try:
        with RedisClient.from_url(url, socket_connect_timeout=5, socket_timeout=5) as link:
            facts: Any = link.info()
    except redis.AuthenticationError as error:
        raise ServerError(
            "REDIS_URL: that server wants a (another) password: redis://:PASSWORD@HOST/0"
        ) from error
    except redis.BusyLoadingError as error:
        raise StillStarting(f"REDIS_URL: {error}") from error
    except (redis.RedisError, ValueError, OSError) as error:
        raise ServerError(
            f"REDIS_URL: cannot connect: {error}; fix it, or unset it for the embedded one"
        ) from error
    version = str(facts["redis_version"])  # Valkey tells the Redis version that it speaks here
    if tuple(int(part) for part in version.split(".")[:2]) < LEAST_REDIS:
        raise ServerError(f"REDIS_URL: version {version} is too old, 6.2 or newer is needed")
    told = (forgets(facts), forgets_at_restart(facts))
    return [f"REDIS_URL: {reason}" for reason in told if reason]


def forgets(facts: Mapping[str, Any]) -> str:
    """Return how a Redis (`facts`: its INFO) drops work when its memory is full, with what to do; "" if it does not."""
    policy = str(facts.get("maxmemory_policy") or "noeviction")
    if policy == "noeviction" or not int(facts.get("maxmemory") or 0):
        return ""
    return (
        f"that server drops keys when its memory is full (maxmemory-policy {policy}): "
        "CONFIG SET maxmemory-policy noeviction"
    )


def forgets_at_restart(facts: Mapping[str, Any]) -> str:
    """Return what is lost at a restart of a Redis (`facts`: its INFO) that keeps no append-only file; "" if nothing."""
    if int(facts.get("aof_enabled") or 0):
        return ""
    return (
        "it keeps no append-only file: a restart forgets what waits until the next scan finds it again: "
        "CONFIG SET appendonly yes"
    )
