"""What a parsed mail is: the record handed to the importer, the limits of parsing, and the refusal."""

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from mrilu.mail.own_words.spans import own_text


class Address(NamedTuple):
    """One mailbox (RFC 5322, 3.4): display name (may be empty) and addr-spec, domain in lower case."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one mail; what goes over the first group is rejected, over max_body_chars is cut."""

    max_bytes: int = 50 * 1024 * 1024
    max_parts: int = 1000
    max_depth: int = 30
    max_header_fields: int = 2000
    max_seconds: float = 10.0
    max_body_chars: int = 4_000_000
    max_addresses: int = 2000
    max_references: int = 1000


class RejectedMail(Exception):
    """This is not a mail, or it is over a limit: `reason` is one slug, `detail` one sentence."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"


@dataclass(slots=True)
class ParsedMessage:
    """One mail as the archive keeps it; every text is valid Unicode without NUL (PostgreSQL can store it).

    from_address, to and cc have the domain in lower case (RFC 5321, 2.4: only the local part may be
    case-sensitive); `identity` compares the From address wholly in lower case.
    own_spans are [start, end) character offsets into body, ordered and disjoint.
    utc_offset is how many minutes east of Greenwich the sender's clock was (None: sent_at is not the Date field's).
    """

    message_id: str
    message_id_derived: bool
    identity: uuid.UUID
    subject: str
    cleaned_subject: str
    is_reply: bool
    from_name: str
    from_address: str
    to: list[Address]
    cc: list[Address]
    sent_at: datetime
    date_source: str
    list_id: str | None
    in_reply_to: tuple[str, ...]
    references: tuple[str, ...]
    body: str
    own_spans: list[tuple[int, int]]
    parts: dict[str, Any]
    signed: bool = False
    encrypted: bool = False
    has_attachment: bool = False
    automatic: bool = False
    utc_offset: int | None = None
    no_archive: bool = False
    defects: tuple[str, ...] = field(default=())

    @property
    def own_text(self) -> str:
        """The author's own words: body without quotes, attributions, signature and list footer."""
        return own_text(self.body, self.own_spans)
