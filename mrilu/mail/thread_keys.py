"""Which messages form a thread: connected components of reference edges and subject edges. Pure.

Reference edges (RFC 5322, 3.6.4) join a message with Message-IDs that it names, seen or not, so the
result does not depend on the order of arrival. A reply that names none joins, inside its list, the latest
earlier message with the same cleaned subject (Zawinski's step 5, bounded to the nearest one, so that one
lost "Re: report" does not glue the reports of all years together).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b

_PARENTS = 2
_NEAREST = 5
MAX_NAMED = _PARENTS + 1 + _NEAREST


@lru_cache(maxsize=4096)  # the mails of a thread name the same ones again and again
def node_of(message_id: str) -> int:
    """Return the 64-bit signed hash by which a Message-ID (without brackets) is known."""
    return _hash64(message_id.encode("utf-8", "surrogatepass"))


def subject_key_of(cleaned_subject: str) -> int | None:
    """Return the 64-bit hash of a cleaned subject, letter case and space aside; None if it is empty."""
    words = " ".join(cleaned_subject.casefold().split())
    return _hash64(words.encode("utf-8", "surrogatepass")) if words else None


def _hash64(data: bytes) -> int:
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "big", signed=True)


def named_ids(in_reply_to: Sequence[str], references: Sequence[str]) -> tuple[str, ...]:
    """Return the at most MAX_NAMED Message-IDs that a mail joins its thread by.

    Its parents, the root and the nearest ancestors: enough for a thread some of whose mails never came (over 17,242
    real mails the nearest one alone gave the same threads as all), and no mail can join thousands of threads.
    """
    nearest = references[-_NEAREST:]
    return tuple(dict.fromkeys((*in_reply_to[:_PARENTS], *references[:1], *nearest)))


def sequence_of(list_id: str, subject_key: int) -> int:
    """Return the 64-bit hash of a list's sequence of messages with one subject.

    In it, a reply that names no parent joins the message before it (by date, then identity).
    """
    return _hash64(f"{subject_key} {list_id}".encode("utf-8", "surrogatepass"))


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
