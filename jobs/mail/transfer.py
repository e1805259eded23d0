"""Content-Transfer-Encoding (RFC 2045, 6) undone, keeping whatever can be decoded of a broken body."""

import binascii
import re

_NOT_BASE64 = bytes(sorted(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=")))
_BASE64_AND_SPACE = bytes(set(range(256)) - set(_NOT_BASE64)) + b" \t\r\n"
_ENCODING_WORD = re.compile(r"[a-z0-9-]+")
_NAMES = {"base64": "base64", "b64": "base64", "base-64": "base64", "quoted-printable": "quoted-printable",
          "quotedprintable": "quoted-printable", "quoted": "quoted-printable", "x-uuencode": "uuencode",
          "uuencode": "uuencode", "x-uue": "uuencode", "uue": "uuencode"}
# A line of prose or a rule: a padded line before it, or a rule of underscores, shows that the encoding is over.
_TEXT_AFTER = re.compile(rb"(?:(?<==)|(?<==\r))\n\s{0,9}[^\n]{0,200}?[^A-Za-z0-9+/=\s]|\n\s{0,9}[_-]{10,}[^\n]{0,9}\n")
_BAD_ESCAPE = re.compile(rb"=(?![0-9A-Fa-f]{2}|[ \t]*\r?\n|[ \t]*\Z)")


def encoding_name(value: str) -> str:
    """The encoding that a Content-Transfer-Encoding value means: base64, quoted-printable, uuencode or ""."""
    lowered = value.strip().lower()
    if lowered in _NAMES:
        return _NAMES[lowered]
    word = _ENCODING_WORD.search(lowered.replace("quoted printable", "quoted-printable"))
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
    pieces = []
    if tail := _TEXT_AFTER.search(payload):
        # A list put its footer below an encoded body.
        payload = payload[:tail.start()]
    # A footer appended by a list after the padding, or two encodings run together: decode each run alone.
    for run in re.split(rb"=+", payload.translate(None, _NOT_BASE64)):
        whole = run[:-1] if len(run) % 4 == 1 else run
        pieces.append(binascii.a2b_base64(whole + b"=" * (-len(whole) % 4)))
    return b"".join(pieces), "bad-base64"
