"""The environment of the programs that benchmarks start: the caller's, with what a run sets."""

from __future__ import annotations

import os


def caller_and(**more: object) -> dict[str, str]:
    """Return the caller's environment with these variables on top."""
    return {**os.environ, **{name: str(value) for name, value in more.items()}}


def path_of_caller() -> str:
    """Return where the caller's programs are looked for."""
    return os.environ["PATH"]
