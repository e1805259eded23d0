"""Asking a service for a limited time: a server that was frozen answers nothing, and no socket notices."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")


class Asker:
    """Asks in a thread of its own, which keeps its connection; while it is held up, no one else waits for it.

    So a service that hangs holds up one thread here, and none of those that answer requests.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._waiting: SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = SimpleQueue()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._held_up: Future[Any] | None = None

    def ask(self, work: Callable[[], T], seconds: float) -> T:
        """Return what `work` returns or raise what it raises; TimeoutError when it takes longer, or another does."""
        if self.is_held_up():
            raise TimeoutError(f"{self._name} has not answered for a while")
        self._start()
        answer: Future[T] = Future()
        self._waiting.put((answer, work))
        try:
            return answer.result(seconds)
        except TimeoutError:
            if not answer.cancel():
                self._held_up = answer
            raise

    def is_held_up(self) -> bool:
        """Tell whether it still waits for the answer to a question that took too long."""
        return self._held_up is not None and not self._held_up.done()

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                thread = threading.Thread(target=self._work, name=f"ask-{self._name}", daemon=True)
                thread.start()  # RuntimeError where there may be no more threads: then it is tried again
                self._thread = thread

    def _work(self) -> None:
        while True:
            answer, work = self._waiting.get()
            if answer.set_running_or_notify_cancel():
                try:
                    answer.set_result(work())
                except BaseException as error:
                    answer.set_exception(error)


class Askers:
    """Several askers of one service: a question waits for one that is free, and not for one that is held up.

    Of those that are free the one asked last is asked again: its connection has prepared what is asked most.
    """

    def __init__(self, name: str, number: int) -> None:
        self._name = name
        self._free = deque(Asker(name) for _ in range(number))
        self._seats = threading.Semaphore(number)

    def ask(self, work: Callable[[], T], seconds: float) -> T:
        """Return what `work` returns or raise what it raises; TimeoutError when none answers within the time."""
        if not self._seats.acquire(timeout=seconds):
            raise TimeoutError(f"{self._name} has not answered for a while")
        asker = self._free.pop()
        try:
            return asker.ask(work, seconds)
        finally:
            # One that is held up is the last to be asked.
            (self._free.appendleft if asker.is_held_up() else self._free.append)(asker)
            self._seats.release()


PATIENCE = 10.0  # seconds
# As many as there are threads that answer requests would let one slow search keep none of them from the database.
_database = Askers("database", 6)


def ask_database(work: Callable[[], T]) -> T:
    """Return what `work`, which asks the database, returns. Raises TimeoutError, and what it raises."""
    return _database.ask(work, PATIENCE)
