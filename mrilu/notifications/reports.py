"""Reads delivery reports (RFC 3464): which of our emails was not delivered, and why. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.message import Message
from email.parser import BytesParser
from email.policy import compat32
from typing import NamedTuple
from uuid import UUID

from mrilu.notifications.smtp import NO_MAILBOX, is_gone

MAX_BYTES = 256 * 1024  # of a report: what follows is the returned mail's body
# Not a part of an IP address.
_STATUS = re.compile(r"(?<![\w.])([245])\.(\d{1,3})\.(\d{1,3})(?!\.?\d)")
_CODE = re.compile(r"\b([45]\d\d)\b")
# How our emails are named: by the Message-ID of what came back, the envelope's id (RFC 3461, 4.4), or the address that
# the report was sent to (VERP).
_OWN_ID = re.compile(r"<?notification\.([0-9a-f]{32})@")
_ENVELOPE_ID = re.compile(r"\s*([0-9a-f]{32})\s*\Z")
_VERP = re.compile(r"\+([0-9a-f]{32})@")
_ADDRESSED = ("to", "delivered-to", "x-original-to", "envelope-to", "x-envelope-to")


class Report(NamedTuple):
    """What a report says of one of our emails. `status` is an enhanced code (RFC 3463), `diagnostic` one line.

    `action` is failed, delayed, delivered, relayed or expanded. `hard`: the mailbox does not exist (any more).
    """

    key: UUID
    action: str
    status: str
    diagnostic: str
    hard: bool


def read_report(raw: bytes) -> Report | None:
    """Return what a mail reports of one of our emails; None if it is not a delivery report, or of another's mail.

    Of several recipients the first that failed counts: each of our emails has one, which may be an alias.
    """
    try:
        mail = BytesParser(policy=compat32).parsebytes(raw[:MAX_BYTES])
        parts = list(mail.walk())
    except RecursionError:
        return None
    found = [part for part in parts if part.get_content_type() == "message/delivery-status"]
    if not found:
        return None
    blocks = [block for block in found[0].get_payload() if isinstance(block, Message)]
    key = _key_of(mail, parts, blocks)
    recipients = [block for block in blocks if block.get("action")]
    if key is None or not recipients:
        return None
    failed = [one for one in recipients if _first_word(one["action"]) == "failed"]
    return _report(key, (failed or recipients)[0])


def _key_of(mail: Message, parts: list[Message], blocks: list[Message]) -> UUID | None:
    for match in _marks(mail, parts, blocks):
        if match:
            return UUID(match[1])
    return None


def _marks(
    mail: Message, parts: list[Message], blocks: list[Message]
) -> Iterator[re.Match[str] | None]:
    for name in _ADDRESSED:
        for value in mail.get_all(name, []):
            yield _VERP.search(str(value)[:1000].lower())
    for block in blocks[:1]:
        yield _ENVELOPE_ID.match(str(block.get("original-envelope-id", ""))[:200])
    for part in parts:
        kind = part.get_content_type()
        if kind in ("text/rfc822-headers", "message/rfc822-headers"):
            yield _OWN_ID.search(_text(part))
        elif part is not mail:
            yield _OWN_ID.match(str(part.get("message-id", "")).strip()[:200])


def _text(part: Message) -> str:
    """Return the headers that came back as a text."""
    payload = part.get_payload(decode=True)
    text = payload.decode("latin-1") if isinstance(payload, bytes) else str(part.get_payload())
    found = re.search(r"^message-id:(.*(?:\n[ \t].*)*)", text, re.IGNORECASE | re.MULTILINE)
    return found[1] if found else ""


def _report(key: UUID, recipient: Message) -> Report:
    diagnostic = _line(recipient.get("diagnostic-code", ""))
    stated = _STATUS.search(_line(recipient.get("status", "")))
    quoted = _STATUS.search(diagnostic)
    # 5.0.0 says only "failed": the server's own words may say more
    best = quoted if quoted and (stated is None or stated[0].endswith(".0.0")) else stated
    status = best[0] if best else ""
    action = _first_word(recipient["action"])
    return Report(
        key, action, status, diagnostic, action == "failed" and _is_hard(status, diagnostic)
    )


def _is_hard(status: str, diagnostic: str) -> bool:
    code = _CODE.search(diagnostic)
    number = int(code[1]) if code else 0
    if not status or status.endswith(".0.0"):
        return number in NO_MAILBOX
    kind, subject, detail = (int(part) for part in status.split("."))
    return kind == 5 and is_gone(number, subject, detail)


def _first_word(value: object) -> str:
    words = str(value).split()
    return words[0].lower()[:20] if words else ""


def _line(value: object) -> str:
    text = " ".join(str(value).split())
    return "".join(letter if letter.isprintable() else " " for letter in text)[:400]
