"""What tells one process from all others, now and later: host, boot, PID namespace, number and start time."""

from __future__ import annotations

import os
import socket
from functools import lru_cache
from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
NAMESPACE = Path("/proc/self/ns/pid")  # a link such as pid:[4026531836] (namespaces(7))


@lru_cache(maxsize=1)
def _boot() -> str:
    try:
        return BOOT_ID.read_text().strip()[:8]
    except OSError:
        return ""


@lru_cache(maxsize=1)
def _namespace() -> str:
    try:
        return "".join(filter(str.isdigit, os.readlink(NAMESPACE)))
    except OSError:
        return ""


def this_process() -> str:
    """Return host@boot-namespace:pid:start, the start in clock ticks after the boot (proc(5), field 22 of stat)."""
    place = f"{socket.gethostname()}@{_boot()}-{_namespace()}"
    return f"{place}:{os.getpid()}:{start_of(os.getpid())}"


def start_of(pid: int) -> str:
    """Return when a process started, "" when it is gone, a zombie, or cannot be looked at."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if state in "ZX" else fields[18]


def is_stopped(process: str) -> bool:
    """Tell whether the process that `this_process` named runs here and is stopped: by SIGSTOP, or a debugger."""
    if not is_running(process):
        return False
    try:
        stat = Path(f"/proc/{process.rsplit(':', 2)[1]}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] in "Tt"


def is_running(process: str) -> bool | None:
    """Tell whether the process that `this_process` named runs; None when we cannot see: on another host.

    A number alone may be another process's by now; so may number and start after a reboot. A container has
    numbers of its own, even where it has our host's name.
    """
    place, pid, start = process.rsplit(":", 2)
    host, _, mark = place.partition("@")
    boot, _, namespace = mark.partition("-")
    if host != socket.gethostname() or not start:
        return None
    if boot and boot != _boot():
        return False
    if namespace and namespace != _namespace():
        return None
    return start_of(int(pid)) == start
