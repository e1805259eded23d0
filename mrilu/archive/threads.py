"""Threads in the database: merging when a late parent arrives, splitting when a nearer subject does.

What a message costs here does not depend on its thread's size: its edges are a few rows (thread_edges.py), where two
threads become one the smaller is moved into the larger (so that no message is moved often), and a split is found from
its small side (thread_parts.py).

It happens under one advisory lock that is held to the commit, at the end of the batch: whoever has it sees every
thread that was committed before, so two workers cannot give one conversation two threads. What is outside the lock
(parsing, COPY, indexing, the edges of new messages) is nearly all of a batch's time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from psycopg import Connection

from mrilu.archive.array_literals import plain_array
from mrilu.archive.lock import LOCK
from mrilu.archive.thread_edges import Drawn, Edge, MessageFacts, draw, erase, facts_of_rows, settle
from mrilu.archive.thread_parts import THREADS_OF, part
from mrilu.mail.thread_keys import Components

NEW_THREADS = """
INSERT INTO thread SELECT nextval(pg_get_serial_sequence('thread', 'id')) FROM generate_series(1, %s) RETURNING id
"""
INSERT_LINKS = """
INSERT INTO thread_link (node, thread, origin) SELECT node, thread, thread
  FROM unnest(%s::bigint[], %s::bigint[]) AS l (node, thread)
"""
# How many nodes each thread has, up to a limit: which one is larger is known after a look at the smaller.
SIZES = """
SELECT t.id, (SELECT count(*) FROM (SELECT FROM thread_link WHERE thread = t.id LIMIT %s) AS l)
  FROM unnest(%s::bigint[]) AS t (id)
"""
MOVE_LINKS = """
UPDATE thread_link AS l SET thread = moved.new FROM unnest(%s::bigint[], %s::bigint[]) AS moved (old, new)
 WHERE l.thread = moved.old
"""
MERGE_THREADS = """
UPDATE thread AS t SET merged_into = moved.new FROM unnest(%s::bigint[], %s::bigint[]) AS moved (old, new)
 WHERE t.id = moved.old OR t.merged_into = moved.old
"""
# A Message-ID that no message has, and none names any more.
FORGET_NODES = """
DELETE FROM thread_link AS l WHERE node = ANY(%s)
   AND NOT EXISTS (SELECT FROM message AS m WHERE m.node = l.node)
   AND NOT EXISTS (SELECT FROM thread_edge AS e WHERE e.other = l.node)
"""
FIRST_COUNT = 16
GROWTH = 4


def assign_threads(
    connection: Connection,
    fresh: Sequence[MessageFacts],
    changed: Iterable[int] = (),
    erased: Drawn | None = None,
) -> None:
    """Join the messages to their threads.

    `fresh` are those that this batch made and drew; `changed` the ids of older ones whose row, or whose files' rows,
    say something else now: their edges are drawn anew, and their threads may be split. `erased` is what messages had
    that are no longer there.

    Call it last in the transaction: the lock is held until the commit.
    """
    connection.execute(LOCK)
    again = sorted(set(changed))
    drawn = Drawn(
        [edge for one in fresh for edge in one.edges()],
        [],
        [spot for one in fresh for spot in one.spots()],
    )
    drawn += erased or Drawn()
    drawn += erase(connection, again)
    redrawn = facts_of_rows(connection, again)
    drawn += draw(connection, redrawn)
    drawn += settle(connection, drawn.spots)
    _link(connection, _components((one.node for one in (*fresh, *redrawn)), drawn.made))
    part(connection, drawn.broken)


def leave_threads(connection: Connection, messages: Sequence[int]) -> list[int]:
    """Take the messages out of their threads: what they alone joined comes apart. The lock must be held.

    Returns the nodes of which nothing may be left; see forget_nodes.
    """
    drawn = erase(connection, messages)
    settled = settle(connection, drawn.spots)
    _link(connection, _components((), settled.made))
    broken = drawn.broken + settled.broken
    part(connection, broken)
    return sorted({node for edge in broken for node in edge})


def forget_nodes(connection: Connection, nodes: Sequence[int]) -> None:
    """Forget those of the nodes that no message has or names."""
    connection.execute(FORGET_NODES, (list(nodes),))


def _components(nodes: Iterable[int], edges: Iterable[Edge]) -> Components:
    found = Components()
    for node in nodes:
        found.add(node)
    for node, other in edges:
        found.join(node, other)
    return found


def _link(connection: Connection, components: Components) -> None:
    """Give every component one thread: its largest one, or a new one; merge the others into it."""
    groups = components.groups()
    known = _known_threads(connection, groups)
    winners, merged = _winners(connection, groups, known)
    unthreaded = [number for number, thread in enumerate(winners) if thread is None]
    for number, row in zip(unthreaded, _new_threads(connection, len(unthreaded)), strict=True):
        winners[number] = row
    links = [
        (n, thread)
        for group, thread in zip(groups, winners, strict=True)
        for n in group
        if n not in known
    ]
    if links:
        columns = [plain_array(column) for column in zip(*links, strict=True)]
        connection.execute(INSERT_LINKS, columns)
    if merged:
        pairs = [list(merged), list(merged.values())]
        connection.execute(MOVE_LINKS, pairs)
        connection.execute(MERGE_THREADS, pairs)


def _known_threads(connection: Connection, groups: list[list[int]]) -> dict[int, int]:
    """Return the threads of those nodes that have one."""
    nodes = [node for group in groups for node in group]
    if not nodes:
        return {}
    return dict(connection.execute(THREADS_OF, (plain_array(nodes),)).fetchall())


def _winners(
    connection: Connection, groups: list[list[int]], known: dict[int, int]
) -> tuple[list[int | None], dict[int, int]]:
    """Return each group's thread (None: a new one is needed) and which threads merge into which.

    Groups that meet in an old thread are one: that happens when this batch has two of its messages.
    """
    old = Components()
    for group in groups:
        threads = [known[node] for node in group if node in known]
        for thread in threads:
            old.join(threads[0], thread)
    largest = _largest(connection, [sorted(threads) for threads in old.groups()])
    merged = {
        thread: largest[old.find(thread)]
        for thread in old.nodes()
        if largest[old.find(thread)] != thread
    }
    firsts = (next((known[node] for node in group if node in known), None) for group in groups)
    return [None if first is None else largest[old.find(first)] for first in firsts], merged


def _largest(connection: Connection, groups: list[list[int]]) -> dict[int, int]:
    """Return the largest of each group of threads, of equal ones the oldest, by the group's oldest."""
    found = {threads[0]: threads[0] for threads in groups}
    rivals = {threads[0]: threads for threads in groups if threads[1:]}
    limit = FIRST_COUNT
    while rivals:
        asked = [thread for threads in rivals.values() for thread in threads]
        sizes: dict[int, int] = defaultdict(
            int, connection.execute(SIZES, (limit, asked)).fetchall()
        )
        for first, threads in list(rivals.items()):
            found[first] = min(threads, key=lambda thread: (-sizes[thread], thread))
            rivals[first] = [thread for thread in threads if sizes[thread] >= limit]
            if not rivals[first][1:]:
                del rivals[first]
        limit *= GROWTH
    return found


def _new_threads(connection: Connection, count: int) -> list[int]:
    return [row[0] for row in connection.execute(NEW_THREADS, (count,))] if count else []
