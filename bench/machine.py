"""The facts about a machine that a number is worth nothing without."""

import os
import platform
import sqlite3
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path


def machine_facts(versions: Mapping[str, str] | None = None) -> dict[str, str]:
    """CPU, cores, memory, load, kernel, Python and SQLite, with the `versions` of the contenders appended."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": f"{_proc_field('/proc/cpuinfo', 'model name')}, {len(os.sched_getaffinity(0))} cores",
        "memory": _proc_field("/proc/meminfo", "MemTotal"),
        "load": " ".join(f"{load:.2f}" for load in os.getloadavg()),
        "system": f"{_proc_field('/etc/os-release', 'PRETTY_NAME', '=')}, Linux {platform.release()}",
        "python": f"{platform.python_version()}, SQLite {sqlite3.sqlite_version}",
        **(versions or {}),
    }


def _proc_field(path: str, field: str, separator: str = ":") -> str:
    """The value of the first `field` in a file of such lines, or "unknown"."""
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return "unknown"
    values = (
        line.partition(separator)[2].strip(' \t"') for line in lines if line.startswith(field)
    )
    return next(values, "unknown")


def debian_versions(packages: list[str]) -> dict[str, str]:
    """The installed versions of Debian packages; empty on systems without dpkg."""
    command = ["dpkg-query", "--show", "--showformat=${Package} ${Version}\\n", *packages]
    try:
        shown = subprocess.run(command, capture_output=True, text=True).stdout
    except FileNotFoundError:
        return {}
    return dict(line.split(" ", 1) for line in shown.splitlines() if line.split(" ", 1)[1])
