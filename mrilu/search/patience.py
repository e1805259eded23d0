"""How long PostgreSQL may work on one statement of a search: a visitor's question is not to hold up the others'."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg
from peewee import PeeweeException, PostgresqlDatabase


class SearchTooSlow(Exception):
    """this search took longer than SEARCH_TIMEOUT ({seconds:g} s): ask for rarer words, or narrow it down"""

    def __init__(self, seconds: float) -> None:
        super().__init__(str(self.__doc__).format(seconds=seconds))


@contextmanager
def within(db: PostgresqlDatabase, seconds: float) -> Iterator[None]:
    """Let PostgreSQL end each statement of the block after so many seconds; raises SearchTooSlow then."""
    db.execute_sql(
        "SELECT set_config('statement_timeout', %s, false)", (f"{seconds * 1000:.0f}ms",)
    )
    try:
        yield
    except (psycopg.errors.QueryCanceled, PeeweeException) as error:
        if not isinstance(error, psycopg.errors.QueryCanceled) and not isinstance(
            error.__cause__ or getattr(error, "orig", None), psycopg.errors.QueryCanceled
        ):
            raise
        raise SearchTooSlow(seconds) from None
    finally:
        # in a transaction that failed it cannot be said, and its end takes the setting back
        with suppress(psycopg.Error, PeeweeException):
            db.execute_sql("RESET statement_timeout")
