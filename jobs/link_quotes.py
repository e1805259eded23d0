"""Links quotations to the passages that they came from: new mail first, then older, while no mail waits."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from peewee import PostgresqlDatabase

from mrilu.queues.queues import MAIL, queue
from mrilu.queues.runs import recorded
from mrilu.queues.wake import heard_quotes, wake_quotes
from mrilu.quotes.seek import link_some
from mrilu.runtime.database import database
from mrilu.runtime.memory import limit_memory
from mrilu.settings.current import current_settings

RUN_SECONDS = 10.0  # then other work of the queue gets its turn, and another run goes on
LONGEST_REST = 1.0  # seconds


@recorded
def link_quotes() -> dict[str, int]:
    """Look for the sources of quotations in some messages that wait; return how many messages, links, ...

    Where more waits another run is asked for.
    """
    heard_quotes()
    limit_memory(current_settings().worker_memory)
    counts, complete = work(database(), lambda: queue(MAIL).count)
    if not complete:
        wake_quotes()
    return {key: number for key, number in counts.items() if number}


def work(
    db: PostgresqlDatabase,
    mail_waiting: Callable[[], int],
    clock: Callable[[], float] = time.monotonic,
    rest: Callable[[float], None] = time.sleep,
) -> tuple[Counter[str], bool]:
    """Link batches until RUN_SECONDS are over; return the counts, and whether none is left.

    It rests as long after a batch as that took, and all the while that mail waits to be imported.
    """
    counts: Counter[str] = Counter()
    ends = clock() + RUN_SECONDS
    while (began := clock()) < ends:
        if mail_waiting():
            counts["waited"] += 1
            rest(LONGEST_REST)
            continue
        done = link_some(db)
        if done is None:
            return counts, True
        counts.update(done)
        rest(min(LONGEST_REST, clock() - began) or LONGEST_REST * bool(done["busy"]))
    return counts, False
