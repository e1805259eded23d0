"""The tolerant way: the standard library's feed parser (policy compat32) builds the tree, we turn it into Parts."""

import re
from email.feedparser import BytesFeedParser
from email.message import Message
from email.policy import Compat32, compat32
from typing import Any

from mrilu.mail.headers.parameters import content_type_of
from mrilu.mail.message import RejectedMail
from mrilu.mail.text.transfer import decode_transfer
from mrilu.mail.tree.cms import read_cms
from mrilu.mail.tree.repair import open_mail
from mrilu.mail.tree.structure import NESTED_TYPES, Budget, Part, default_type_in, make_part

_CHUNK = 64 * 1024
PKCS7_TYPES = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})
# RFC 8551, 3.2.2: a gateway may have taken the type's place, and left the name alone.
MAY_WRAP = PKCS7_TYPES | {"application/octet-stream"}
_DELIMITER = re.compile(
    rb"^--(\S[^\r\n]{0,80}?)[ \t]*\r?\n(?=content-[a-z-]{1,40}:)", re.MULTILINE | re.IGNORECASE
)


# A multipart must not be encoded as a whole (RFC 2045, 6.4): some are.
_CLOSING = re.compile(rb"^--(\S[^\r\n]{0,80}?)--[ \t]*\r?$", re.MULTILINE)
_BEGINS_WITH_FIELD = re.compile(rb"[!-9;-~]{1,80}:|\n")
_DECODED_DELIMITER = re.compile(rb"\s{0,9}--(\S[^\r\n]{0,80}?)[ \t]*\r?\n")


class _CountedMessage(Message):
    """A Message that counts against the budget as it grows, and opens only what we want opened."""

    budget: Budget

    def set_raw(self, name: str, value: str) -> None:
        self.budget.count_fields(1)
        self.budget.check_fields(len(self) + 1)
        super().set_raw(name, value)

    def get_content_type(self) -> str:
        """The feed parser asks this to decide what to open: no nested mails, whose bytes we want to see first."""
        default = self.get_default_type()
        kind = content_type_of(self._first("content-type"), default)[0]
        return "application/octet-stream" if kind.startswith("message/") else kind

    def get_boundary(self, failobj: Any = None) -> Any:
        boundary = content_type_of(self._first("content-type"))[1].get("boundary", "").rstrip()
        return boundary or failobj

    def _first(self, name: str) -> str:
        return next((value for key, value in self.raw_items() if key.lower() == name), "")


def build_tree(
    raw: bytes, budget: Budget, depth: int = 0, default_type: str = "text/plain"
) -> Part:
    """Parse a whole mail; raises RejectedMail over a limit, nothing else."""

    def counted(policy: Compat32 = compat32) -> _CountedMessage:
        budget.count_part()
        message = _CountedMessage(policy=policy)
        message.budget = budget
        return message

    parser = BytesFeedParser(_factory=counted, policy=compat32)
    budget.parts -= 1  # The feed parser tries its factory once to learn its signature.
    try:
        for start in range(0, len(raw), _CHUNK):
            parser.feed(raw[start : start + _CHUNK])
            budget.check_time()
        message = parser.close()
    except RecursionError:
        raise RejectedMail(
            "too-deep", f"the MIME parts are nested more than {budget.limits.max_depth} deep"
        ) from None
    return _convert(message, budget, depth, default_type)


def _convert(message: Message, budget: Budget, depth: int, default_type: str) -> Part:
    budget.check_depth(depth)
    part = make_part(
        [(name, value.rstrip("\r\n")) for name, value in message.raw_items()], default_type
    )
    # get_payload() would decode 8-bit text with errors replaced; the feed parser reads the attribute, too.
    payload: Any = message._payload  # type: ignore[attr-defined]
    if isinstance(payload, list):
        inner = default_type_in(part.content_type)
        part.children = [_convert(child, budget, depth + 1, inner) for child in payload]
        part.children += _parts_below(message, part, budget, depth)
        return part
    if isinstance(payload, str):
        part.payload = payload.encode("ascii", "surrogateescape")
    if part.content_type.startswith("multipart/"):
        part.children = _split_at_guess(part, budget, depth)
    elif part.content_type in NESTED_TYPES:
        open_message(part, budget, depth)
    elif part.content_type in MAY_WRAP:
        open_wrapped(part, budget, depth)
    return part


def _parts_below(message: Message, part: Part, budget: Budget, depth: int) -> list[Part]:
    """Parts below a delimiter that closes: some program closed too early, or put a mail's parts below its end."""
    boundary = (message.get_boundary() or "").encode("ascii", "surrogateescape")
    below = (message.epilogue or "").encode("ascii", "surrogateescape")
    if not boundary or b"--" + boundary not in below:
        return []
    delimiter = re.compile(rb"^--%b[ \t]*\r?$" % re.escape(boundary), re.MULTILINE)
    closing = re.compile(rb"^--%b--[ \t]*\r?$" % re.escape(boundary), re.MULTILINE)
    places = [found.start() for found in delimiter.finditer(below)]
    if not places:
        return []
    budget.note("parts-below-the-end")
    end = closing.search(below, places[-1])
    # The others close nothing: each reading of what is below the next would take the square of their number.
    held = closing.sub(b"--" + boundary, below[places[0] : end.start() if end else len(below)])
    found = build_tree(_header_of(part.content_type, boundary) + held, budget, depth).children
    return [one for one in found if one.fields or one.children or one.payload.strip()]


def _header_of(content_type: str, boundary: bytes) -> bytes:
    quoted = boundary.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    return b"Content-Type: " + content_type.encode() + b'; boundary="' + quoted + b'"\n\n'


def _repair_message(part: Part, budget: Budget, depth: int) -> None:
    """Read a nested mail again whose header the feed parser took for its body: an mbox line, odd fields."""
    nested = part.children[0]
    if nested.fields or not nested.payload:
        return
    try:
        opened = open_mail(nested.payload, budget)
    except RejectedMail:
        return
    part.children = [build_tree(opened.header + b"\n" + opened.body, budget, depth + 1)]


def _split_at_guess(part: Part, budget: Budget, depth: int) -> list[Part]:
    """Parts of a multipart whose boundary is missing or wrong: a line "--x" right before Content-... names it."""
    payload = decode_transfer(part.payload, part.encoding)[0]
    guess = (
        _DELIMITER.search(payload)
        or _DECODED_DELIMITER.match(payload if part.encoding else b"")
        or _closed_delimiter(payload)
    )
    if not guess:
        budget.note("no-boundary")
        return []
    budget.note("wrong-boundary")
    return build_tree(_header_of(part.content_type, guess[1]) + payload, budget, depth + 1).children


def _closed_delimiter(payload: bytes) -> re.Match[bytes] | None:
    """A line "--x--" with a line "--x" above it."""
    closing = _CLOSING.search(payload)
    opening = b"--" + closing[1] if closing else b""
    return (
        closing
        if closing and re.search(rb"^%b[ \t]*\r?$" % re.escape(opening), payload, re.MULTILINE)
        else None
    )


def open_message(part: Part, budget: Budget, depth: int) -> None:
    """Give `part` the nested mail that is its payload, also in base64 (against RFC 2046, 5.2.1, but gateways do it)."""
    budget.check_depth(depth + 1)
    part.children = [build_tree(decode_transfer(part.payload, part.encoding)[0], budget, depth + 1)]
    if not part.encoding:
        _repair_message(part, budget, depth)


def open_wrapped(part: Part, budget: Budget, depth: int) -> None:
    """Give `part` the MIME entity that it wraps, signed or compressed and readable without a key (RFC 8551, 3.5.2)."""
    if part.content_type not in PKCS7_TYPES and not is_named_p7m(part):
        return
    data = decode_transfer(part.payload, part.encoding)[0]
    content = read_cms(data, max(1, budget.limits.max_bytes - budget.unpacked)).content
    if content is None:
        return
    budget.unpacked += len(content)
    budget.check_depth(depth + 1)
    text = content.replace(b"\r\n", b"\n")
    if not _BEGINS_WITH_FIELD.match(text):
        text = b"\n" + text
    part.children = [build_tree(text, budget, depth + 1)]


def is_named_p7m(part: Part) -> bool:
    """Tell whether a part is named as S/MIME names its own."""
    names = (part.parameters.get("name", ""), part.disposition[1].get("filename", ""))
    return any(name.strip().lower().endswith(".p7m") for name in names)
