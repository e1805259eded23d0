"""Who answers whom in a thread. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from mrilu.mail.thread_keys import node_of
from mrilu.web.queries.archive import MessageRow


class Node(NamedTuple):
    """A message in the tree; `depth` 0 answers none that is here."""

    row: MessageRow
    depth: int


def tree(rows: Sequence[MessageRow]) -> list[Node]:
    """Return the messages in the order of their tree, each once; of those that answer one, the older first."""
    at = {row.node: number for number, row in reversed(list(enumerate(rows)))}
    children: dict[int | None, list[int]] = {}
    for number, row in enumerate(rows):
        children.setdefault(_parent(number, row, at), []).append(number)
    made: list[Node] = []
    seen: set[int] = set()
    waiting = [(number, 0) for number in reversed(children.get(None, []))]
    # Messages that answer each other in a circle have no beginning: the oldest of them is taken for it.
    rest = iter(range(len(rows)))
    while len(made) < len(rows):
        if not waiting:
            waiting.append((next(number for number in rest if number not in seen), 0))
        number, depth = waiting.pop()
        if number in seen:
            continue
        seen.add(number)
        made.append(Node(rows[number], depth))
        waiting += [(child, depth + 1) for child in reversed(children.get(number, []))]
    return made


def _parent(number: int, row: MessageRow, at: dict[int, int]) -> int | None:
    """Return which of the messages this one answers: In-Reply-To, else the last of References (RFC 5322, 3.6.4)."""
    for name in (*row.in_reply_to[:1], *reversed(row.reference_ids)):
        found = at.get(node_of(name))
        if found is not None and found != number:
            return found
    return None
