"""How long PostgreSQL may work on a search: a visitor's question is not to hold up the others'."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import psycopg
from peewee import PeeweeException, PostgresqlDatabase
from psycopg.pq import TransactionStatus

# A statement is given what is left of the time, or at most this much more of it, which spares a round trip.
SLACK = 1.05
SET = "set_config('statement_timeout', %s, false)"
LIMIT = f"SELECT {SET}"
# So much time for one statement is no hardship for what comes next: it is taken back only then.
HARMLESS = 5.0


class SearchTooSlow(Exception):
    """this search took longer than SEARCH_TIMEOUT ({seconds:g} s): ask for rarer words, or narrow it down"""

    def __init__(self, seconds: float) -> None:
        super().__init__(str(self.__doc__).format(seconds=seconds))


class Deadline:
    """When a search has to be over, and what the server has been told of it."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds
        self._granted = 0.0

    def is_harmless(self) -> bool:
        """Tell whether what the server was told is long enough for whatever comes next to begin with."""
        return self._granted >= HARMLESS

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

    def __init__(self, deadline: Deadline, *arguments: Any, **facts: Any) -> None:
        super().__init__(*arguments, **facts)
        self._deadline = deadline

    def execute(self, *arguments: Any, **facts: Any) -> _TimedCursor:
        """Run one statement. Raises SearchTooSlow."""
        if limit := self._deadline.news():
            super().execute(LIMIT, (limit,))
        return super().execute(*arguments, **facts)


class _Freeing:
    """Makes a connection's cursors as usual, after the server has been told that the last search's limit is over.

    A search that comes next tells it another limit, which spares that.
    """

    def __init__(self, usual: Callable[..., psycopg.Cursor[Any]]) -> None:
        self.usual = usual

    def __call__(self, connection: psycopg.Connection[Any], **facts: Any) -> psycopg.Cursor[Any]:
        # a transaction that fails brings the limit back
        if connection.info.transaction_status == TransactionStatus.IDLE:
            connection.cursor_factory = self.usual  # type: ignore[assignment]
        with suppress(psycopg.Error):
            self.usual(connection).execute("RESET statement_timeout")
        return self.usual(connection, **facts)


@contextmanager
def within(db: PostgresqlDatabase, seconds: float) -> Iterator[Deadline]:
    """Let PostgreSQL end the statements of the block when all of it has taken so long; raises SearchTooSlow then."""
    connection = db.connection()
    made_by: Any = connection.cursor_factory
    usual = made_by.usual if isinstance(made_by, _Freeing) else made_by
    deadline = Deadline(seconds)
    timed: Any = partial(_TimedCursor, deadline)
    connection.cursor_factory = timed
    try:
        yield deadline
    except (psycopg.errors.QueryCanceled, PeeweeException) as error:
        if not isinstance(error, psycopg.errors.QueryCanceled) and not isinstance(
            error.__cause__ or getattr(error, "orig", None), psycopg.errors.QueryCanceled
        ):
            raise
        raise SearchTooSlow(seconds) from None
    finally:
        freeing: Any = _Freeing(usual)
        connection.cursor_factory = freeing
        if not deadline.is_harmless():
            # in a transaction that failed it cannot be said, and its end takes the setting back
            with suppress(psycopg.Error, PeeweeException):
                connection.cursor().close()
