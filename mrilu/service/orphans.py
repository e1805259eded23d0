"""What a killed supervisor left running: found by its own marks, stopped before a new start."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable
from pathlib import Path

import psutil

MARK = (
    "MRILU_INSTANCE"  # in the environment of every program of ours: the data folder it belongs to
)
_ARGUMENT = (
    "--instance="  # and on the command line of each: memory and environment are closed to others
)
PROGRAM_SECONDS, SERVER_SECONDS = 3.0, 15.0
_SERVERS = {"postgres", "valkey-server"}


def mark(data: Path) -> str:
    """Return the argument that tells the programs of this data folder from others."""
    return f"{_ARGUMENT}{data}"


def left_running(data: Path, server_paths: Iterable[Path]) -> list[psutil.Process]:
    """Return this instance's processes; another instance's, and strangers with a recycled pid, are not among them."""
    marks = [str(path) for path in server_paths]
    return [process for process in psutil.process_iter() if _is_ours(process, str(data), marks)]


def _is_ours(process: psutil.Process, data: str, server_marks: list[str]) -> bool:
    if process.pid == psutil.Process().pid:
        return False
    try:
        if _is_server(process):
            # a server's environment is closed to root without CAP_SYS_PTRACE, its command line is not
            line = " ".join(process.cmdline())
            return any(mark in line for mark in server_marks) or _is_orphan(process, server_marks)
        return f"{_ARGUMENT}{data}" in process.cmdline() or process.environ().get(MARK) == data
    except (psutil.Error, OSError):
        return False


def _is_orphan(process: psutil.Process, server_marks: list[str]) -> bool:
    """Tell whether this is a PostgreSQL backend, which runs in its cluster's folder, without its postmaster.

    Mostly it ends by itself; not while it waits for a lock of another backend that was killed, and then it keeps
    the shared memory, so that no new postmaster starts.
    """
    parent = process.parent()
    if parent is not None and parent.name() == "postgres":
        return False
    return process.cwd() in map(os.path.realpath, server_marks)


def kill_orphans(server_paths: Iterable[Path]) -> int:
    """Kill the backends that outlived their postmaster, which keep the next one from starting; return how many."""
    marks = [str(path) for path in server_paths]
    killed = 0
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if _is_backend(process) and _is_orphan(process, marks):
                process.kill()
                killed += 1
    return killed


def _is_backend(process: psutil.Process) -> bool:
    """Tell whether this is a child of a postmaster, by the title that it gives itself."""
    return process.name() == "postgres" and " ".join(process.cmdline()).startswith("postgres: ")


def _is_server(process: psutil.Process) -> bool:
    return process.name() in _SERVERS


def stop_all(processes: list[psutil.Process], patience: float = PROGRAM_SECONDS) -> None:
    """Stop our programs, which have `patience` seconds, then the servers; kill what does not end in time."""
    servers = [process for process in processes if _named_server(process)]
    programs = [process for process in processes if process not in servers]
    for group, seconds in ((programs, patience), (servers, SERVER_SECONDS)):
        for process in group:
            _signal(process)
        alive = _wait(group, seconds)
        for process in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        _wait(alive, 2)


def _wait(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Return which of these still run when all have ended, or after so many seconds.

    A zombie has ended: where process 1 is none that buries, as in many containers, it stays for good.
    """
    deadline = time.monotonic() + seconds
    while (alive := [one for one in processes if _runs(one)]) and time.monotonic() < deadline:
        time.sleep(0.02)
    return alive


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _named_server(process: psutil.Process) -> bool:
    try:
        return _is_server(process)
    except psutil.Error:
        return False


def _signal(process: psutil.Process) -> None:
    try:
        if _is_backend(process):  # an orphan is past asking
            process.kill()
        elif process.name() == "postgres":  # its fast shutdown
            process.send_signal(psutil.signal.SIGINT)
        else:
            process.terminate()
    except psutil.Error:
        return
