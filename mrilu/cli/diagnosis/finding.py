"""What a check found. Pure."""

from __future__ import annotations

from typing import NamedTuple

OK, WARNING, ERROR = "ok", "warning", "error"


class Finding(NamedTuple):
    """How it stands (ok, warning, error), what was found, and what to do about it ("" when all is well)."""

    level: str
    what: str
    advice: str = ""


def ok(what: str) -> Finding:
    """Return a finding of what is well."""
    return Finding(OK, what)


def warning(what: str, advice: str) -> Finding:
    """Return a finding of what works, and may not for long."""
    return Finding(WARNING, what, advice)


def error(what: str, advice: str) -> Finding:
    """Return a finding of what does not work."""
    return Finding(ERROR, what, advice)
