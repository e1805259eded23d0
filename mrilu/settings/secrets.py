"""Passwords in texts, and how they are hidden."""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import quote, unquote, unquote_plus

# The last @ ends the user's part, as in urlsplit. A comma parts the sources of a list.
_USER_PASSWORD = re.compile(r"(?<=://)([^/\s:@?#]*):([^/\s?#]*)@")
_ASKED_PASSWORD = re.compile(
    r"(?i)([?&](?:\w*passw(?:or)?d|(?:\w+_)?token|secret|api_?key)=)((?:(?!,(?:[\w-]+=)?https?://)[^&#\s])*)"
)


def masked(text: str) -> str:
    """Return a URL, or a text with URLs in it, with the passwords hidden, for logs and `status`."""
    return _USER_PASSWORD.sub(r"\1:***@", _ASKED_PASSWORD.sub(r"\1***", text))


def hidden(text: str, secrets: Collection[str]) -> str:
    """Return the text without these secrets, and with the passwords of whatever URLs it holds hidden."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return masked(text)


def passwords_in(text: str) -> set[str]:
    """Return the passwords of the URLs in a text in each form that others may show: as written, and as meant.

    A "+" of a query is a space to some (RFC 1866, 8.2.1) and a plus to others (libpq).
    """
    written = {
        match[2]
        for match in (*_USER_PASSWORD.finditer(text), *_ASKED_PASSWORD.finditer(text))
        if match[2]
    }
    meant = {plain for word in written for plain in (unquote(word), unquote_plus(word))}
    return written | meant | {quote(word, safe="") for word in meant}
