"""Servers that are not ours, as a distribution installs them: PostgreSQL, Redis, with TLS and passwords."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

DEADLINE = 20.0


def free_port() -> int:
    """Return a port of 127.0.0.1 that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def program(*names: str) -> str:
    """Return the path of the first of these programs that there is, or skip the test."""
    places = [*sorted(Path("/usr/lib/postgresql").glob("*/bin")), "/usr/sbin", "/usr/bin"]
    for name in names:
        found = shutil.which(name, path=os.pathsep.join(map(str, places))) or shutil.which(name)
        if found:
            return found
    pytest.skip(f"{' or '.join(names)} is not installed")


def account() -> str | None:
    """Return whom a server is to be that refuses to be root."""
    if os.geteuid():
        return None
    known = {one.pw_name for one in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in known)


@contextmanager
def folder_for_all() -> Iterator[Path]:
    """A short folder that the servers' account may write to."""
    made = Path(tempfile.mkdtemp(prefix="mrilu-ext-", dir="/tmp"))
    made.chmod(0o755)
    if user := account():
        shutil.chown(made, user)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


@dataclass(frozen=True)
class Certificates:
    """A made authority, and the certificate of localhost that it signed (a stranger's authority signed none)."""

    ca: Path
    stranger: Path
    cert: Path
    key: Path


def make_certificates(folder: Path) -> Certificates:
    """Make an authority, a stranger to it, and a certificate for localhost and 127.0.0.1."""
    openssl = program("openssl")

    def run(*arguments: str) -> None:
        subprocess.run([openssl, *arguments], cwd=folder, check=True, capture_output=True)

    fresh = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    for name in ("ca", "stranger"):
        run("req", "-x509", *fresh, "-subj", f"/CN={name}", "-days", "2",
            "-keyout", f"{name}.key", "-out", f"{name}.pem")  # fmt: skip
    run("req", *fresh, "-subj", "/CN=localhost", "-keyout", "server.key", "-out", "server.csr")
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    run("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
        "-days", "2", "-extfile", "names", "-out", "server.pem")  # fmt: skip
    for path in folder.iterdir():
        path.chmod(0o600 if path.suffix == ".key" else 0o644)
        if (user := account()) and path.is_file():
            shutil.chown(path, user)
    return Certificates(*(folder / f"{name}" for name in
                          ("ca.pem", "stranger.pem", "server.pem", "server.key")))  # fmt: skip


@contextmanager
def running(
    command: list[str], log: Path, user: str | None, environ: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the end of the block."""
    with open(log, "wb") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            cwd="/",
            user=user,
            env=environ,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@dataclass(frozen=True)
class Where:
    """The host that a server runs on: its address, who may connect, and what starts a program there as root."""

    address: str
    clients: str
    launcher: tuple[str, ...] = ()

    def started(
        self, command: list[str], user: str | None, log: Path
    ) -> tuple[list[str], Path, str | None]:
        """Return the arguments of `running` for a server of `user`'s on this host."""
        if not self.launcher:
            return command, log, user
        become = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"] if user else []
        return [*self.launcher, *become, *command], log, None


HERE = Where("127.0.0.1", "127.0.0.1/32")


@contextmanager
def debian_postgresql(
    folder: Path,
    *,
    password: str = "",
    tls: Certificates | None = None,
    host: Where = HERE,
    binaries: Path | None = None,
) -> Iterator[int]:
    """Run the distribution's PostgreSQL with the database mrilu; yields its port. Its socket is in `folder`.

    The role mrilu is its superuser. With a password, who connects over TCP has to give it; over TLS alone, if given.
    `binaries` is the folder of another PostgreSQL's programs.
    """
    user, data, port = account(), folder / "pg", free_port()

    def named(name: str) -> str:
        return str(binaries / name) if binaries else program(name)

    subprocess.run(
        [named("initdb"), "-D", str(data), "-U", "mrilu", "-E", "UTF8", "--locale=C.UTF-8", "-N"],
        check=True, capture_output=True, user=user, cwd="/",
    )  # fmt: skip
    kind = "hostssl" if tls else "host"
    way = "scram-sha-256" if password else "trust"
    (data / "pg_hba.conf").write_text(f"local all all trust\n{kind} all all {host.clients} {way}\n")
    secure = (
        ["-c", "ssl=on", "-c", f"ssl_cert_file={tls.cert}", "-c", f"ssl_key_file={tls.key}"]
        if tls
        else []
    )
    command = [named("postgres"), "-D", str(data), "-p", str(port), "-k", str(folder),
               "-c", f"listen_addresses={host.address}", "-c", "fsync=off", *secure]  # fmt: skip
    own = f"host={folder} port={port} user=mrilu dbname=postgres"
    with running(*host.started(command, user, folder / "pg.log")):
        with connected(own, folder / "pg.log") as link:
            link.execute("CREATE DATABASE mrilu")
            if password:
                link.execute(
                    psycopg.sql.SQL("ALTER ROLE mrilu PASSWORD {}").format(
                        psycopg.sql.Literal(password)
                    )
                )
        yield port


def connected(conninfo: str, log: Path) -> psycopg.Connection:
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            return psycopg.connect(conninfo, autocommit=True)
        except psycopg.OperationalError:
            assert time.monotonic() < deadline, log.read_text()


@contextmanager
def redis_server(
    folder: Path, *options: str, name: str = "redis", host: Where = HERE
) -> Iterator[int]:
    """Run the distribution's Redis (or Valkey) in `folder`; yields its port (the TLS one, if any)."""
    port = free_port()
    place = folder / f"{name}-{port}"
    place.mkdir()
    plain = ["--port", "0", "--tls-port", str(port)] if "--tls-cert-file" in options else [
        "--port", str(port)]  # fmt: skip
    command = [program("redis-server", "valkey-server"), *plain, "--bind", host.address, "--save", "",
               "--dir", str(place), *options]  # fmt: skip
    with running(*host.started(command, None, place / "log")):
        if host is HERE:
            wait_for_port(port, place / "log")
        yield port


def wait_for_port(port: int, log: Path) -> None:
    """Wait until something listens."""
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert time.monotonic() < deadline, log.read_text()
