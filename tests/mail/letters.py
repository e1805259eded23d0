"""Small mails for the parser's tests."""

from mrilu.mail.message import ParsedMessage
from mrilu.mail.parse import parse_message

HEADER = (
    b"From: Ann Example <ann@example.org>\nTo: list@example.org\nSubject: Tea\n"
    b"Date: Tue, 9 Nov 1999 18:50:39 +0100\nMessage-ID: <one@example.org>\n"
)


def letter(*lines: bytes, body: bytes = b"Hello\n", header: bytes = HEADER) -> bytes:
    """A mail with the usual header, further header `lines` and a body."""
    return header + b"".join(line + b"\n" for line in lines) + b"\n" + body


def read(*lines: bytes, body: bytes = b"Hello\n", header: bytes = HEADER) -> ParsedMessage:
    """The parsed form of letter()."""
    return parse_message(letter(*lines, body=body, header=header))


def with_field(name: bytes, value: bytes, body: bytes = b"Hello\n") -> ParsedMessage:
    """A parsed mail in which one field is replaced."""
    kept = [
        line for line in HEADER.splitlines() if not line.lower().startswith(name.lower() + b":")
    ]
    return parse_message(b"\n".join([*kept, name + b": " + value, b"", body]))
