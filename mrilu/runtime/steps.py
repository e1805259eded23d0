"""Steps of upkeep that stand alone: what one of them runs into keeps no other from its turn."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from mrilu.runtime.retry import is_transient

logger = logging.getLogger(__name__)


class Steps:
    """Runs steps one after the other; raises the first error at the end, so that it is seen."""

    def __init__(self) -> None:
        self.first: Exception | None = None

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Run one step. A server that is away is raised at once: the others would only wait for it, too."""
        try:
            yield
        except Exception as error:
            if is_transient(error):
                if self.first is not None:
                    logger.warning("step had failed before error=%r", self.first)
                raise
            if self.first is None:
                self.first = error  # its caller reports it
            else:
                logger.warning("step failed, too step=%s error=%r", name, error)

    def end(self) -> None:
        """Raise the first error of all steps, if there was one."""
        if self.first is not None:
            raise self.first


def run_each(steps: Iterable[Callable[[], object]]) -> None:
    """Run all steps, each alone; raise the first error at the end, or at once when a server is away."""
    ran = Steps()
    for work in steps:
        with ran.step(getattr(work, "__name__", type(work).__name__)):
            work()
    ran.end()
