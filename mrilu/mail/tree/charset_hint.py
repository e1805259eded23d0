"""Which charset a mail's unlabelled texts are in: what its labels, encoded words and bytes together tell."""

import re

from mrilu.mail.headers.parameters import charset_of
from mrilu.mail.text.charset import is_latin_or_utf_8
from mrilu.mail.text.guess import guess_charset, is_foreign
from mrilu.mail.text.transfer import decode_transfer
from mrilu.mail.tree.structure import Part

_SHOWN = ("subject", "from", "to", "cc", "reply-to")
_WORD_CHARSET = re.compile(r"=\?([^?\s=*]{1,40})(?:\*[^?\s]{0,20})?\?[bBqQ]\?")
_SAMPLE = 20_000


def charset_hints(part: Part, ascii_header: bool) -> tuple[str, str]:
    """Return the charset labels to try on unlabelled text and on raw 8-bit header fields; "" for none.

    A label that names another alphabet counts first: of the first text part, then of the encoded words.
    Without one, header and body are guessed at together, since a subject alone is often too short.
    """
    leaf, label = _first_text(part)
    if ascii_header and label and label.lower() != "us-ascii":
        return label, label
    if ascii_header and leaf is part and not part.encoding and part.payload.isascii():
        return label, label
    if label and not is_latin_or_utf_8(label):
        return label, label
    if words := _charset_of_words(part):
        return words, words
    header = b"" if ascii_header else _raw_header(part)
    body = _raw_body(leaf, label, wanted=bool(header))
    if not header and not body:
        return label, label
    joined = header + b" " + body if is_foreign(header) else body
    guessed = guess_charset(joined[:_SAMPLE]) or label
    return guessed, label if header and not is_foreign(header) else guessed


def _first_text(part: Part) -> tuple[Part, str]:
    """The first leaf, and the charset of the part on the way to it that names one."""
    label = ""
    while True:
        label = label or (charset_of(part.parameters) if part.parameters else "")
        if not part.children:
            return part, label
        part = part.children[0]


def _charset_of_words(part: Part) -> str:
    for name in _SHOWN:
        value = part.by_name.get(name, "")
        if "=?" in value:
            for charset in _WORD_CHARSET.findall(value[:2000]):
                if not is_latin_or_utf_8(charset):
                    return str(charset)
    return ""


def _raw_header(part: Part) -> bytes:
    """The 8-bit bytes of the fields that are shown, unless they are UTF-8."""
    values = (part.by_name.get(name, "")[:2000] for name in _SHOWN)
    joined = " ".join(value for value in values if not value.isascii())
    return _unless_utf_8(joined.encode("ascii", "surrogateescape")) if joined else b""


def _raw_body(leaf: Part, label: str, wanted: bool) -> bytes:
    """The bytes of a text whose label names no charset of other than Latin letters, unless they are UTF-8."""
    if leaf.content_type[:5] != "text/" or not (wanted or not label or label.lower() == "us-ascii"):
        return b""
    if not leaf.encoding and leaf.payload.isascii():
        return b""
    return _unless_utf_8(decode_transfer(leaf.payload, leaf.encoding)[0][:_SAMPLE])


def _unless_utf_8(data: bytes) -> bytes:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        # A character that was cut off at the end of the sample is not a fault.
        return data if error.start < len(data) - 3 or len(data) < _SAMPLE else b""
    return b""
