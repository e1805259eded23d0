"""Why a source is not taken; the data that is there stays."""

from __future__ import annotations

from mrilu.settings.secrets import masked


class SourceError(Exception):
    """A source could not be used; what was read from it before stays. Passwords in its URL are not told."""

    def __init__(self, told: str) -> None:
        super().__init__(masked(told))


class SourceUnreachable(SourceError, ConnectionError):
    """The server is away, slow or overloaded: a later try may succeed."""


class SourceRefused(SourceError):
    """What came is not what was asked for: an error page, a broken or implausible file."""


def refuse_shrink(what: str, before: int, kept: int, percent: int) -> None:
    """Raise SourceRefused when `what` keeps less than 100 - `percent` percent of its rows."""
    if (before - kept) * 100 > percent * before:
        raise SourceRefused(
            f"{what} would shrink from {before:,} to {kept:,} rows, by more than MAX_SHRINK ({percent}%): "
            "if that is right, run the job with --force"
        )
