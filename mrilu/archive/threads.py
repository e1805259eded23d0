"""Threads in the database: merging when a late parent arrives, splitting when a nearer subject does.

All of it happens under one advisory lock that is held to the commit, at the end of the batch: whoever
has it sees every thread that was committed before, so two workers cannot give one conversation two
threads. What is outside the lock (parsing, COPY, indexing) is nearly all of a batch's time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from psycopg import Connection

from mrilu.archive import sql
from mrilu.archive.read import ReadMail
from mrilu.mail.thread_keys import Components, SubjectEntry, node_of, subject_edges

THREAD_LOCK = 0x74687265616473

LOCK = f"SELECT pg_advisory_xact_lock({THREAD_LOCK})"

ENTRIES = """
SELECT sent_at, identity::text, node, orphan, list_ids, subject_key FROM message
 WHERE subject_key = ANY(%s) AND list_ids <> '{}'
   AND subject_key IN (SELECT subject_key FROM message WHERE orphan AND subject_key = ANY(%s))
"""
KEYS_OF = "SELECT DISTINCT subject_key FROM message WHERE id = ANY(%s) AND subject_key IS NOT NULL"
IDENTITIES_OF = "SELECT identity::text FROM message WHERE id = ANY(%s)"
THREADS_OF = "SELECT node, thread FROM thread_link WHERE node = ANY(%s)"
NEW_THREADS = """
INSERT INTO thread SELECT nextval(pg_get_serial_sequence('thread', 'id')) FROM generate_series(1, %s) RETURNING id
"""
INSERT_LINKS = (
    "INSERT INTO thread_link (node, thread) SELECT * FROM unnest(%s::bigint[], %s::bigint[])"
)
MOVE_LINKS = """
UPDATE thread_link AS l SET thread = moved.new FROM unnest(%s::bigint[], %s::bigint[]) AS moved (old, new)
 WHERE l.thread = moved.old
"""
MERGE_THREADS = """
UPDATE thread AS t SET merged_into = moved.new FROM unnest(%s::bigint[], %s::bigint[]) AS moved (old, new)
 WHERE t.id = moved.old OR t.merged_into = moved.old
"""
SURVIVORS = "SELECT DISTINCT coalesce(merged_into, id) FROM thread WHERE id = ANY(%s)"
NODES_IN = "SELECT node FROM thread_link WHERE thread = ANY(%s)"
MESSAGES_IN = """
SELECT m.id, m.node, m.in_reply_to || m.reference_ids, m.orphan, m.subject_key FROM message AS m
  JOIN thread_link AS l USING (node) WHERE l.thread = ANY(%s)
"""
SET_LINKS = """
UPDATE thread_link AS l SET thread = moved.thread FROM unnest(%s::bigint[], %s::bigint[]) AS moved (node, thread)
 WHERE l.node = moved.node AND l.thread <> moved.thread
"""


class Neighbours(NamedTuple):
    """Subject edges that hold now, and those (orphan, former predecessor) that this batch broke."""

    edges: set[tuple[int, int]]
    broken: set[tuple[int, int]]


class ChangedMessage(NamedTuple):
    """A message that was written anew or removed: the nodes it had and has, the subject that it counted by before."""

    id: int
    nodes: tuple[int, ...]
    former_key: int | None


def assign_threads(
    connection: Connection,
    fresh: dict[str, int],
    copied: list[str],
    mails: Sequence[ReadMail],
    rewritten: Sequence[ChangedMessage] = (),
) -> None:
    """Join the batch's messages to their threads.

    `fresh` are the rows it inserted, by identity; `copied` the identities that have more than one file;
    `rewritten` the older messages that it changed, whose threads may have to be split.

    Call it last in the transaction: the lock is held until the commit.
    """
    connection.execute(LOCK)
    joined = connection.execute(sql.JOIN_COPIES, (copied,)).fetchall() if copied else []
    changed = [*fresh.values(), *(row[0] for row in joined), *(one.id for one in rewritten)]
    former = {row[2] for row in joined} | {one.former_key for one in rewritten}
    near = _neighbours(connection, changed, former)
    uncertain = {orphan for orphan, _ in near.broken} | {row[1] for row in joined}
    threads = _threads_of(connection, uncertain.union(*(one.nodes for one in rewritten)))
    _link(connection, _components(mails, near.edges))
    if threads:
        _rebuild(connection, threads)


def _components(mails: Sequence[ReadMail], edges: Iterable[tuple[int, int]]) -> Components:
    found = Components()
    for mail in mails:
        own = node_of(mail.message.message_id)
        found.add(own)
        for name in (*mail.message.in_reply_to, *mail.message.references):
            found.join(own, node_of(name))
    for orphan, predecessor in edges:
        found.join(orphan, predecessor)
    return found


def _neighbours(connection: Connection, changed: list[int], former: set[int | None]) -> Neighbours:
    """Compare the subject edges with and without the messages that are new in their lists' sequences.

    `former` are subject keys that some of them have left.
    """
    keys = list({row[0] for row in connection.execute(KEYS_OF, (changed,))} | (former - {None}))
    rows = connection.execute(ENTRIES, (keys, keys)).fetchall() if keys else []
    if not rows:
        return Neighbours(set(), set())
    entries = [_entry(row) for row in rows]
    new = {row[0] for row in connection.execute(IDENTITIES_OF, (changed,))}
    now, before = (
        subject_edges(entries),
        subject_edges(one for one in entries if one.identity not in new),
    )
    return Neighbours(now, before - now)


def _threads_of(connection: Connection, nodes: set[int]) -> list[int]:
    """Return the threads of these nodes, which may have to be split."""
    return (
        sorted({row[1] for row in connection.execute(THREADS_OF, (list(nodes),))}) if nodes else []
    )


def _link(connection: Connection, components: Components) -> None:
    """Give every component one thread: its oldest one, or a new one; merge the others into it."""
    groups = components.groups()
    known = _known_threads(connection, groups)
    winners, merged = _winners(groups, known)
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
        connection.execute(INSERT_LINKS, [list(column) for column in zip(*links, strict=True)])
    if merged:
        columns = [list(merged), list(merged.values())]
        connection.execute(MOVE_LINKS, columns)
        connection.execute(MERGE_THREADS, columns)


def _known_threads(connection: Connection, groups: list[list[int]]) -> dict[int, int]:
    """Return the threads of those nodes that have one."""
    rows = connection.execute(
        THREADS_OF, ([node for group in groups for node in group],)
    ).fetchall()
    return {node: thread for node, thread in rows}


def _entry(row: tuple[Any, ...]) -> SubjectEntry:
    sent_at, identity, node, orphan, lists, subject_key = row
    return SubjectEntry(sent_at, identity, node, orphan, tuple(lists), subject_key)


def _winners(
    groups: list[list[int]], known: dict[int, int]
) -> tuple[list[int | None], dict[int, int]]:
    """Return each group's thread (None: a new one is needed) and which threads merge into which.

    Groups that meet in an old thread are one: that happens when this batch has two of its messages.
    """
    old = Components()
    for group in groups:
        threads = [known[node] for node in group if node in known]
        for thread in threads:
            old.join(threads[0], thread)
    merged = {thread: old.find(thread) for thread in old.nodes() if old.find(thread) != thread}
    firsts = (next((known[node] for node in group if node in known), None) for group in groups)
    return [None if first is None else old.find(first) for first in firsts], merged


def _new_threads(connection: Connection, count: int) -> list[int]:
    return [row[0] for row in connection.execute(NEW_THREADS, (count,))] if count else []


def _rebuild(connection: Connection, threads: list[int]) -> None:
    """Work out anew what belongs together in these threads; the part with the oldest row keeps the id."""
    threads = [row[0] for row in connection.execute(SURVIVORS, (threads,))]
    messages = connection.execute(MESSAGES_IN, (threads,)).fetchall()
    members = _members(connection, threads, messages)
    kept: set[int] = set()
    moves: list[tuple[int, int]] = []
    owner = _known_threads(connection, members)
    for group in members:
        thread = owner[group[0]]
        if thread in kept:
            thread = _new_threads(connection, 1)[0]
        kept.add(thread)
        moves += [(node, thread) for node in group]
    if moves:
        connection.execute(SET_LINKS, [list(column) for column in zip(*moves, strict=True)])


def _members(connection: Connection, threads: list[int], messages: list[tuple]) -> list[list[int]]:
    """Return the components inside `threads`, the one with the oldest message first."""
    found = Components()
    for (node,) in connection.execute(NODES_IN, (threads,)):
        found.add(node)
    keys = sorted({key for *_, orphan, key in messages if orphan and key is not None})
    rows = connection.execute(ENTRIES, (keys, keys)).fetchall() if keys else []
    nodes = set(found.nodes())
    for _, node, names, _, _ in messages:
        for name in names:
            found.join(node, node_of(name))
    for orphan, predecessor in subject_edges(_entry(row) for row in rows):
        if orphan in nodes and predecessor in nodes:
            found.join(orphan, predecessor)
    age: dict[int, int] = defaultdict(lambda: 1 << 62)
    for number, node, *_ in messages:
        age[found.find(node)] = min(age[found.find(node)], number)
    return sorted(found.groups(), key=lambda group: age[found.find(group[0])])
