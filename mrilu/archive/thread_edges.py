"""The edges of threads in the database: which messages belong together, and why.

A message has an edge to each Message-ID that it names (mrilu/mail/thread_keys.py bounds them), and, if it is a reply
that names none, to the message before it in its list's sequence of equal subjects. Both follow from the rows of the
message and its files alone, whatever the order of arrival; so they can be drawn anew when a row changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from psycopg import Connection

from models import Restriction
from mrilu.archive.array_literals import plain_array
from mrilu.mail.thread_keys import named_ids, node_of, sequence_of

# Pairs of nodes: who names or follows, and whom.
Edge = tuple[int, int]

INSERT_EDGES = """
INSERT INTO thread_edge (message, node, other, sequence)
SELECT *, 0 FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[]) ON CONFLICT DO NOTHING
"""
INSERT_ENTRIES = """
INSERT INTO subject_entry (sequence, sent_at, identity, message, node, orphan)
SELECT * FROM unnest(%s::bigint[], %s::timestamptz[], %s::uuid[], %s::bigint[], %s::bigint[], %s::boolean[])
ON CONFLICT DO NOTHING
"""
DELETE_EDGES = "DELETE FROM thread_edge WHERE message = ANY(%s) RETURNING node, other"
DELETE_ENTRIES = """
DELETE FROM subject_entry WHERE message = ANY(%s) RETURNING sequence, sent_at, identity::text
"""
# A message whose copies name a parent is not an orphan, whichever of its files came first. One that is withheld joins
# nothing.
FACTS = f"""
SELECT m.id, m.node, m.identity::text, m.sent_at, m.subject_key, m.orphan, m.list_ids, m.in_reply_to, m.reference_ids,
       ARRAY(SELECT n.name FROM location AS l, unnest(l.named) AS n (name)
              WHERE l.message = m.id AND l.named IS NOT NULL)
  FROM message AS m WHERE m.id = ANY(%s) AND m.restrictions & {int(Restriction.WITHHELD)} = 0
"""  # noqa: S608 - the number is ours
# What stands at these places and right behind each of them has the edge that its place asks for, and no other.
SETTLE = """
WITH spot AS MATERIALIZED (
    SELECT DISTINCT * FROM unnest(%s::bigint[], %s::timestamptz[], %s::uuid[]) AS s (sequence, sent_at, identity)
), target AS MATERIALIZED (
    SELECT e.* FROM spot JOIN subject_entry AS e USING (sequence, sent_at, identity)
    UNION
    SELECT n.* FROM spot AS s CROSS JOIN LATERAL (
        SELECT * FROM subject_entry AS e
         WHERE e.sequence = s.sequence AND (e.sent_at, e.identity) > (s.sent_at, s.identity)
         ORDER BY e.sent_at, e.identity LIMIT 1) AS n
), wanted AS MATERIALIZED (
    SELECT t.message, t.sequence, t.node, p.node AS other FROM target AS t LEFT JOIN LATERAL (
        SELECT node FROM subject_entry AS e
         WHERE t.orphan AND e.sequence = t.sequence AND (e.sent_at, e.identity) < (t.sent_at, t.identity)
         ORDER BY e.sent_at DESC, e.identity DESC LIMIT 1) AS p ON true
), broken AS (
    DELETE FROM thread_edge AS d USING wanted AS w
     WHERE (d.message, d.sequence) = (w.message, w.sequence) AND d.other IS DISTINCT FROM w.other
    RETURNING d.node, d.other
), made AS (
    INSERT INTO thread_edge (message, node, other, sequence)
    SELECT message, node, other, sequence FROM wanted WHERE other IS NOT NULL
    ON CONFLICT DO NOTHING RETURNING node, other
)
SELECT true, node, other FROM made UNION ALL SELECT false, node, other FROM broken
"""


class Spot(NamedTuple):
    """A place in a sequence of equal subjects."""

    sequence: int
    sent_at: datetime
    identity: str


@dataclass
class Drawn:
    """Edges that were made, edges that were broken, and the places in sequences where something changed."""

    made: list[Edge] = field(default_factory=list)
    broken: list[Edge] = field(default_factory=list)
    spots: list[Spot] = field(default_factory=list)

    def __iadd__(self, other: Drawn) -> Drawn:
        """Add what was drawn elsewhere."""
        self.made += other.made
        self.broken += other.broken
        self.spots += other.spots
        return self


class MessageFacts(NamedTuple):
    """What a message's place in threads follows from; `further` is what its copies name beside it."""

    id: int
    node: int
    identity: str
    sent_at: datetime
    subject_key: int | None
    orphan: bool
    list_ids: Sequence[str]
    in_reply_to: Sequence[str]
    references: Sequence[str]
    further: Sequence[str] = ()

    def edges(self) -> set[Edge]:
        """Return the edges to the Message-IDs that it names."""
        names = {*named_ids(self.in_reply_to, self.references), *self.further}
        return {(self.node, node_of(name)) for name in names}

    def alone(self) -> MessageFacts:
        """Return the same message as one that joins nothing."""
        return self._replace(subject_key=None, in_reply_to=(), references=(), further=())

    def spots(self) -> list[Spot]:
        """Return its place in each of its lists' sequences."""
        if self.subject_key is None:
            return []
        sequences = (sequence_of(name, self.subject_key) for name in self.list_ids)
        return [Spot(sequence, self.sent_at, self.identity) for sequence in sequences]


def facts_of_rows(connection: Connection, messages: Sequence[int]) -> list[MessageFacts]:
    """Return the facts of these messages, from their rows."""
    if not messages:
        return []
    return [MessageFacts(*row) for row in connection.execute(FACTS, (list(messages),))]


def draw(connection: Connection, messages: Sequence[MessageFacts]) -> Drawn:
    """Write the edges of messages that have none yet, but for those by subject: see `settle`."""
    edges = sorted((one.id, *edge) for one in messages for edge in one.edges())
    entries = sorted(
        (*spot, one.id, one.node, one.orphan and not one.further)
        for one in messages
        for spot in one.spots()
    )
    if edges:
        connection.execute(INSERT_EDGES, _columns(edges))
    if entries:
        connection.execute(INSERT_ENTRIES, _columns(entries))
    return Drawn([edge[1:] for edge in edges], [], [Spot(*entry[:3]) for entry in entries])


def erase(connection: Connection, messages: Sequence[int]) -> Drawn:
    """Remove all edges of these messages; their rows may be removed afterwards, or drawn anew."""
    if not messages:
        return Drawn()
    broken = connection.execute(DELETE_EDGES, (list(messages),)).fetchall()
    spots = connection.execute(DELETE_ENTRIES, (list(messages),)).fetchall()
    return Drawn([], broken, [Spot(*row) for row in spots])


def settle(connection: Connection, spots: Iterable[Spot]) -> Drawn:
    """Bring the edges by subject at these places up to date: those of what stands there, and right behind."""
    places = sorted(set(spots))
    if not places:
        return Drawn()
    drawn = Drawn()
    for made, *edge in connection.execute(SETTLE, _columns(places)):
        (drawn.made if made else drawn.broken).append((edge[0], edge[1]))
    return drawn


def _columns(rows: Sequence[tuple[Any, ...]]) -> list[str]:
    return [plain_array(column) for column in zip(*rows, strict=True)]
