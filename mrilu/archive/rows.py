"""Parsed mail as rows for COPY: every value a text, number or truth that PostgreSQL reads as it is. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from models import Restriction
from mrilu.archive.array_literals import array
from mrilu.archive.read import ReadMail
from mrilu.mail.message import Address, ParsedMessage
from mrilu.mail.permalinks import permalink_of
from mrilu.mail.thread_keys import node_of, subject_key_of
from mrilu.mail.version import PARSER_VERSION
from mrilu.notifications.own import is_own_id
from mrilu.search.fold import fold

# Made once: json.dumps would make an encoder for each value.
to_json = json.JSONEncoder(ensure_ascii=False).encode

# A tsvector holds 1 MB at most (PostgreSQL, 12.11 "Limitations"); more text than this is not indexed.
MAX_INDEXED_BYTES = 300_000

_MESSAGE_TYPES = {
    "identity": "uuid",
    "message_id": "text",
    "message_id_derived": "boolean",
    "node": "bigint",
    "subject": "text",
    "cleaned_subject": "text",
    "subject_key": "bigint",
    "orphan": "boolean",
    "from_name": "text",
    "from_address": "text",
    "to_addresses": "jsonb",
    "cc_addresses": "jsonb",
    "sent_at": "timestamptz",
    "date_source": "text",
    "list_ids": "text[]",
    "in_reply_to": "text[]",
    "reference_ids": "text[]",
    "body": "text",
    "own_spans": "integer[]",
    "parts": "jsonb",
    "has_attachment": "boolean",
    "signed": "boolean",
    "encrypted": "boolean",
    "defects": "text[]",
    "parser_version": "smallint",
    "permalink": "bigint",
    "utc_offset": "smallint",
    "restrictions": "smallint",
}
_INDEX_TYPES = {"index_subject": "text", "index_names": "text", "index_text": "text"}
_FILE_TYPES = {
    "folder": "text",
    "unique_name": "text",
    "nth": "smallint",
    "subdir": "text",
    "name": "text",
    "flags": "text",
    "size": "bigint",
    "list_id": "text",
    "mtime": "double precision",
}
MESSAGE_COLUMNS = tuple(_MESSAGE_TYPES)
STAGING_TYPES = {**_MESSAGE_TYPES, **_INDEX_TYPES, **_FILE_TYPES}
# Bodies are compressed once, when they reach `message`, and not in the staging table too.
STAGED_TEXTS = ("body", "index_text", "parts")


def staging_row(mail: ReadMail) -> tuple[Any, ...]:
    """Return one row of the staging table: the message, its index texts and its file."""
    return (
        message_values(mail.message, list_of(mail)) + index_texts(mail.message) + _file_values(mail)
    )


def list_of(mail: ReadMail) -> str:
    """Return the list a file belongs to: what its headers say, else the Maildir folder it lies in."""
    return mail.message.list_id or mail.file.parts.folder.lstrip(".").casefold()


def message_values(message: ParsedMessage, list_id: str) -> tuple[Any, ...]:
    """Return the values of MESSAGE_COLUMNS."""
    return (
        str(message.identity),
        message.message_id,
        message.message_id_derived,
        node_of(message.message_id),
        message.subject,
        message.cleaned_subject,
        subject_key_of(message.cleaned_subject),
        is_orphan(message),
        message.from_name,
        message.from_address,
        _addresses(message.to),
        _addresses(message.cc),
        message.sent_at,
        message.date_source,
        array([list_id]) if list_id else "{}",
        array(message.in_reply_to),
        array(message.references),
        message.body,
        "{" + ",".join(f"{start},{end}" for start, end in message.own_spans) + "}",
        to_json(message.parts),
        message.has_attachment,
        message.signed,
        message.encrypted,
        array(message.defects),
        PARSER_VERSION,
        permalink_of(message.message_id),
        message.utc_offset,
        restrictions_of(message),
    )


def restrictions_of(message: ParsedMessage) -> int:
    """Return what the mail itself says of who may read it (`Restriction`)."""
    asked = Restriction.NO_ARCHIVE if message.no_archive else 0
    return asked | (Restriction.OWN if is_own_id(message.message_id) else 0)


def is_orphan(message: ParsedMessage) -> bool:
    """Tell whether this is a reply that names no message it replies to."""
    return message.is_reply and not message.in_reply_to and not message.references


def index_texts(message: ParsedMessage) -> tuple[str, str, str]:
    """Return what full text search knows: subject, names (sender, attachments), own text; all folded."""
    names = " ".join([message.from_name, *file_names(message.parts)])
    return indexed(message.subject), indexed(names), indexed(message.own_text)


def indexed(text: str) -> str:
    """Return `text` folded and cut to what one tsvector can hold."""
    folded = fold(text)
    if len(folded) * 4 <= MAX_INDEXED_BYTES:
        return folded
    return folded.encode()[:MAX_INDEXED_BYTES].decode(errors="ignore")


def file_names(parts: dict[str, Any]) -> Iterator[str]:
    """Yield the file names in a tree of parts."""
    if parts.get("filename"):
        yield parts["filename"]
    for part in parts.get("parts", ()):
        yield from file_names(part)


def _addresses(addresses: list[Address]) -> str:
    return to_json([[one.name, one.address] for one in addresses]) if addresses else "[]"


def _file_values(mail: ReadMail) -> tuple[Any, ...]:
    file = mail.file
    folder, subdir, name, unique, flags = file.parts
    facts = (file.size, list_of(mail) or None, file.mtime)
    return folder, unique, file.nth, subdir, name, flags, *facts
