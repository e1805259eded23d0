"""Errors of an installation that more than one program reports, and how any error is told in a line."""

from __future__ import annotations


class NotConfigured(RuntimeError):
    """DATABASE_URL and REDIS_URL are not set: start the service, then use eval "$(./run.sh env)"."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


def first_line(error: BaseException) -> str:
    """Return the first line of what an error says, or its name where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
