"""Message-IDs (RFC 5322, 3.6.4) in their broken forms, and the identity of a mail."""

import hashlib
import re
import uuid
from collections.abc import Mapping, Sequence

from mrilu.mail.message import Address
from mrilu.mail.text.cleaning import clean_line

_ANGLE = re.compile(r"<([^<>]{1,2000})>")
# From the beginning of a word only: a search from each of its letters takes the square of its length.
_ADDRESS_LIKE = re.compile(r"(?<![^\s<>\"(),;])[^\s<>\"(),;]+@[^\s<>\"(),;]+")
_LONE = re.compile(r"<([^<>@\s]{1,300}@[^<>@\s]{1,300})>")
_COMMENT = re.compile(r"(?<![^\s<>\",;])\([^()]{0,500}\)")
# "from Joe", up to the brackets; a date, a colon or one of the words shows that a mail's id is in them.
_FROM_NAME = re.compile(r"\b(?:from|by|von)\s[^\d<>]{1,100}\Z", re.IGNORECASE)
_TELLS_OF_MAIL = re.compile(
    r"[\d:=]|\b(?:messages?|e-?mails?|article|letter|note|post(?:ing)?|nachricht|id|reply)\b",
    re.IGNORECASE,
)
_ID_LIKE = re.compile(r"[^@]*\d{5}")
_MAX_PROSE = 300
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
        found = [
            _normal(word)
            for word in value.replace("<", " ").replace(">", " ").split()
            if "@" in word
        ]
    kept = tuple(dict.fromkeys(text for text in found if text))
    # The root and the nearest ancestors matter for threads.
    return kept if len(kept) <= limit else kept[:1] + kept[-(limit - 1) :]


def parse_in_reply_to(
    value: str, limit: int = 1000, people: Sequence[Address] = ()
) -> tuple[str, ...]:
    """Ids of an In-Reply-To field, which old mailers filled with prose; the addresses of `people` are not ids.

    'Your message of "Mon, 1 Jan" <id@host>' (MH) gives the id, 'Message from Joe <joe@host> of "Mon, 1 Jan"
    <id@host>' (exmh) the last one, and 'Joe <joe@host> "Re: tea" (Jan 1, 10:00am)' (Z-Mail) none; prose without
    brackets gives only an id that stands alone.
    """
    if not value:
        return ()
    value = value[:_MAX_CHARS].strip()
    if (match := _LONE.fullmatch(value)) and _ID_LIKE.match(match[1]):
        return (_normal(match[1]),)
    known = {person.address.lower() for person in people}
    found = _bracketed_replies(value) or _bare_replies(value)
    return tuple(dict.fromkeys(text for text in found if text and text.lower() not in known))[
        :limit
    ]


def _bracketed_replies(value: str) -> list[str]:
    """All ids in brackets; where prose stands around them, the last that is not an address; [""] where all are."""
    without = _COMMENT.sub(" ", value)
    found = [match for match in _ANGLE.finditer(without) if "@" in match[1]]
    if not found or not _ANGLE.sub("", without).strip(" \t\r\n,;"):
        return [_normal(match[1]) for match in found]
    starts = [0, *(match.end() for match in found)]
    for match, start in zip(reversed(found), reversed(starts[:-1]), strict=True):
        if _ID_LIKE.match(match[1]) or not _follows_name(
            without[start : match.start()][-_MAX_PROSE:]
        ):
            return [_normal(match[1])]
    return [""]


def _follows_name(words: str) -> bool:
    """Tell whether brackets behind these words hold the address of who wrote the mail that is answered."""
    words = words.strip(" \t\r\n,;.(\"'")
    if _FROM_NAME.search(words):
        return True
    return bool(words) and not _TELLS_OF_MAIL.search(words)


def _bare_replies(value: str) -> list[str]:
    words = _COMMENT.sub(" ", value).replace("<", " ").replace(">", " ").split()
    if words and all("@" in word for word in words):
        return [_normal(word) for word in words]
    if found := [text for text in map(_normal, _ANGLE.findall(value)) if text]:
        return found
    return [_normal(words[0])] if len(words) == 1 else []


def derive_message_id(fields: Mapping[str, str], body: bytes) -> str:
    """A stable id for a mail without one, in a domain that cannot exist (RFC 6761).

    It is the hash of what its author made: the trace fields that each copy collects on its way (Received,
    Return-Path, List-*) do not count, nor do line ends.
    """
    made = "\0".join(
        " ".join(fields.get(name, "").split()) for name in ("from", "to", "cc", "date", "subject")
    )
    digest = hashlib.blake2b(made.encode("utf-8", "surrogatepass"), digest_size=16)
    digest.update(b"\0" + body.replace(b"\r\n", b"\n").strip())
    return f"{digest.hexdigest()}@content-hash.invalid"


def identity_of(message_id: str, from_address: str, date: str) -> uuid.UUID:
    """16-byte hash of Message-ID, From address (lower case) and date text: equal for copies of one mail only."""
    text = f"{message_id}\0{from_address.lower()}\0{date}"
    return uuid.UUID(
        bytes=hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).digest()
    )
