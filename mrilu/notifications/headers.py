"""Texts of people in header fields: encoded words (RFC 2047) that decode to what they were, blanks included. Pure.

The standard library's folding loses or doubles blanks between encoded words, so this is done here.
"""

from __future__ import annotations

import unicodedata
from base64 import b64encode
from collections.abc import Iterator

MAX_LINE = 76  # characters of a line with an encoded word (RFC 2047, 2)
MAX_WORD = 64  # of an encoded word; the RFC's 75 would not fit behind "Subject: "
_START, _END = "=?utf-8?", "?="
_ROOM = MAX_WORD - len(f"{_START}b?{_END}")
# What Q leaves as it is, in a phrase as well (RFC 2047, 5 (3)).
_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")
_LONGEST_PLAIN = 60


def encoded_text(text: str, *, indent: int) -> str:
    """Return an unstructured field's value, folded, for a name and colon of `indent` characters.

    `text` is one line without controls or lone surrogates. What is between its first and its last word that is not
    plain ASCII is encoded, so that only blanks between plain words stand outside of encoded words.
    """
    words = text.split(" ")
    special = [number for number, word in enumerate(words) if _is_special(word)]
    if not special:
        return _folded(words, indent)
    first, last = special[0], special[-1] + 1
    inside = " ".join(words[first:last])
    return _folded([*words[:first], *_encoded_words(inside), *words[last:]], indent)


def encoded_mailbox(name: str, address: str, *, indent: int) -> str:
    """Return `name <address>` for a field such as From, folded; the address is ASCII."""
    if not name:
        return address
    if name.isascii() and "=?" not in name:
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        atoms = name.replace(" ", "").replace("-", "").isalnum()
        return _folded([name if atoms else f'"{quoted}"', f"<{address}>"], indent)
    return _folded([*_encoded_words(name), f"<{address}>"], indent)


def _is_special(word: str) -> bool:
    """Tell whether a word cannot stand as it is; an empty one is a blank beside another."""
    return not word or not word.isascii() or "=?" in word or len(word) > _LONGEST_PLAIN


def _folded(words: list[str], indent: int) -> str:
    lines: list[str] = []
    line, room = "", MAX_LINE - indent
    for word in words:
        if line and len(line) + 1 + len(word) > room:
            lines.append(line)
            line, room = word, MAX_LINE - 1
        else:
            line = f"{line} {word}" if line else word
    return "\r\n ".join([*lines, line])


def _encoded_words(text: str) -> list[str]:
    raw = text.encode()
    quoted = sum(1 if byte in _PLAIN or byte == 32 else 3 for byte in raw)
    encode = _q if quoted <= (len(raw) + 2) // 3 * 4 else _b
    return [
        f"{_START}{encode.__name__[1:]}?{encode(part.encode())}{_END}"
        for part in _parts(text, encode is _q)
    ]


def _q(raw: bytes) -> str:
    return "".join(
        chr(byte) if byte in _PLAIN else "_" if byte == 32 else f"={byte:02X}" for byte in raw
    )


def _b(raw: bytes) -> str:
    return b64encode(raw).decode("ascii")


def _parts(text: str, quoted: bool) -> Iterator[str]:
    """Cut the text so that each part fits into an encoded word, and no letter loses its accents to the next one."""
    part, size = "", 0
    room = _ROOM if quoted else _ROOM // 4 * 3
    for cluster in _clusters(text):
        needs = len(_q(cluster.encode())) if quoted else len(cluster.encode())
        if part and size + needs > room:
            yield part
            part, size = "", 0
        part, size = part + cluster, size + needs
    yield part


def _clusters(text: str) -> Iterator[str]:
    """Yield each letter with the marks and joiners behind it, as long as they fit into an encoded word."""
    cluster = ""
    for letter in text:
        joined = (
            unicodedata.combining(letter) or letter in "\u200d\ufe0f" or cluster[-1:] == "\u200d"
        )
        if cluster and not (joined and len(_q((cluster + letter).encode())) <= _ROOM * 3 // 4):
            yield cluster
            cluster = ""
        cluster += letter
    if cluster:
        yield cluster
