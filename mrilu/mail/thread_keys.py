"""Which messages form a thread: connected components of reference edges and subject edges. Pure.

Reference edges (RFC 5322, 3.6.4) join a message with every Message-ID that it names, seen or not, so the
result does not depend on the order of arrival. A reply that names none joins, inside its list, the latest
earlier message with the same cleaned subject (Zawinski's step 5, bounded to the nearest one, so that one
lost "Re: report" does not glue the reports of all years together).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from hashlib import blake2b
from typing import NamedTuple


def node_of(message_id: str) -> int:
    """Return the 64-bit signed hash by which a Message-ID (without brackets) is known."""
    return _hash64(message_id.encode("utf-8", "surrogatepass"))


def subject_key_of(cleaned_subject: str) -> int | None:
    """Return the 64-bit hash of a cleaned subject, letter case and space aside; None if it is empty."""
    words = " ".join(cleaned_subject.casefold().split())
    return _hash64(words.encode("utf-8", "surrogatepass")) if words else None


def _hash64(data: bytes) -> int:
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "big", signed=True)


class SubjectEntry(NamedTuple):
    """A message in its list's sequence of equal subjects; (sent_at, identity) is its place there."""

    sent_at: datetime
    identity: str
    node: int
    orphan: bool
    lists: tuple[str, ...]
    subject_key: int


def subject_edges(entries: Iterable[SubjectEntry]) -> set[tuple[int, int]]:
    """Return (orphan's node, predecessor's node) for each orphan that has a predecessor in its list."""
    edges = set()
    latest: dict[tuple[str, int], SubjectEntry] = {}
    for entry in sorted(entries):
        for name in entry.lists:
            before = latest.get((name, entry.subject_key))
            if entry.orphan and before is not None:
                edges.add((entry.node, before.node))
            latest[name, entry.subject_key] = entry
    return edges


class Components:
    """Union-find over nodes, with path halving (Tarjan & van Leeuwen 1984)."""

    def __init__(self) -> None:
        self._parent: dict[int, int] = {}

    def add(self, node: int) -> None:
        """Make sure that `node` is known."""
        self._parent.setdefault(node, node)

    def find(self, node: int) -> int:
        """Return the representative of the node's component; an unknown node becomes its own."""
        parent = self._parent
        parent.setdefault(node, node)
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    def join(self, one: int, other: int) -> None:
        """Make the two nodes' components one; the smaller representative stays, whatever the order."""
        first, second = sorted((self.find(one), self.find(other)))
        self._parent[second] = first

    def nodes(self) -> list[int]:
        """Return all known nodes."""
        return list(self._parent)

    def groups(self) -> list[list[int]]:
        """Return the nodes of each component."""
        found: dict[int, list[int]] = {}
        for node in self.nodes():
            found.setdefault(self.find(node), []).append(node)
        return list(found.values())
