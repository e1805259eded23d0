"""How long PostgreSQL may work on a search: a visitor's question is not to hold up the others'."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import psycopg
from peewee import PeeweeException, PostgresqlDatabase

# A statement is given what is left of the time, or at most this much more of it, which spares a round trip.
SLACK = 1.05
LIMIT = "SELECT set_config('statement_timeout', %s, false)"


class SearchTooSlow(Exception):
    """this search took longer than SEARCH_TIMEOUT ({seconds:g} s): ask for rarer words, or narrow it down"""

    def __init__(self, seconds: float) -> None:
        super().__init__(str(self.__doc__).format(seconds=seconds))


class _Deadline:
    """When a search has to be over, and what the server has been told of it."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds
        self._granted = 0.0

    def news(self) -> str | None:
        """Return the limit that the server must be told before the next statement, None for no other than before.

        Raises SearchTooSlow.
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise SearchTooSlow(self.seconds)
        if 0 < self._granted <= left * SLACK:
            return None
        self._granted = left
        return f"{max(1.0, left * 1000):.0f}ms"


class _TimedCursor(psycopg.Cursor[Any]):
    """A cursor that tells the server, before a statement, how much of the time is left."""

    def __init__(self, deadline: _Deadline, *arguments: Any, **facts: Any) -> None:
        super().__init__(*arguments, **facts)
        self._deadline = deadline

    def execute(self, *arguments: Any, **facts: Any) -> _TimedCursor:
        """Run one statement. Raises SearchTooSlow."""
        if limit := self._deadline.news():
            super().execute(LIMIT, (limit,))
        return super().execute(*arguments, **facts)


@contextmanager
def within(db: PostgresqlDatabase, seconds: float) -> Iterator[None]:
    """Let PostgreSQL end the statements of the block when all of it has taken so long; raises SearchTooSlow then."""
    connection = db.connection()
    usual = connection.cursor_factory
    connection.cursor_factory = partial(_TimedCursor, _Deadline(seconds))
    try:
        yield
    except (psycopg.errors.QueryCanceled, PeeweeException) as error:
        if not isinstance(error, psycopg.errors.QueryCanceled) and not isinstance(
            error.__cause__ or getattr(error, "orig", None), psycopg.errors.QueryCanceled
        ):
            raise
        raise SearchTooSlow(seconds) from None
    finally:
        connection.cursor_factory = usual
        # in a transaction that failed it cannot be said, and its end takes the setting back
        with suppress(psycopg.Error, PeeweeException):
            db.execute_sql("RESET statement_timeout")
