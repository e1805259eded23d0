"""What an S/MIME part holds that can be read without a key (RFC 8551, 3.5.2; RFC 5652, BER of X.690).

A reader of its own, of the few fields on the way to the content: the libraries for ASN.1 that are kept up to date check
signatures, refuse what is not DER, or decode all certificates of each mail.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import NamedTuple

_KINDS = {
    bytes.fromhex("2a864886f70d010702"): "signed",
    bytes.fromhex("2a864886f70d010703"): "enveloped",
    bytes.fromhex("2a864886f70d010706"): "enveloped",
    bytes.fromhex("2a864886f70d0109100117"): "enveloped",
    bytes.fromhex("2a864886f70d0109100109"): "compressed",
}
_OCTETS, _OBJECT, _SEQUENCE, _EXPLICIT = 0x04, 0x06, 0x30, 0xA0
_CONSTRUCTED = 0x20
_MAX_DEPTH = 12
_MAX_NODES = 200_000


class Cms(NamedTuple):
    """The kind of a CMS object ("signed", "enveloped", "compressed", "" for what is none), and its readable content."""

    kind: str
    content: bytes | None = None


class _Malformed(ValueError):
    """This is not BER, or more deeply nested than any CMS."""


class _Node(NamedTuple):
    """One value: its tag, where its content begins and ends, and where the next value begins."""

    tag: int
    start: int
    end: int
    following: int


class _Reader:
    """Values of BER; lengths may be indefinite and strings in pieces, as programs that stream write them."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._nodes = 0

    def node(self, position: int, end: int, depth: int = 0) -> _Node:
        """Read the value at `position`, which ends before `end`."""
        self._nodes += 1
        if depth > _MAX_DEPTH or self._nodes > _MAX_NODES or position + 2 > end:
            raise _Malformed
        tag, first = self.data[position], self.data[position + 1]
        start = position + 2
        if first == 0x80:
            return self._indefinite(tag, start, end, depth)
        if first & 0x80:
            start += first & 0x7F
            length = int.from_bytes(self.data[position + 2 : start], "big")
        else:
            length = first
        if tag & 0x1F == 0x1F or start + length > end:
            raise _Malformed
        return _Node(tag, start, start + length, start + length)

    def _indefinite(self, tag: int, start: int, end: int, depth: int) -> _Node:
        if not tag & _CONSTRUCTED:
            raise _Malformed
        position = start
        while self.data[position : position + 2] != b"\0\0":
            position = self.node(position, end, depth + 1).following
        return _Node(tag, start, position, position + 2)

    def children(self, parent: _Node) -> Iterator[_Node]:
        """Yield the values in a constructed one."""
        position = parent.start
        while position < parent.end:
            child = self.node(position, parent.end)
            yield child
            position = child.following

    def child(self, parent: _Node, number: int, tag: int) -> _Node:
        """Return the value at that place, which must have that tag."""
        for place, found in enumerate(self.children(parent)):
            if place == number and found.tag == tag:
                return found
            if place >= number:
                break
        raise _Malformed

    def octets(self, node: _Node, depth: int = 0) -> bytes:
        """Return an octet string, its pieces joined."""
        if node.tag == _OCTETS:
            return self.data[node.start : node.end]
        if node.tag != _OCTETS | _CONSTRUCTED or depth > _MAX_DEPTH:
            raise _Malformed
        return b"".join(self.octets(piece, depth + 1) for piece in self.children(node))


def read_cms(data: bytes, most: int) -> Cms:
    """Return what `data` is, and the content that it wraps if no key is needed. Never raises.

    Of a compressed one it is at most `most` bytes. A signature is not checked: that is for those who read the file.
    """
    reader = _Reader(data)
    try:
        info = reader.node(0, len(data))
        if info.tag != _SEQUENCE:
            return Cms("")
        name = reader.child(info, 0, _OBJECT)
        kind = _KINDS.get(data[name.start : name.end], "")
    except _Malformed:
        return Cms("")
    if kind not in ("signed", "compressed"):
        return Cms(kind)
    try:
        return Cms(kind, _content(reader, info, kind, most))
    except (_Malformed, zlib.error):
        return Cms(kind)


def _content(reader: _Reader, info: _Node, kind: str, most: int) -> bytes | None:
    """SignedData and CompressedData both have their EncapsulatedContentInfo third (RFC 5652, 5.1; RFC 3274, 1.1)."""
    wrapped = reader.child(reader.child(info, 1, _EXPLICIT), 0, _SEQUENCE)
    encapsulated = reader.child(wrapped, 2, _SEQUENCE)
    held = list(reader.children(encapsulated))
    if len(held) < 2:
        return None  # the signed text is elsewhere, or there are certificates only
    if held[1].tag != _EXPLICIT:
        raise _Malformed
    content = reader.octets(next(reader.children(held[1])))
    return content if kind == "signed" else zlib.decompressobj().decompress(content, most)
