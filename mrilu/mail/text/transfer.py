"""Content-Transfer-Encoding (RFC 2045, 6) undone, keeping whatever can be decoded of a broken body."""

import binascii
import re

from mrilu.mail.clock import timed

_NOT_BASE64 = bytes(
    sorted(
        set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=")
    )
)
_BASE64_AND_SPACE = bytes(set(range(256)) - set(_NOT_BASE64)) + b" \t\r\n"
_ENCODING_WORD = re.compile(r"[a-z0-9-]+")
_NAMES = {
    "base64": "base64",
    "b64": "base64",
    "base-64": "base64",
    "quoted-printable": "quoted-printable",
    "quotedprintable": "quoted-printable",
    "quoted": "quoted-printable",
    "x-uuencode": "uuencode",
    "uuencode": "uuencode",
    "x-uue": "uuencode",
    "uue": "uuencode",
    "x-uu": "uuencode",
    "x-uuencoded": "uuencode",
}
# A line of prose or a rule: a padded or an empty line before it, or a rule of underscores, shows that the encoding
# is over; so do words behind the padding on its own line.
_TEXT_AFTER = re.compile(
    rb"(?<==)(?=[ \t]+[^\s=])"
    rb"|(?:(?<==)|(?<==\r)|\n[ \t\r]{0,9})\n\s{0,9}[^\n]{0,200}?"
    rb"(?:[^A-Za-z0-9+/=\s]|[A-Za-z0-9+/=][ \t]+[A-Za-z0-9+/=])|\n\s{0,9}[_-]{10,}[^\n]{0,9}\n"
)
_COMMENT = re.compile(r"\([^()]{0,200}\)")
_SOFT_BREAK = re.compile(rb"=[ \t]+(?=\r?\n|\Z)")
# Base64 comes in long lines, prose in words. The longest English words have fewer letters than this.
_WORDS = re.compile(rb"\S{1,25}(?:[ \t]+\S{1,25}){2}")
_LONG_RUN = re.compile(rb"[A-Za-z0-9+/]{40}")
# Neither digits nor capitals inside a word.
_PLAIN_WORDS = re.compile(
    rb"(?:[A-Z]?[a-z]{1,25}|[A-Z]{1,9})(?:[ \t]+(?:[A-Z]?[a-z]{1,25}|[A-Z]{1,9}))?"
)
_MOST_FOREIGN = 0.02
_NOT_CONTROLS = bytes(sorted({*range(0x20, 0x7F), *range(0x80, 0x100), *b"\t\n\r\f\x1b"}))
_SHORTEST_RUN = 16
_ESCAPE = re.compile(rb"=(?:[0-9A-F]{2}|\r?\n)")
_BAD_ESCAPE = re.compile(rb"=(?![0-9A-Fa-f]{2}|[ \t]*\r?\n|[ \t]*\Z)")


def encoding_name(value: str) -> str:
    """The encoding that a Content-Transfer-Encoding value means: base64, quoted-printable, uuencode or ""."""
    lowered = value.strip().lower()
    if lowered in _NAMES:
        return _NAMES[lowered]
    word = _ENCODING_WORD.search(
        _COMMENT.sub(" ", lowered[:500]).replace("quoted printable", "quoted-printable")
    )
    return _NAMES.get(word[0], "") if word else ""


def decode_transfer(payload: bytes, encoding: str) -> tuple[bytes, str]:
    """Undo `encoding` (a name from encoding_name); returns the bytes and a defect slug or ""."""
    if encoding == "quoted-printable":
        return _decode_quoted_printable(payload)
    if encoding == "base64":
        return decode_base64(payload)
    return payload, ""


def _decode_quoted_printable(payload: bytes) -> tuple[bytes, str]:
    if b"=" not in payload:
        return payload, ""
    defect = "bad-quoted-printable" if _BAD_ESCAPE.search(payload) else ""
    if b"= " in payload or b"=\t" in payload:
        # Blanks at a line's end were added on the way (RFC 2045, 6.7, rule 3), also behind a soft line break.
        payload = _SOFT_BREAK.sub(b"=", payload)
    return binascii.a2b_qp(payload), defect


def decode_base64(payload: bytes) -> tuple[bytes, str]:
    """Base64 with foreign characters skipped, missing padding supplied and several padded runs joined."""
    if b"=" not in payload.rstrip(b"=\r\n \t") and not payload.translate(None, _BASE64_AND_SPACE):
        try:
            return binascii.a2b_base64(payload), ""
        except binascii.Error:
            pass
    return _decode_broken_base64(payload)


def _decode_broken_base64(payload: bytes) -> tuple[bytes, str]:
    decoded = _decode_runs(payload)
    if _is_text(payload, decoded):
        return _decode_escapes(payload), "bad-base64"
    return decoded, "bad-base64"


def _is_text(payload: bytes, decoded: bytes) -> bool:
    """Tell whether the payload, whatever its label says, is text as it stands.

    It does not begin as base64, has signs or words, and decodes to nothing legible: blanks and signs
    come into true base64 on its way, too.
    """
    first = payload.lstrip().split(b"\n", 1)[0].rstrip()
    if _LONG_RUN.search(first):
        return False
    foreign = len(payload.translate(None, _BASE64_AND_SPACE))
    if foreign > _MOST_FOREIGN * len(payload) or _WORDS.match(first):
        return not _is_legible(decoded)
    return _PLAIN_WORDS.fullmatch(first) is not None and not _is_utf_8(decoded)


def _is_legible(data: bytes) -> bool:
    """Tell whether the bytes are UTF-8 of two characters or more without a control character."""
    return len(data) > 1 and _is_utf_8(data) and not data.translate(None, _NOT_CONTROLS)


def _decode_escapes(payload: bytes) -> bytes:
    """Text that says base64 and is quoted-printable, decoded; other text as it stands."""
    if _ESCAPE.search(payload) and not _BAD_ESCAPE.search(payload):
        return _decode_quoted_printable(payload)[0]
    return payload


def _is_utf_8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _decode_runs(payload: bytes) -> bytes:
    pieces: list[bytes] = []
    if tail := _TEXT_AFTER.search(payload):
        # A list put its footer below an encoded body, a scanner its words behind the padding.
        payload = payload[: tail.start()]
    # Two encodings that were run together: decode each run alone, but a word behind the padding is none.
    for run in timed(re.split(rb"=+", payload.translate(None, _NOT_BASE64))):
        whole = run[:-1] if len(run) % 4 == 1 else run
        decoded = binascii.a2b_base64(whole + b"=" * (-len(whole) % 4))
        if pieces and len(run) < _SHORTEST_RUN and not _is_utf_8(decoded) and _is_utf_8(pieces[0]):
            continue
        pieces.append(decoded)
    return b"".join(pieces)
