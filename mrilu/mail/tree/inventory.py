"""What the archive says of a MIME part: type, charset, encoding, disposition, file name, Content-ID, size, SHA-256."""

import hashlib
import re
from typing import Any

from mrilu.mail.headers.file_names import base_name
from mrilu.mail.headers.parameters import charset_of, file_name_of
from mrilu.mail.text.cleaning import clean_line
from mrilu.mail.tree.structure import Part

Inventory = dict[str, Any]
_TOKEN = re.compile(r"[a-z][a-z0-9_-]{0,40}")
# A text with a name is the letter itself in these, and where it is the whole mail.
_NO_FILES_IN = frozenset({"", "multipart/alternative", "multipart/related", "multipart/signed"})


def describe(part: Part, hint: str) -> Inventory:
    """The part's JSON without empty keys; sizes and hashes are added by the caller."""
    node: Inventory = {"type": part.content_type}
    by_name = part.by_name
    if part.parameters and (charset := clean_line(charset_of(part.parameters)).lower()):
        node["charset"] = charset
    if encoding := clean_line(by_name.get("content-transfer-encoding", "")):
        node["encoding"] = encoding.lower()
    if "content-disposition" in by_name or "name" in part.parameters:
        _describe_file(part, node, hint)
    if "content-id" in by_name and (content_id := clean_line(by_name["content-id"]).strip("<> ")):
        node["content_id"] = content_id
    return node


def _describe_file(part: Part, node: Inventory, hint: str) -> None:
    word, parameters = part.disposition
    # What is not a token is no disposition; an unknown token is taken as "attachment" (RFC 2183, 2.8).
    if _TOKEN.fullmatch(word):
        node["disposition"] = word
    if name := file_name_of(parameters, part.parameters, hint):
        node["filename"] = name


def describe_embedded(name: str, data: bytes, encoding: str) -> Inventory:
    """The JSON of a file that was written into a text (uuencode, yEnc)."""
    node = {
        "type": "application/octet-stream",
        "encoding": encoding,
        "disposition": "attachment",
    }
    if base := base_name(name):
        node["filename"] = base
    add_content(node, data)
    return node


def add_content(node: Inventory, data: bytes) -> None:
    """Add size (bytes) and SHA-256 of what the part holds, its transfer encoding undone."""
    node["size"] = len(data)
    node["sha256"] = hashlib.sha256(data).hexdigest()


def is_file(node: Inventory, container: str) -> bool:
    """Tell whether a text that is shown in place, or a nested mail, is an attachment as well."""
    return (
        node.get("disposition") == "attachment"
        or "filename" in node
        and container not in _NO_FILES_IN
    )
