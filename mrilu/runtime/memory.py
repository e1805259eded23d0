"""A bound on a worker's memory, so that one monstrous mail raises MemoryError instead of calling the OOM killer."""

from __future__ import annotations

import gc
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache


@lru_cache(maxsize=1)
def limit_memory(address_space: int) -> None:
    """Limit this process to `address_space` bytes of virtual memory (RLIMIT_AS), once.

    A lower limit that is already in force stays.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limits = [bound for bound in (soft, hard, address_space) if bound != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min(limits), hard))


@contextmanager
def collector_paused() -> Iterator[None]:
    """Keep the cyclic collector from running; a batch of mails makes no cycles worth a twentieth of its time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
