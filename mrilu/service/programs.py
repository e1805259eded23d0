"""What runs under supervisor: one table of our programs, and the configuration made from it."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mrilu.service.account import Account, ServerError, bare_environment
from mrilu.service.orphans import mark
from mrilu.service.program import withheld
from mrilu.settings.roles import ROLES, SERVES, parts_of

APP = "app"  # the group that starts when the servers are ready, and stops before them
WARM_SECONDS = (
    5  # a worker's time to finish its job at a stop; the ledger heals what it could not finish
)

SHIM = "mrilu.service.program"  # what runs each of our programs
_MAIL = "-w jobs.workers.MailWorker"
_RQ, _SIMPLE, _QUIET = "-m rq.cli", "-w rq.worker.SimpleWorker", "--logging_level WARNING"


@dataclass(frozen=True)
class Program:
    """One of our programs: what it runs (Python's arguments), the module it waits to exist, whether it drops root.

    `role` is the role that it goes with, and whose secrets it gets, where that is not its name.
    """

    name: str
    arguments: str
    role: str = ""
    needs: str = ""
    restart: str = "true"
    environment: str = ""
    nice: int = 0
    drops: bool = True


# In the order in which they start: each takes a core for half a second, and mail waits for the first two.
PROGRAMS = (
    Program("watcher", "-m watcher", needs="watcher/__main__.py"),
    # SimpleWorker: no fork for each job, so 2 ms instead of 8 from the queue to the job's first line
    Program(
        "mail",
        f"{_RQ} worker-pool mail -P {{code}} -n {{mail_workers}} {_MAIL} -S json -l WARNING",
    ),
    Program(
        "default",
        f"{_RQ} worker default -P {{code}} -S json --with-scheduler {_QUIET}",
        nice=5,  # a reader waits for a page, and nobody for the links of quotations
    ),
    Program(
        "long",
        f"{_RQ} worker long -P {{code}} -S json --with-scheduler {_QUIET}",
        role=SERVES["long"],
        nice=10,
    ),
    Program("notify", f"{_RQ} worker notify -P {{code}} -S json --with-scheduler {_QUIET}"),
    # the model is loaded once and kept; a fork after that can hang. It takes all cores for minutes: mail goes first
    Program("embed", f"{_RQ} worker embed -P {{code}} {_SIMPLE} -S json {_QUIET}", nice=10),
    # cron times are in the process's zone, and an hourly job can wait two hours when daylight saving ends
    Program("scheduler", "-m jobs.schedule", needs="jobs/schedule.py", environment="TZ=UTC"),
    Program("web", "-m mrilu.web", needs="mrilu/web/__main__.py"),
    # as root, if root started us: no one else may change what all run
    Program(
        "install",
        "{project}/mrilu/service/install.py background {progress}",
        restart="unexpected",
        drops=False,
    ),
)

_HEAD = """\
; Written at each start of ./run.sh from mrilu/service/programs.py: change that instead.
[supervisord]
nodaemon = true
silent = true
identifier = mrilu
logfile = {logs}/supervisord.log
logfile_maxbytes = 5MB
logfile_backups = 2
pidfile = {data}/supervisord.pid
childlogdir = {logs}
{user}
[unix_http_server]
file = {control}
chmod = 0700

[supervisorctl]
serverurl = unix://{control}

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
"""

_PROGRAM = """
[program:{name}]
command = {command}
directory = {directory}
autorestart = {restart}
startretries = 1000
startsecs = {startsecs}
stopsignal = {signal}
stopwaitsecs = {patience}
stopasgroup = false
killasgroup = true
redirect_stderr = true
stdout_logfile = {log}
stdout_logfile_maxbytes = 10MB
stdout_logfile_backups = 3
{more}
"""


@dataclass(frozen=True)
class ServerProgram:
    """An embedded server as supervisor runs it."""

    name: str
    command: Sequence[str]
    stop_signal: str
    patience: int
    priority: int


def wanted(
    project: Path, roles: Collection[str] = (), *, default_workers: int = 1
) -> list[Program]:
    """The programs that a host with these roles runs (no roles: all of them), if their module exists.

    The installer goes with the roles that have something to install in the background.
    """
    chosen = set(roles or ROLES) | ({"install"} if "heavy" in parts_of(roles) else set())
    rows = [row for row in PROGRAMS if (row.role or row.name) in chosen]
    there = [row for row in rows if not row.needs or (project / row.needs).exists()]
    numbers = {"default": default_workers}
    return [one for row in there for one in _times(row, numbers.get(row.name, 1))]


def _times(row: Program, number: int) -> list[Program]:
    """Return a program as often as it is to run: default, default-2, ...; a pool has no scheduler of retries."""
    more = (replace(row, name=f"{row.name}-{one}", role=row.name) for one in range(2, number + 1))
    return [row, *more]


@dataclass(frozen=True)
class Place:
    """Where our programs are: the project (the installer's), the code that all others run, the Python."""

    project: Path
    code: Path
    python: Path


def configuration(
    *,
    place: Place,
    data: Path,
    control: Path,
    servers: Sequence[ServerProgram],
    account: Account,
    programs: Sequence[Program],
    mail_workers: int,
    web_has_its_own: bool = False,
) -> str:
    """Return the text of supervisord.conf; raises ServerError for a path that its syntax cannot hold."""
    logs = data / "log"
    root = "user = root\n" if account.drops else ""
    head = _HEAD.format(logs=_value(logs), data=_value(data), control=_value(control), user=root)
    sections = [_server_section(server, logs, account) for server in servers]
    sections += [
        _program_section(
            row,
            _command(row, place, data, account, mail_workers),
            logs,
            withheld(row.role or row.name, web_has_its_own=web_has_its_own),
        )
        for row in programs
    ]
    names = ",".join(row.name for row in programs)
    group = f"\n[group:{APP}]\nprograms = {names}\npriority = 900\n" if names else ""
    return f"{head}{''.join(sections)}{group}"


def _server_section(server: ServerProgram, logs: Path, account: Account) -> str:
    # env -i: no PGDATA, locale or LD_PRELOAD of whoever started us
    clean = [f"{key}={value}" for key, value in bare_environment().items()]
    user = f"user = {account.name}" if account.drops else ""
    return _PROGRAM.format(
        name=server.name,
        command=_line(["/usr/bin/env", "-i", *clean, *server.command]),
        directory="/",
        restart="true",
        startsecs=1,
        signal=server.stop_signal,
        patience=server.patience,
        log=_twice(logs / f"{server.name}.log"),
        more=f"priority = {server.priority}\n{user}",
    )


def _program_section(
    row: Program, command: Sequence[str], logs: Path, withheld: Sequence[str]
) -> str:
    # the caller's folder is where relative settings such as MAILDIR_PATH begin
    changed = [*([row.environment] if row.environment else []), *(f'{one}=""' for one in withheld)]
    environment = f"\nenvironment = {','.join(changed)}" if changed else ""
    return _PROGRAM.format(
        name=row.name,
        command=_line(command),
        directory=_value(Path.cwd()),
        restart=row.restart,
        startsecs=0 if row.restart == "unexpected" else 1,
        signal="TERM",
        patience=WARM_SECONDS,
        log=_twice(logs / f"{row.name}.log"),
        more=f"autostart = false{environment}",
    )


def _command(
    row: Program, place: Place, data: Path, account: Account, mail_workers: int
) -> list[str]:
    values = {
        "mail_workers": mail_workers,
        "code": place.code,
        "project": place.project,
        "progress": data / "install.json",
    }
    nice = ["nice", "-n", str(row.nice)] if row.nice else []
    if row.drops:
        whom = account.name if account.drops else "-"
        front = [str(place.python), "-P", "-m", SHIM, mark(data), whom, row.role or row.name]
    else:
        front = [sys.executable, "-P"]
    return [*nice, *front, *(word.format(**values) for word in row.arguments.split())]


def _line(command: Sequence[str]) -> str:
    return _value(shlex.join(command))


def _twice(text: object) -> str:
    """Escape a program's log file, which supervisor expands twice."""
    return _value(text).replace("%", "%%")


def _value(text: object) -> str:
    """Escape for supervisor's configuration, which expands %(name)s and cuts a line at ` ;`."""
    shown = str(text)
    if " ;" in shown or "\n" in shown or "\r" in shown:
        raise ServerError(
            f"supervisor cannot take the path {shown!r}: move the project or set DATA_DIR"
        )
    return shown.replace("%", "%%")
