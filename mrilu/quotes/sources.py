"""Which earlier messages a message may quote: those that it answers, then others of its thread; a bounded number."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from psycopg import Connection

from mrilu.mail.thread_keys import node_of
from mrilu.quotes.match import Candidate
from mrilu.quotes.words import MOST_CHARS, Source, own_words

MOST_ANCESTORS = 30
MOST_OTHERS = 50  # those sent last before it
MOST_OF_THREAD = 2000  # messages of a thread among which they are looked for
ROUNDS = 3  # of asking for what an ancestor answers
EARLIER = timedelta(
    days=1
)  # that a clock may be wrong: a source may bear a later date than what quotes it

_COLUMNS = f"""m.id, m.node, m.sent_at, lower(m.from_address), left(m.body, {MOST_CHARS}), m.own_spans,
       m.in_reply_to, m.reference_ids, m.from_name"""
MESSAGES = f"SELECT {_COLUMNS} FROM message AS m WHERE m.id = ANY(%s)"  # noqa: S608 - the columns are ours
ANCESTORS = f"SELECT {_COLUMNS} FROM message AS m WHERE m.node = ANY(%s) ORDER BY m.id LIMIT 100"  # noqa: S608
OTHERS = f"""
SELECT {_COLUMNS} FROM (
    SELECT node FROM thread_link WHERE thread = (SELECT thread FROM thread_link WHERE node = %(node)s) LIMIT %(thread)s
  ) AS l JOIN message AS m USING (node)
 WHERE m.sent_at <= %(until)s AND m.node <> %(node)s AND NOT m.id = ANY(%(known)s)
 ORDER BY m.sent_at DESC, m.id DESC LIMIT %(most)s
"""  # noqa: S608 - the columns are ours


class Row(NamedTuple):
    """A message as far as quotations go; `author` is its address in small letters."""

    id: int
    node: int
    sent_at: datetime
    author: str
    body: str
    own_spans: Sequence[int]
    in_reply_to: Sequence[str]
    reference_ids: Sequence[str]
    name: str = ""

    def named(self) -> list[int]:
        """Return the nodes of what it answers, the nearest first."""
        names = [*self.in_reply_to[:1], *reversed(self.reference_ids), *self.in_reply_to[1:]]
        nodes = dict.fromkeys(node_of(name) for name in names)
        return [node for node in nodes if node != self.node][:MOST_ANCESTORS]


class Sources:
    """Finds the candidates of messages; the words of a source are kept for the next message of its thread."""

    KEPT = 500

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._words: Callable[[str, tuple[int, ...]], Source] = lru_cache(self.KEPT)(own_words)

    def rows(self, messages: Sequence[int]) -> list[Row]:
        """Return those of the messages that are there."""
        return [Row(*row) for row in self._connection.execute(MESSAGES, (list(messages),))]

    def ancestors(self, row: Row) -> list[Candidate]:
        """Return what the message answers, and what that answers."""
        ranks = {node: rank for rank, node in enumerate(row.named())}
        found: dict[int, Row] = {}
        wanted = list(ranks)
        for _ in range(ROUNDS):
            if not wanted:
                break
            rows = [Row(*one) for one in self._connection.execute(ANCESTORS, (wanted,))]
            found |= {one.id: one for one in rows if one.id != row.id}
            further = (
                node
                for one in sorted(rows, key=lambda one: ranks[one.node])
                for node in one.named()
            )
            wanted = [
                node for node in dict.fromkeys(further) if node not in ranks and node != row.node
            ]
            wanted = wanted[: MOST_ANCESTORS - len(ranks)]
            ranks |= {node: len(ranks) + place for place, node in enumerate(wanted)}
        nearest = sorted(found.values(), key=lambda one: (ranks[one.node], one.id))
        return [self._candidate(one, ranks[one.node]) for one in nearest]

    def others(self, row: Row, known: Iterable[int]) -> list[Candidate]:
        """Return the messages of the thread that were sent last before it, but for what it answers."""
        facts = {
            "node": row.node,
            "thread": MOST_OF_THREAD,
            "until": row.sent_at + EARLIER,
            "known": list(known),
            "most": MOST_OTHERS,
        }
        rows = [Row(*one) for one in self._connection.execute(OTHERS, facts)]
        return [self._candidate(one, -1) for one in rows]

    def _candidate(self, row: Row, rank: int) -> Candidate:
        text = self._words(row.body, tuple(row.own_spans))
        return Candidate(row.id, rank, row.sent_at, row.author, text, row.name)
