"""Header text: encoded words (RFC 2047), raw UTF-8 (RFC 6532) and unlabelled 8-bit, decoded to a line."""

import binascii
import re

from mrilu.mail.text.charset import decode_text
from mrilu.mail.text.cleaning import clean_line
from mrilu.mail.text.transfer import decode_base64

# Bounded, so that a megabyte of "=?" costs a megabyte and not its square. Blanks and a few "?" inside are illegal
# but seen.
_WORD = re.compile(r"=\?([^?\s=]{0,60})\?([bBqQ])\?([^?]*+(?:\?(?!=)[^?]{0,300}+){0,10})\?=")
_MAX_HEADER_CHARS = 64_000
# Surrogates that hide no byte (U+DC80 to U+DCFF do): UTF-7 can give them.
_LONE_SURROGATE = re.compile("[\ud800-\udc7f\udd00-\udfff]")


def decode_header(value: str, hint: str = "") -> str:
    """One header value (folded, surrogate-escaped) as a clean line; `hint` is the charset of raw 8-bit text."""
    value = value[:_MAX_HEADER_CHARS]
    if value.isascii() and "=?" not in value and "\x1b" not in value:
        return clean_line(value)
    return clean_line(decode_words(value, hint))


def decode_words(value: str, hint: str = "") -> str:
    """Decode the encoded words in `value`, and its raw 8-bit text by the rules for bodies."""
    value = value[:_MAX_HEADER_CHARS]
    if "=?" not in value:
        return decode_raw(value, hint)
    pieces: list[str] = []
    run: list[tuple[str, str, str]] = []
    end = 0
    for match in _WORD.finditer(value):
        between = value[end : match.start()]
        # White space between two encoded words is not part of the text (RFC 2047, 6.2).
        if between.strip() or not run:
            pieces.append(_decode_run(run))
            pieces.append(decode_raw(between, hint))
            run = []
        run.append((match[1].partition("*")[0].lower(), match[2].lower(), match[3]))
        end = match.end()
    pieces.append(_decode_run(run))
    pieces.append(decode_raw(value[end:], hint))
    return "".join(pieces)


def decode_raw(value: str, hint: str) -> str:
    """Text that is not in encoded words: ASCII, or 8-bit bytes hidden as surrogates, or ISO-2022 escapes."""
    if value.isascii() and "\x1b" not in value:
        return value
    try:
        data = value.encode("ascii", "surrogateescape")
    except UnicodeEncodeError:
        return value
    return decode_text(data, "", hint)[0]


def _decode_run(run: list[tuple[str, str, str]]) -> str:
    """Neighbouring words of one charset are joined as bytes first: mailers split characters (against RFC 2047, 5)."""
    text, index = [], 0
    while index < len(run):
        charset, data = run[index][0], b""
        while index < len(run) and run[index][0] == charset:
            encoded, step = _joined_base64(run, index)
            data += _decode_word(run[index][1], encoded)
            index += step
        text.append(decode_text(data, charset)[0])
    return "".join(text)


def _joined_base64(run: list[tuple[str, str, str]], index: int) -> tuple[str, int]:
    """Text of the word at index, with the following words' where base64 was cut inside a group of four."""
    charset, kind, text = run[index]
    pieces, step, length = [text], 1, len(text)
    while (
        kind == "b"
        and length % 4
        and not pieces[-1].endswith("=")
        and index + step < len(run)
        and run[index + step][:2] == (charset, "b")
    ):
        pieces.append(run[index + step][2])
        length += len(pieces[-1])
        step += 1
    if length % 4 == 1:
        # No base64 has that length: each word is whole, and lacks its padding.
        return text, 1
    return "".join(pieces), step


def _decode_word(kind: str, text: str) -> bytes:
    raw = text.encode("ascii") if text.isascii() else _bytes_behind(text)
    if kind == "b":
        return decode_base64(raw)[0]
    # A fold inside the word is none of its text; "_" is a blank (RFC 2047, 4.2).
    unfolded = (
        raw.replace(b"\r", b"").replace(b"\n", b"").rstrip(b"=") if raw.endswith(b"=") else raw
    )
    return binascii.a2b_qp(unfolded.replace(b"\r\n", b"").replace(b"\n", b""), header=True)


def _bytes_behind(text: str) -> bytes:
    """What a word held before something else decoded it: percent-encoding, or an encoded word around this one."""
    return _LONE_SURROGATE.sub("\ufffd", text).encode("utf-8", "surrogateescape")
