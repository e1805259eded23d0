"""Names of files and folders as a terminal may show them: whoever delivers mail chooses them."""

from __future__ import annotations

import os

from mrilu.maildir.names import to_disk


def visible(text: str) -> str:
    """Return the text with control characters, and bytes that are not UTF-8, as escapes (``\\x1b``, ``\\xff``)."""
    if text.isascii() and text.isprintable():
        return text
    told = os.fsencode(to_disk(text)).decode("utf-8", "backslashreplace")
    return "".join(one if one.isprintable() else _escaped(one) for one in told)


def _escaped(one: str) -> str:
    return one.encode("unicode_escape").decode("ascii")
