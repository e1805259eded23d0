"""Splitting threads: whether what an edge held together still is, by searching from both of its ends at once.

The search from an end stops when it has gone round its part, and all stop when one part alone is left: that one keeps
the thread, whatever its size. So taking a mail out of a large thread costs what the small part is worth.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from psycopg import Connection

from mrilu.archive.plans import BY_INDEX
from mrilu.archive.thread_edges import Edge

FIRST_LOOK = 32  # nodes from each end
GROWTH = 4

# A recursive query is computed as far as its rows are asked for (PostgreSQL, 7.8.2.1).
SIDES = """
SELECT o.node, s.node FROM unnest(%s::bigint[]) AS o (node) CROSS JOIN LATERAL (
    WITH RECURSIVE side (node) AS (
        SELECT o.node
        UNION
        SELECT near.node FROM side CROSS JOIN LATERAL (
            SELECT other AS node FROM thread_edge AS e WHERE e.node = side.node
            UNION ALL
            SELECT node FROM thread_edge AS e WHERE e.other = side.node) AS near
    ) SELECT node FROM side LIMIT %s) AS s
"""
THREADS_OF = "SELECT node, thread FROM thread_link WHERE node = ANY(%s::bigint[])"
# A thread that was merged into this one and began with a node of the part.
FORMER_THREADS = """
SELECT min(t.id) FROM thread_link AS l JOIN thread AS t ON t.id = l.origin
 WHERE l.node = ANY(%s) AND t.id <> l.thread AND t.merged_into = l.thread
"""
# "+ 0": a bare min(id) is looked for by walking along the primary key, through the whole archive.
AGES = """
SELECT l.node, coalesce(l.origin = l.thread, true),
       coalesce((SELECT min(m.id + 0) FROM message AS m WHERE m.node = l.node), 9223372036854775807)
  FROM thread_link AS l WHERE l.node = ANY(%s)
"""
REVIVE = "UPDATE thread SET merged_into = NULL WHERE id = %s"
NEW_THREAD = "INSERT INTO thread DEFAULT VALUES RETURNING id"
SET_THREAD = "UPDATE thread_link SET thread = %s WHERE node = ANY(%s)"


def part(connection: Connection, broken: Iterable[Edge]) -> None:
    """Give each part that these edges held to a thread, and that nothing holds to it any more, a thread of its own."""
    ends = sorted({node for edge in broken for node in edge})
    if not ends:
        return
    connection.execute(BY_INDEX)
    threads: dict[int, list[int]] = defaultdict(list)
    for node, thread in connection.execute(THREADS_OF, (ends,)):
        threads[thread].append(node)
    for parts in _parts(connection, [sorted(nodes) for nodes in threads.values() if nodes[1:]]):
        for nodes in parts:
            _move_out(connection, nodes)


def _parts(connection: Connection, threads: list[list[int]]) -> list[list[set[int]]]:
    """Return for each thread, given by the nodes to search from, the parts that leave it."""
    whole: list[list[set[int]]] = [[] for _ in threads]
    limit = FIRST_LOOK
    while any(threads):
        sides = _sides(connection, [node for nodes in threads for node in nodes], limit)
        for number, nodes in enumerate(threads):
            found = _distinct(nodes, sides)
            whole[number] += [side for side in found.values() if len(side) < limit]
            threads[number] = [node for node, side in found.items() if len(side) >= limit]
            if nodes and not threads[number]:
                _let_one_stay(connection, whole[number])
            elif not threads[number][1:]:
                threads[number] = []
        limit *= GROWTH
    return whole


def _let_one_stay(connection: Connection, parts: list[set[int]]) -> None:
    """Take from the parts, all of them whole, the one that keeps the thread: where it began, or the oldest."""
    if not parts[1:]:
        parts.clear()
        return
    facts = connection.execute(AGES, ([node for nodes in parts for node in nodes],)).fetchall()
    ages = {node: (not began, age) for node, began, age in facts}
    parts.remove(min(parts, key=lambda nodes: min(ages[node] for node in nodes if node in ages)))


def _sides(connection: Connection, ends: Sequence[int], limit: int) -> dict[int, set[int]]:
    found: dict[int, set[int]] = defaultdict(set)
    for end, node in connection.execute(SIDES, (list(ends), limit)):
        found[end].add(node)
    return found


def _distinct(nodes: list[int], sides: dict[int, set[int]]) -> dict[int, set[int]]:
    """Return one end for those whose searches have met, with what its search has seen."""
    kept: dict[int, set[int]] = {}
    seen: set[int] = set()
    for node in nodes:
        if node not in seen and seen.isdisjoint(sides[node]):
            kept[node] = sides[node]
        seen |= sides[node]
    return kept


def _move_out(connection: Connection, nodes: set[int]) -> None:
    members = sorted(nodes)
    (thread,) = connection.execute(FORMER_THREADS, (members,)).fetchone() or (None,)
    if thread is None:
        (thread,) = connection.execute(NEW_THREAD).fetchone() or (None,)
    else:
        connection.execute(REVIVE, (thread,))
    connection.execute(SET_THREAD, (thread, members))
