"""The addresses of messages that survive a new database: hashes of their Message-IDs.

The hash is the one that Mailman 3 and HyperKitty use (X-Message-ID-Hash), so that their links lead here by calculation.
"""

from __future__ import annotations

from base64 import b32decode, b32encode
from binascii import Error
from hashlib import sha1

HASH_CHARS = 32


def hash_of(message_id: str) -> str:
    """Return base32(sha1(Message-ID without brackets)): 32 capitals and digits."""
    return b32encode(_digest(message_id)).decode()


def permalink_of(message_id: str) -> int:
    """Return the first 64 bits of the hash as a signed number, by which the database finds the message."""
    return int.from_bytes(_digest(message_id)[:8], "big", signed=True)


def permalink_in(text: str) -> int | None:
    """Return the number that a hash in an address (of any letter case) leads to; None if it is no such hash."""
    try:
        digest = b32decode(text, casefold=True) if len(text) == HASH_CHARS else b""
    except (Error, ValueError):
        return None
    return int.from_bytes(digest[:8], "big", signed=True) if digest else None


def _digest(message_id: str) -> bytes:
    name = message_id.encode("utf-8", "surrogatepass")
    return sha1(name, usedforsecurity=False).digest()
