"""The parts of a message: numbered as the archive lists them, and read out of its file."""

from __future__ import annotations

import binascii
import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, NamedTuple

from mrilu.mail.headers.parameters import charset_of
from mrilu.mail.message import Limits, RejectedMail
from mrilu.mail.parse import mime_tree
from mrilu.mail.text.charset import decode_text
from mrilu.mail.text.hypertext import charset_in_html
from mrilu.mail.text.transfer import decode_transfer
from mrilu.mail.text.uuencode import split_uuencoded
from mrilu.mail.text.yenc import MARK, split_yencoded
from mrilu.mail.tree.structure import Part
from mrilu.web.downloads.stored import FileChanged, Stored

Inventory = dict[str, Any]
HTML = ("text/html", "application/xhtml+xml")
MOST_HTML = 4 * 1024 * 1024  # bytes of an HTML part that is shown
MOST_IMAGES, AN_IMAGE = 2 * 1024 * 1024, 512 * 1024  # bytes of the images shown in one
_IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_NOT_BASE64 = bytes(set(range(256)) - set(_BASE64))


class Numbered(NamedTuple):
    """A part: its number from 1 on, as a reader of the tree meets it, and the way to it from the root."""

    number: int
    node: Inventory
    path: tuple[int, ...]

    @property
    def is_file(self) -> bool:
        """Whether it can be had by itself."""
        return "sha256" in self.node

    @property
    def is_html(self) -> bool:
        """Whether it is a letter in HTML, and no file."""
        return self.node.get("type") in HTML and self.node.get("disposition") != "attachment"


def numbered(tree: Inventory) -> list[Numbered]:
    """Return the parts of an inventory in order."""
    found: list[Numbered] = []
    waiting: list[tuple[Inventory, tuple[int, ...]]] = [(tree, ())] if tree else []
    while waiting:
        node, path = waiting.pop()
        found.append(Numbered(len(found) + 1, node, path))
        below = list(enumerate(node.get("parts", ())))
        waiting += [(child, (*path, place)) for place, child in reversed(below)]
    return found


def content_of(stored: Stored, wanted: Numbered, limits: Limits, room: Path) -> IO[bytes]:
    """Return what a part holds as an unnamed file in `room`, proven by its checksum. Raises FileChanged."""
    part, embedded = _part_at(stored, wanted.path, limits)
    digest = wanted.node["sha256"]
    for way in (_embedded,) if embedded else (_streamed, _normal, _whole):
        file = TemporaryFile(dir=room)
        try:
            if _written(way(part, stored, digest), file) == digest:
                file.seek(0)
                return file
        except (RejectedMail, binascii.Error):
            pass
        file.close()
    raise FileChanged


def html_of(stored: Stored, wanted: Numbered, limits: Limits) -> str:
    """Return the text of an HTML part. Raises FileChanged."""
    part, embedded = _part_at(stored, wanted.path, limits)
    if embedded or part.content_type not in HTML:
        raise FileChanged
    data = b"".join(_whole(part, stored, ""))[:MOST_HTML]
    label = charset_of(part.parameters) if part.parameters else ""
    return decode_text(data, label or charset_in_html(data))[0]


def images_of(
    stored: Stored, tree: Inventory, limits: Limits, room: Path
) -> dict[str, tuple[str, bytes]]:
    """Return the small images of a message by Content-ID: type and bytes."""
    found: dict[str, tuple[str, bytes]] = {}
    left = MOST_IMAGES
    for one in numbered(tree):
        name, kind = (str(one.node.get(key, "")) for key in ("content_id", "type"))
        size = int(one.node.get("size", 0))
        if not (name and one.is_file and kind in _IMAGES and size <= min(AN_IMAGE, left)):
            continue
        try:
            with content_of(stored, one, limits, room) as file:
                found[name] = kind, file.read()
        except FileChanged:
            continue
        left -= size
    return found


def _part_at(stored: Stored, path: tuple[int, ...], limits: Limits) -> tuple[Part, bool]:
    """Return the part at the end of the path; True when the path goes on to a file in its text."""
    try:
        part = mime_tree(stored.lean.raw, limits=limits)
    except RejectedMail as error:
        raise FileChanged from error
    for place in path:
        if not part.children:
            return part, True
        if place >= len(part.children):
            raise FileChanged
        part = part.children[place]
    return part, part.encoding == "uuencode" and not part.children


Way = Callable[[Part, Stored, str], Iterable[bytes]]


def _streamed(part: Part, stored: Stored, _: str) -> Iterator[bytes]:
    """The part as it comes, in pieces: sound base64, or bytes without an encoding."""
    pieces = stored.lean.pieces(part.payload, stored.file)
    if part.encoding != "base64":
        yield from _whole(part, stored, "") if part.encoding else pieces
        return
    rest = b""
    for piece in pieces:
        signs = rest + piece.translate(None, _NOT_BASE64)
        end = len(signs) - len(signs) % 4
        rest = signs[end:]
        yield binascii.a2b_base64(signs[:end])
    yield binascii.a2b_base64(rest + b"=" * (-len(rest) % 4))


def _normal(part: Part, stored: Stored, _: str) -> Iterator[bytes]:
    """The part without an encoding, its line ends made those that the archive reads by."""
    before = b""
    for piece in stored.lean.pieces(part.payload, stored.file):
        whole = before + piece
        before = b"\r" if whole.endswith(b"\r") else b""
        yield whole[: len(whole) - len(before)].replace(b"\r\n", b"\n")
    yield before


def _whole(part: Part, stored: Stored, _: str) -> Iterator[bytes]:
    """The part read at once, with all that mends a broken encoding."""
    payload = b"".join(stored.lean.pieces(part.payload, stored.file))
    yield decode_transfer(payload, part.encoding)[0]


def _embedded(part: Part, stored: Stored, digest: str) -> Iterator[bytes]:
    """A file that was written into the part's text (uuencode, yEnc): the one with this checksum."""
    data = b"".join(_whole(part, stored, ""))
    files = split_yencoded(data)[1] if MARK in data else []
    for one in (*files, *split_uuencoded(data.decode("latin-1"))[1]):
        if hashlib.sha256(one.data).hexdigest() == digest:
            yield one.data
            return


def _written(pieces: Iterable[bytes], file: IO[bytes]) -> str:
    """Write the pieces; return their SHA-256."""
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
        file.write(piece)
    return digest.hexdigest()
