"""A question to the database that is answered beside other work, over a connection of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from peewee import PostgresqlDatabase

from mrilu.runtime.database import database

Answer = TypeVar("Answer")


class Beside(Generic[Answer]):
    """Asks in a thread that is begun at once and keeps no process from ending."""

    def __init__(self, ask: Callable[[PostgresqlDatabase], Answer]) -> None:
        self._ask = ask
        self._answers: list[Answer] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="beside", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        try:
            db = database()
            try:
                self._answers.append(self._ask(db))
            finally:
                db.close()
        except BaseException as error:  # raised where the answer is wanted
            self._error = error

    def answer(self) -> Answer:
        """Wait for the answer; raises what the question raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._answers[0]
