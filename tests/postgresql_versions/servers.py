"""Where each version of PostgreSQL comes from: what is installed, our package, Debian's other releases."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mrilu.service.postgres import Cluster
from tests.external import connected, debian_postgresql, folder_for_all, free_port, running

INSTALLED = Path("/usr/lib/postgresql")
EMBEDDED = 18
DEBIAN = {17: "trixie"}  # the release that has it, with pgvector
MIRROR = "http://deb.debian.org/debian"
BOOTSTRAP_SECONDS = 900


class Unobtainable(Exception):
    """This version cannot be had here."""


@contextmanager
def server(version: int | Path, kept: Path) -> Iterator[str]:
    """Run a PostgreSQL of this version with the database mrilu, whose superuser is mrilu; yields its URL.

    A path is the folder of its programs.

    Other releases of Debian are put below `kept`. Raises Unobtainable.
    """
    here = version if isinstance(version, Path) else INSTALLED / str(version) / "bin"
    if isinstance(version, Path) or (here / "postgres").exists():
        with folder_for_all() as folder, debian_postgresql(folder, binaries=here) as port:
            yield f"postgresql://mrilu@127.0.0.1:{port}/mrilu"
    elif version == EMBEDDED:
        with folder_for_all() as folder, Cluster(folder / "pg", durable=False) as cluster:
            yield cluster.url
    else:
        with _of_debian(version, _system_of(version, kept)) as port:
            yield f"postgresql://mrilu@127.0.0.1:{port}/mrilu"


def _system_of(version: int, kept: Path) -> Path:
    """Return the folder of a Debian that has this version, made if need be."""
    if version not in DEBIAN:
        raise Unobtainable(f"it is not in {INSTALLED}, and in no release of Debian that we know")
    if os.geteuid() or not shutil.which("debootstrap"):
        raise Unobtainable(f"root and debootstrap get it from Debian ({DEBIAN[version]})")
    system = kept / DEBIAN[version]
    if not (system / "usr/lib/postgresql").exists():
        packages = f"postgresql-{version}-pgvector"
        command = ["debootstrap", "--variant=minbase", f"--include={packages}", DEBIAN[version]]
        done = subprocess.run(
            [*command, str(system), MIRROR],
            capture_output=True,
            text=True,
            timeout=BOOTSTRAP_SECONDS,
        )
        if done.returncode:
            shutil.rmtree(system, ignore_errors=True)
            raise Unobtainable(f"debootstrap: {done.stdout.strip().splitlines()[-1:]}")
    return system


@contextmanager
def _of_debian(version: int, system: Path) -> Iterator[int]:
    """Run that Debian's PostgreSQL inside of it; yields its port."""
    binaries, data, port = f"/usr/lib/postgresql/{version}/bin", "/var/tmp/mrilu", free_port()
    inside = ["chroot", "--userspec=postgres:postgres", str(system)]
    shutil.rmtree(system / data[1:], ignore_errors=True)
    options = ["-D", data, "-U", "mrilu", "-E", "UTF8", "--locale=C.UTF-8", "-N", "-A", "trust"]
    subprocess.run([*inside, f"{binaries}/initdb", *options], check=True, capture_output=True)
    command = [*inside, f"{binaries}/postgres", "-D", data, "-p", str(port), "-k", "/var/tmp"]
    log = system / "var/tmp/mrilu.log"
    with running([*command, "-c", "fsync=off"], log, None):
        _make_database(port, log)
        yield port


def _make_database(port: int, log: Path) -> None:
    with connected(f"host=127.0.0.1 port={port} user=mrilu dbname=postgres", log) as link:
        link.execute("CREATE DATABASE mrilu")
