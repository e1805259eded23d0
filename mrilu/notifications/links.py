"""Links in notifications: where the news can be read, and signed ones that unsubscribe. Pure."""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode
from typing import NamedTuple
from urllib.parse import quote

_TOKEN = re.compile(r"([0-9]{1,19})\.([0-9]{1,19}|all)\.([0-9]{1,9})\.([A-Za-z0-9_-]{27})")


class Stop(NamedTuple):
    """Whose subscription a token gives up: one, or (None) all that were made before the `epoch` ended."""

    subscriber: int
    subscription: int | None
    epoch: int


def message_url(site: str, number: int) -> str:
    """Return where a message of the archive can be read."""
    return f"{site}/message/{number}"


def word_url(site: str, word: str) -> str:
    """Return where a word of the dictionary can be read."""
    return f"{site}/word/{quote(word, safe='')}"


def unsubscribe_url(site: str, token: str) -> str:
    """Return what a mail client POSTs to (RFC 8058), or a person opens, to unsubscribe."""
    return f"{site}/unsubscribe/{token}"


def sign(stop: Stop, key: bytes) -> str:
    """Return the token of a Stop: its numbers and 160 bits of HMAC-SHA-256 over them."""
    which = "all" if stop.subscription is None else str(stop.subscription)
    text = f"{stop.subscriber}.{which}.{stop.epoch}"
    return f"{text}.{_signature(text, key)}"


def verify(token: str, key: bytes) -> Stop | None:
    """Return what a token asks for; None if we did not sign it."""
    match = _TOKEN.fullmatch(token)
    if match is None or not hmac.compare_digest(
        _signature(token.rpartition(".")[0], key), match[4]
    ):
        return None
    return Stop(int(match[1]), None if match[2] == "all" else int(match[2]), int(match[3]))


def _signature(text: str, key: bytes) -> str:
    digest = hmac.new(key, b"unsubscribe:" + text.encode(), hashlib.sha256).digest()
    return urlsafe_b64encode(digest[:20]).decode().rstrip("=")
