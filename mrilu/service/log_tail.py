"""What a server's log says of its end, and what to do about it."""

from __future__ import annotations

import re
from pathlib import Path

# PostgreSQL's lock of its folder (postmaster.pid) or of its socket; the next line names who holds it.
_LOCKED = re.compile(r'lock file "(?P<file>[^"]+)" already exists')
_HOLDER = re.compile(r"Is another (?:postmaster|postgres) \(PID (?P<pid>\d+)\)")


def last_words(log: Path) -> str:
    """Return the line of a log that most likely tells why its program ended."""
    lines = _tail(log)
    if lines is None:
        return "it left no log"
    telling = [line for line in lines if "FATAL" in line or "ERROR" in line]
    return (telling or lines or ["its log is empty"])[-1]


def advice(log: Path) -> str:
    """Return what a person can do about the end that a log tells of, after "; "; empty if we know of nothing."""
    lines = _tail(log) or []
    locked = next((found for line in reversed(lines) if (found := _LOCKED.search(line))), None)
    if locked is None or not _LOCKED.search(last_words(log)):
        return ""
    holder = next((found["pid"] for line in reversed(lines) if (found := _HOLDER.search(line))), "")
    who = f"process {holder}" if holder else "the process whose number is its first line"
    stop = f"`kill {holder}`" if holder else "kill"
    return f"; another PostgreSQL ({who}) uses it: stop that one ({stop}), or set DATA_DIR to another folder"


def _tail(log: Path) -> list[str] | None:
    try:
        return log.read_text(errors="replace").strip().splitlines()[-20:]
    except OSError:
        return None
