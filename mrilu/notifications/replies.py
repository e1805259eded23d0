"""What an SMTP server's reply means for a mail, and for all others (RFC 5321, 4.2 and RFC 3463). Pure."""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple

_ENHANCED = re.compile(r"\A([245])\.(\d{1,3})\.(\d{1,3})\b")
# 530 authentication required, 534, 535, 538 login refused (RFC 4954, 6); 523 and 524 are its older relatives.
_AUTHENTICATION = frozenset((523, 524, 530, 534, 535, 538))
# The mailbox is not there: 550, 551, 553 of RFC 5321, and 521, 556 of RFC 7504 (a host or domain without mail).
_NO_MAILBOX = frozenset((521, 550, 551, 553, 556))


class Verdict(Enum):
    """What to do: try again later, give the mail up, give the address up too, or hold all mail."""

    RETRY = "retry"
    DEAD = "dead"
    BOUNCE = "bounce"
    POLICY = "policy"


class Reply(NamedTuple):
    """A reply and what it answered: "mail", "rcpt" or "data"."""

    stage: str
    code: int
    text: str

    def __str__(self) -> str:
        return f"{self.stage.upper()}: {self.code} {self.text}"[:500]


def verdict(reply: Reply) -> Verdict:
    """Judge a reply that is no yes.

    4xx: later. 5xx to MAIL is about us, as is 5.7.x ("policy") and a request to log in. Any other 5xx to RCPT
    is about the recipient: a mailbox that is not there bounces, a full one (5.2.2) does not; after DATA
    it is about this mail.
    """
    if reply.code < 500:
        return Verdict.RETRY
    subject, detail = _enhanced(reply.text)
    if reply.stage == "mail" or subject == 7 or reply.code in _AUTHENTICATION:
        return Verdict.POLICY
    if reply.stage == "rcpt" and _is_gone(reply.code, subject, detail):
        return Verdict.BOUNCE
    return Verdict.DEAD


def _is_gone(code: int, subject: int, detail: int) -> bool:
    if subject < 0:
        return code in _NO_MAILBOX
    return subject == 1 or (subject, detail) == (2, 1)


def _enhanced(text: str) -> tuple[int, int]:
    """Return subject and detail of an enhanced status code; (-1, -1) where there is none."""
    match = _ENHANCED.match(text)
    return (int(match[2]), int(match[3])) if match else (-1, -1)


def readable(raw: bytes) -> str:
    """Return a reply's text as one clean line."""
    text = raw.decode("utf-8", "replace")
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())[
        :400
    ]
