"""Mail addresses and header texts that cannot add to a header. Pure."""

from __future__ import annotations

import re
import unicodedata

import idna

# RFC 5321, 4.1.2, without quoted local parts, which only attackers use; RFC 6531 adds letters beyond ASCII.
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.\u0080-\U0010ffff-]{1,64}")
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_MESSAGE_ID = re.compile(r"[!-;=?-~]{1,120}@[!-;=?-~]{1,120}")
# Line and paragraph separators, and marks that turn the direction of what follows.
_SEPARATORS = re.compile("[\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_SPACES = re.compile("[ \t\r\n\x0b\x0c]+")
MAX_LINE = 200


class InvalidAddress(ValueError):
    """This is not a mail address."""

    def __init__(self, text: str) -> None:
        super().__init__(f"{text[:100]!r} is not a mail address")


def checked_address(text: str) -> str:
    """Return the address with its domain in lower-case ASCII; raises InvalidAddress.

    The domain is encoded by IDNA 2008 (RFC 5891, after the mapping of UTS 46): that of 2003 made another owner's
    domain of one with "ß" or "ς".
    """
    local, at, domain = text.strip().rpartition("@")
    try:
        domain = _ascii_domain(domain)
    except UnicodeError as error:
        raise InvalidAddress(text) from error
    printable = all(unicodedata.category(letter)[0] not in "CZ" for letter in local)
    labels = domain.split(".")
    if (
        not at
        or not printable
        or not _LOCAL.fullmatch(local)
        or local.startswith(".")
        or local.endswith(".")
    ):
        raise InvalidAddress(text)
    if len(local.encode()) > 64 or len(domain) > 253 or not all(map(_LABEL.fullmatch, labels)):
        raise InvalidAddress(text)
    return f"{local}@{domain}"


def _ascii_domain(domain: str) -> str:
    """Return a domain in ASCII; one that is ASCII already is only looked at where it is encoded ("xn--")."""
    lower = domain.lower()
    if domain.isascii() and "xn--" not in lower:
        return lower
    return idna.encode(domain, uts46=True, transitional=False).decode("ascii").lower()


def one_line(text: str, limit: int = MAX_LINE) -> str:
    """Return `text` as one clean line of at most `limit` characters, fit for a header.

    Controls (line ends among them), separators, direction marks and lone surrogates become spaces, and a run of spaces
    becomes one. Wider or no-break spaces stay.
    """
    if not text.isprintable():  # most are: looking at each letter takes a hundred times as long
        text = "".join(
            " " if unicodedata.category(letter) in ("Cc", "Cs") else letter for letter in text
        )
        text = _SEPARATORS.sub(" ", text)
    line = _SPACES.sub(" ", text).strip()
    return line if len(line) <= limit else f"{_cut(line, limit - 1).rstrip()}…"


def _cut(text: str, length: int) -> str:
    """Cut before a combining mark or joiner, so that no letter loses its accents."""
    while length and (unicodedata.combining(text[length]) or text[length] in "\u200d\ufe0f"):
        length -= 1
    return text[:length]


def bracketed_ids(ids: list[str]) -> list[str]:
    """Return those Message-IDs (without brackets) that are fit for a header, each once, in brackets."""
    return [f"<{one}>" for one in dict.fromkeys(ids) if _MESSAGE_ID.fullmatch(one)]
