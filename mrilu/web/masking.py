"""Addresses of people are not spelt out for readers: anyone, and any harvester, may read the pages."""

from __future__ import annotations

import re

from mrilu.notifications.links import PURPOSES

# Links that need no login, where a notification was quoted.
_SIGNED = re.compile(rf"(/(?:{'|'.join(PURPOSES)})/)[\w.-]+")
_ADDRESS = re.compile(r"(?<=[\w.+-])@(?:[\w-]{1,63}\.){1,8}[\w-]{1,63}")


def masked(text: str) -> str:
    """Return the text without the domains of mail addresses and without the keys of signed links."""
    if "@" not in text and "/" not in text:
        return text
    return _ADDRESS.sub("@…", _SIGNED.sub(r"\1…", text))
