"""Addresses masked in the lines of a raw mail; Message-IDs stay, since they are what links are made of. Pure."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable, Iterator
from email.errors import HeaderParseError
from email.header import Header, decode_header, make_header

from mrilu.mail.text.transfer import decode_base64
from mrilu.web.masking import masked

LONGEST = 64 * 1024  # bytes of a line; a longer one is masked in pieces
_IDS = re.compile(rb"(?i)(?:(?:resent-|x-)?message-id|in-reply-to|references|content-id)[ \t]*:")
_FIELD = re.compile(rb"[!-9;-~]{1,100}[ \t]*:")
# RFC 2047; and the recipient in a sender's address (VERP): list-bounces+ann=people.example@lists.example
_WORD = re.compile(r"=\?[\w.*-]{1,60}\?[bq]\?[^?\s]{0,1000}\?=", re.IGNORECASE)
_VERP = re.compile(r"(?<=[\w.])[+-][\w.+-]{1,64}=[\w.-]{1,200}(?==?[@＠])")
_QUOTED_SIGN = re.compile(r"(?<=[\w.+-])=40(?=(?:[\w-]{1,63}\.){1,8}[\w-]{2,63})")
_TYPE = re.compile(rb"(?i)content-type[ \t]*:[ \t]*text/")
_ENCODED = re.compile(rb"(?i)content-transfer-encoding[ \t]*:[ \t]*\"?base64")
_BOUNDARY = re.compile(rb"--[^\s<>,;]{10,80}\s*")
_MOST_CODED = 100_000  # lines of base64 that are masked as one text
_BASE64_LINE = re.compile(rb"[A-Za-z0-9+/=]{0,998}\s*")  # a broken one, too


def masked_lines(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield text line by line, masked."""
    for line in lines:
        yield _masked(line)


def masked_mail(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the lines of a mail, masked in its header, in the headers of its parts and in its texts.

    A text in base64 is masked within, so that it decodes to what its pages show.
    """
    header = _Header()
    coded: list[bytes] = []
    for line in lines:
        if coded and not (_BASE64_LINE.fullmatch(line) and len(coded) < _MOST_CODED):
            yield from _recoded(coded)
            coded = []
        if not header.open and line.startswith(b"--"):
            header = _Header()
            # A boundary may look like an address, and has to stay itself; a separator of signatures has no sign.
            yield line if _BOUNDARY.fullmatch(line) else _masked(line)
        elif header.open:
            yield line if header.keeps(line) else _masked(line)
        elif header.hides_text and _BASE64_LINE.fullmatch(line):
            coded.append(line)
        else:
            yield _masked(line)
    yield from _recoded(coded)


class _Header:
    """The header of a mail or a part as it goes by, and what it says of the body."""

    def __init__(self) -> None:
        self.open, self._of_id = True, False
        self._text, self._base64 = True, False

    @property
    def hides_text(self) -> bool:
        """Whether the body is a text in base64."""
        return self._text and self._base64

    def keeps(self, line: bytes) -> bool:
        """Take in the next line; tell whether it holds Message-IDs, and is no one's address."""
        if line[:1] in (b" ", b"\t") and line.strip():
            return self._of_id
        # What is no field ends a header: a line that only looks like a boundary hides nothing.
        self.open = bool(_FIELD.match(line)) or line.startswith((b"From ", b"--"))
        self._of_id = bool(_IDS.match(line))
        if line[:13].lower() == b"content-type:":
            self._text = bool(_TYPE.match(line))
        self._base64 = self._base64 or bool(_ENCODED.match(line))
        return self._of_id


def _masked(line: bytes) -> bytes:
    if line.isascii() and not any(sign in line for sign in (b"@", b"=", b"%40", b"/")):
        return line
    text = line.decode("utf-8", "surrogateescape")
    text = _VERP.sub("+…", _QUOTED_SIGN.sub("@", text)) if "=" in text else text
    return masked(_WORD.sub(_masked_word, text)).encode("utf-8", "surrogateescape")


def _masked_word(found: re.Match[str]) -> str:
    try:
        text = str(make_header(decode_header(found[0])))
    except (HeaderParseError, LookupError, ValueError):
        return found[0]
    hidden = masked(text)
    return found[0] if hidden == text else Header(hidden, "utf-8").encode()


def _recoded(lines: list[bytes]) -> Iterator[bytes]:
    """Yield lines of base64 whose text is masked; as they are where nothing is to be masked."""
    if not lines:
        return
    data = decode_base64(b"".join(lines))[0]
    hidden = b"".join(_masked(line) for line in data.splitlines(keepends=True))
    if hidden == data:
        yield from lines
        return
    end = b"\r\n" if lines[0].endswith(b"\r\n") else b"\n"
    for start in range(0, len(hidden), 57):
        yield binascii.b2a_base64(hidden[start : start + 57], newline=False) + end
