"""DATABASE_URL in each of its forms, with the distribution's PostgreSQL and PgBouncer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

import models
from mrilu import migrations
from mrilu.cli import backups
from mrilu.service import checks
from mrilu.service.account import ServerError
from mrilu.settings.load import load
from tests.external import (
    Certificates,
    account,
    debian_postgresql,
    folder_for_all,
    free_port,
    make_certificates,
    program,
    running,
    wait_for_port,
)

ODD = "p@ss/w#r?d+ %41 ünï:&="


@pytest.fixture(scope="module")
def certificates() -> Iterator[Certificates]:
    with folder_for_all() as folder:
        yield make_certificates(folder)


@pytest.fixture(scope="module")
def secured(certificates: Certificates) -> Iterator[int]:
    """The port of a PostgreSQL that takes connections over TLS with a password alone."""
    with (
        folder_for_all() as folder,
        debian_postgresql(folder, password=ODD, tls=certificates) as port,
    ):
        yield port


def url_of(port: int, ca: Path, mode: str = "verify-full") -> str:
    return (
        f"postgresql://mrilu:{quote(ODD, safe='')}@localhost:{port}/mrilu"
        f"?sslmode={mode}&sslrootcert={ca}&hostaddr=127.0.0.1"
    )


def test_tls_and_a_password_of_any_characters(
    secured: int, certificates: Certificates, tmp_path: Path
) -> None:
    url = str(load({"DATABASE_URL": url_of(secured, certificates.ca)}).database_url)
    checks.usable_database(url)
    migrations.apply(models.bind(url))
    with models.db.connection_context():
        asked = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        assert models.db.execute_sql(asked).fetchone() == (True,)
    settings = replace(load({}), database_url=url, data_dir=tmp_path / "data")
    backups.save(settings, tmp_path / "backup")
    backups.put_back(settings, tmp_path / "backup")
    assert "0001_archive" in backups.schema_of(settings, tmp_path / "backup")


@pytest.mark.parametrize("mode", ["stranger", "disable", "password"])
def test_what_cannot_be_trusted_is_one_line_without_the_password(
    secured: int, certificates: Certificates, mode: str
) -> None:
    url = {
        "stranger": url_of(secured, certificates.stranger),
        "disable": url_of(secured, certificates.ca, "disable"),
        "password": url_of(secured, certificates.ca).replace("p%40ss", "p%40SS"),
    }[mode]
    with pytest.raises(ServerError, match="DATABASE_URL: cannot connect") as raised:
        checks.usable_database(url)
    assert "w#r" not in str(raised.value) and "w%23r" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_pg_dump_is_given_all_that_the_url_says(tmp_path: Path) -> None:
    url = "postgresql://u:p@h:1/d?sslmode=verify-full&sslrootcert=/ca&channel_binding=require&options=-c%20jit%3Doff"
    environ = backups._environment(replace(load({}), database_url=url))
    assert environ["PGSSLMODE"] == "verify-full" and environ["PGSSLROOTCERT"] == "/ca"
    assert environ["PGCHANNELBINDING"] == "require" and environ["PGOPTIONS"] == "-c jit=off"
    assert environ["PGPASSWORD"] == "p"


@pytest.fixture(params=["refuses", "drops", "hidden"])
def pooled(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a PgBouncer in transaction mode.

    It refuses our sessions' settings, or leaves them out; or the database has them already, so that nothing is missed.
    """
    with folder_for_all() as folder, debian_postgresql(folder) as port:
        url = f"postgresql://mrilu@127.0.0.1:{port}/mrilu"
        if request.param == "hidden":
            with psycopg.connect(url) as link:
                link.execute(
                    f"ALTER ROLE mrilu SET idle_in_transaction_session_timeout = '{models.IDLE_IN_TRANSACTION}'"
                )
        yield from _pgbouncer(folder, port, ignores=request.param != "refuses")


def _pgbouncer(folder: Path, port: int, *, ignores: bool) -> Iterator[str]:
    own = free_port()
    (folder / "users").write_text('"mrilu" ""\n')
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\nmrilu = host=127.0.0.1 port={port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {own}\n"
        f"unix_socket_dir =\nauth_type = trust\nauth_file = {folder}/users\npool_mode = transaction\n"
        f"ignore_startup_parameters = extra_float_digits{',options' if ignores else ''}\n"
    )
    command = [program("pgbouncer"), str(folder / "pgbouncer.ini")]
    with running(command, folder / "pgbouncer.log", account()):
        wait_for_port(own, folder / "pgbouncer.log")
        yield f"postgresql://mrilu@127.0.0.1:{own}/mrilu"


def test_pgbouncer_is_told_in_one_line(pooled: str) -> None:
    with pytest.raises(ServerError, match="connection pooler such as PgBouncer") as raised:
        checks.usable_database(pooled)
    assert "\n" not in str(raised.value)
