"""Errors of an installation that more than one program reports."""

from __future__ import annotations


class NotConfigured(RuntimeError):
    """DATABASE_URL and REDIS_URL are not set: start the service, then use eval "$(./run.sh env)"."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)
