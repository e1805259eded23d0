"""Message-IDs (RFC 5322, 3.6.4) in their broken forms, and the identity of a mail."""

import hashlib
import re
import uuid
from collections.abc import Mapping

from jobs.mail.cleaning import clean_line

_ANGLE = re.compile(r"<([^<>]{1,2000})>")
_ADDRESS_LIKE = re.compile(r"[^\s<>\"(),;]+@[^\s<>\"(),;]+")
_COMMENT = re.compile(r"\([^()<>]{0,500}\)")
# RFC 5322, 2.1.1 ends a line at 998 bytes; 600 characters fit into a database's index row in any script.
_MAX_ID_CHARS = 600
_MAX_CHARS = 200_000


def _normal(text: str) -> str:
    """An id without white space (a fold broke it) and controls; it is compared case-sensitively."""
    if text.isascii() and text.isprintable() and " " not in text:
        return text[:_MAX_ID_CHARS]
    return "".join(clean_line(_storable(text)).split())[:_MAX_ID_CHARS]


def _storable(text: str) -> str:
    if text.isascii():
        return text
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def parse_message_id(value: str) -> str:
    """The id of a Message-ID field without its brackets; "" where there is none."""
    value = value[:_MAX_CHARS]
    if match := _ANGLE.search(value):
        return _normal(match[1])
    words = value.strip().strip("<>").split()
    if len(words) == 1:
        return _normal(words[0])
    found = _ADDRESS_LIKE.search(value)
    return _normal(found[0]) if found else ""


def parse_references(value: str, limit: int = 1000) -> tuple[str, ...]:
    """Ids of a References field in order, each once; bare ids count where no brackets are used."""
    value = value[:_MAX_CHARS]
    found = [_normal(text) for text in _ANGLE.findall(value)]
    if not found:
        found = [_normal(word) for word in value.replace("<", " ").replace(">", " ").split() if "@" in word]
    kept = tuple(dict.fromkeys(text for text in found if text))
    # The root and the nearest ancestors matter for threads.
    return kept if len(kept) <= limit else kept[:1] + kept[-(limit - 1):]


def parse_in_reply_to(value: str, limit: int = 1000) -> tuple[str, ...]:
    """Ids of an In-Reply-To field, which old mailers filled with prose.

    'Your message of "Mon, 1 Jan" <id@host>' gives the id; an address in brackets beside an id
    ("<user@host> ... <id@host>") cannot be told apart and is kept; prose without brackets gives only an
    id that stands alone.
    """
    value = value[:_MAX_CHARS]
    if found := [text for text in map(_normal, _ANGLE.findall(value)) if "@" in text]:
        return tuple(dict.fromkeys(found))[:limit]
    words = _COMMENT.sub(" ", value).replace("<", " ").replace(">", " ").split()
    if words and all("@" in word for word in words):
        return tuple(dict.fromkeys(map(_normal, words)))[:limit]
    if found := [text for text in map(_normal, _ANGLE.findall(value)) if text]:
        return tuple(dict.fromkeys(found))[:limit]
    return (_normal(words[0]),) if len(words) == 1 else ()


def derive_message_id(fields: Mapping[str, str], body: bytes) -> str:
    """A stable id for a mail without one, in a domain that cannot exist (RFC 6761).

    It is the hash of what its author made: the trace fields that each copy collects on its way (Received,
    Return-Path, List-*) do not count, nor do line ends.
    """
    made = "\0".join(" ".join(fields.get(name, "").split()) for name in ("from", "to", "cc", "date", "subject"))
    digest = hashlib.blake2b(made.encode("utf-8", "surrogatepass"), digest_size=16)
    digest.update(b"\0" + body.replace(b"\r\n", b"\n").strip())
    return f"{digest.hexdigest()}@content-hash.invalid"


def identity_of(message_id: str, from_address: str, date: str) -> uuid.UUID:
    """16-byte hash of Message-ID, From address (lower case) and date text: equal for copies of one mail only."""
    text = f"{message_id}\0{from_address.lower()}\0{date}"
    return uuid.UUID(bytes=hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).digest())
