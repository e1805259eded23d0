"""Rows as JSON, with addresses masked as on the pages. `show` is what makes a foreign text fit for readers. Pure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from mrilu.mail.permalinks import hash_of
from mrilu.search.results import Hit, MessageHit, WordHit
from mrilu.web import addresses
from mrilu.web.queries.archive import MessageRow
from mrilu.web.queries.conversations import Conversation
from mrilu.web.queries.ledger import Standing

Show = Callable[[str], str]
Fields = dict[str, Any]


def header(row: MessageRow | MessageHit, show: Show) -> Fields:
    """Return the header of a message."""
    message_hash = hash_of(row.message_id)
    return {
        "hash": message_hash,
        "url": addresses.of_message(message_hash),
        "message_id": row.message_id,
        "subject": show(row.subject),
        "from": show(row.from_name or row.from_address),
        "sent_at": time_of(row.sent_at),
        "lists": list(row.list_ids),
    }


def message(row: MessageRow, show: Show, files: list[Fields]) -> Fields:
    """Return a message with its text."""
    return {
        **header(row, show),
        "has_attachment": row.has_attachment,
        "thread": addresses.of_thread(row.hash),
        "in_reply_to": list(row.in_reply_to),
        "references": list(row.reference_ids),
        "body": show(row.body),
        "own_text": show(row.own_text()),
        "files": files,
    }


def conversation(one: Conversation, show: Show) -> Fields:
    """Return a thread of a list's page."""
    return {
        "url": addresses.of_thread(hash_of(one.first_id)),
        "subject": show(one.subject),
        "messages": one.messages,
        "newest": {
            **header(one.newest, show),
            "has_attachment": one.newest.has_attachment,
        },
        "people": [show(name) for name in one.names],
    }


def hit(one: Hit, show: Show) -> Fields:
    """Return a hit of a search."""
    if isinstance(one, MessageHit):
        snippet = "".join(part.text for part in one.snippet)
        return {
            **header(one, show),
            "in_thread": one.in_thread,
            "snippet": show(snippet),
        }
    if isinstance(one, WordHit):
        return {
            "word": one.word,
            "url": addresses.of_word(one.word),
            "type": one.type,
            "language": one.language,
            "glosses": list(one.glosses),
            "definition": one.definition,
        }
    return {"lojban": one.lojban, "english": one.english}


def ledger(one: Standing) -> Fields:
    """Return how the ledger stands."""
    times = {"complete_to": one.complete_to, "checked_at": one.checked_at}
    return {
        **{name: time_of(moment) for name, moment in times.items() if moment},
        "waiting": one.waiting,
        "rejected": one.rejected,
        "trouble": one.trouble,
    }


def time_of(moment: datetime) -> str:
    """Return a moment as RFC 3339 has it, in UTC."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
