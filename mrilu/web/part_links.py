"""The files of a message as its page lists them, each with its address and the name that it is saved by."""

from __future__ import annotations

import mimetypes
from typing import NamedTuple

from mrilu.web import addresses
from mrilu.web.downloads.parts import Numbered, numbered
from mrilu.web.queries.archive import MessageRow
from mrilu.web.sending import safe_name
from mrilu.web.templating import shown


class FileLink(NamedTuple):
    """A file of a message as its page lists it; `size` in bytes."""

    name: str
    kind: str
    size: int
    place: str


def files_of(row: MessageRow, nth: int = 1) -> list[FileLink]:
    """Return the files of a message, the `nth` of those with its Message-ID, with their addresses."""
    found = []
    for one in numbered(row.parts):
        if one.is_file or one.node.get("filename"):
            name = name_of(one)
            place = addresses.of_file(row.hash, one.number, name, nth) if one.is_file else ""
            found.append(FileLink(name, one.node.get("type", ""), one.node.get("size", 0), place))
    return found


def html_place(row: MessageRow, nth: int = 1) -> str:
    """Return the address of a message's HTML letter, "" if it has none."""
    has_one = any(one.is_html for one in numbered(row.parts))
    more = f"/{nth}" if nth > 1 else ""
    return f"{addresses.of_message(row.hash)}html{more}" if has_one else ""


def name_of(one: Numbered) -> str:
    """Return the name that a part is saved by: its own, masked, or one made of its subject or type."""
    kind = str(one.node.get("type", ""))
    ending = mimetypes.guess_extension(kind) or ".bin"
    own = one.node.get("filename", "")
    if not own and kind in ("message/rfc822", "message/global", "message/news"):
        own, ending = one.node.get("subject", ""), ".eml"
        own = f"{own}.eml" if own else ""
    return safe_name(shown(own), f"part-{one.number}{ending}")
