"""Addresses of people are not spelt out for readers: anyone, and any harvester, may read the pages."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mrilu.notifications.links import PURPOSES

# Links that need no login, where a notification was quoted: the key is what is hidden.
_SIGNED = re.compile(rf"/(?:{'|'.join(PURPOSES)})/([\w.-]+)")
# As it stands in text, in an address of a page (%40), or with a wide sign; a domain, or a literal (RFC 5321, 4.1.3).
_ADDRESS = re.compile(
    r"(?<=[^\s<>(),;:\[\]])(?:@|＠|%40)(?:\[[^\]\s]{1,60}\]|(?:[\w-]{1,63}\.){1,8}[\w-]{1,63}|localhost\b)",
    re.IGNORECASE,
)
_AT = ("@", "＠", "%40")


def masked(text: str) -> str:
    """Return the text without the domains of mail addresses and without the keys of signed links."""
    return _without(_hidden(text), text, 0, len(text))


def masked_parts(parts: Sequence[str]) -> list[str]:
    """Return the parts of a text, masked as the whole of it is: an address may reach over several of them."""
    whole = "".join(parts)
    if not (hidden := _hidden(whole)):
        return list(parts)
    made, place = [], 0
    for part in parts:
        made.append(_without(hidden, whole, place, place + len(part)))
        place += len(part)
    return made


def _hidden(text: str) -> list[tuple[int, int]]:
    """Return the spans that are hidden. Most texts have none of their signs, which is soon seen."""
    hidden = [found.span(1) for found in _SIGNED.finditer(text)] if "/" in text else []
    if any(sign in text for sign in _AT):
        hidden += [found.span() for found in _ADDRESS.finditer(text)]
    return sorted(hidden)


def _without(hidden: Sequence[tuple[int, int]], whole: str, start: int, end: int) -> str:
    """Return whole[start:end] without the hidden spans; a mark is where one of them begins."""
    shown = []
    for first, last in hidden:
        if start < last and first < end:
            shown.append(whole[start:first])
            if first >= start:
                shown.append("@…" if whole[first] in "@＠%" else "…")
            start = min(last, end)
    return "".join([*shown, whole[start:end]])
