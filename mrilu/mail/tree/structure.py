"""The MIME tree of a mail (RFC 2045, 2046) as plain records, and the ways a mail comes apart into fields and body."""

from dataclasses import dataclass, field

from mrilu.mail import clock
from mrilu.mail.headers.fields import Fields
from mrilu.mail.headers.parameters import Parameters, content_type_of, parse_value
from mrilu.mail.message import Limits, RejectedMail
from mrilu.mail.text.transfer import encoding_name

# On the average of a mail's parts; attached mails have some sixty each.
_FIELDS_A_PART = 100
NESTED_TYPES = frozenset({"message/rfc822", "message/global", "message/news"})


@dataclass(slots=True)
class Part:
    """One node: header fields (values folded and surrogate-escaped), its media type, and payload or children.

    `children` are the parts of a multipart, or the one nested mail of a message/rfc822.
    `payload` is still transfer-encoded.
    """

    fields: Fields
    by_name: dict[str, str]
    content_type: str
    parameters: Parameters
    encoding: str
    payload: bytes = b""
    children: list["Part"] = field(default_factory=list)

    @property
    def disposition(self) -> tuple[str, Parameters]:
        """Content-Disposition's word in lower case ("" when missing) and its parameters (RFC 2183)."""
        value = self.by_name.get("content-disposition")
        return parse_value(value) if value else ("", {})


@dataclass(slots=True)
class Budget:
    """What one mail may still use; shared by every step of its parsing."""

    limits: Limits
    parts: int = 0
    header_fields: int = 0
    unpacked: int = 0
    defects: dict[str, None] = field(default_factory=dict)

    def note(self, defect: str) -> None:
        """Record a tolerated defect once, in order of appearance."""
        self.defects[defect] = None

    def start_again(self) -> None:
        """Forget the counts of an attempt that was given up; the clock goes on."""
        self.parts = self.header_fields = self.unpacked = 0

    def count_part(self) -> None:
        """Raise RejectedMail at one part too many or when the time is up."""
        self.parts += 1
        if self.parts > self.limits.max_parts:
            raise RejectedMail(
                "too-many-parts", f"the mail has more than {self.limits.max_parts} MIME parts"
            )
        if self.parts > 1:  # a look at the clock costs as much as ten header fields
            self.check_time()

    def count_fields(self, number: int) -> None:
        """Raise RejectedMail when a header block has too many fields, or all of them together have."""
        self.header_fields += number
        if self.header_fields <= self.limits.max_header_fields:
            return
        self.check_fields(number)
        limit = self.limits.max_header_fields + _FIELDS_A_PART * self.limits.max_parts
        if self.header_fields > limit:
            raise RejectedMail(
                "too-many-headers",
                f"the mail's parts have more than {limit} header fields together",
            )

    def check_fields(self, number: int) -> None:
        """Raise RejectedMail when as many fields are too many for one header block."""
        if number > self.limits.max_header_fields:
            raise RejectedMail(
                "too-many-headers",
                "the mail, or a mail in it, has more than "
                f"{self.limits.max_header_fields} header fields",
            )

    def check_depth(self, depth: int) -> None:
        """Raise RejectedMail when MIME nesting passes the limit."""
        if depth > self.limits.max_depth:
            raise RejectedMail(
                "too-deep", f"the MIME parts are nested more than {self.limits.max_depth} deep"
            )

    def check_time(self) -> None:
        """Raise RejectedMail when the mail has used up its seconds."""
        clock.check_time()


def make_part(fields: Fields, default_type: str = "text/plain") -> Part:
    """A node from its header fields; of duplicate fields the first counts, as most readers show that one."""
    by_name = {name.lower(): value for name, value in reversed(fields)}
    content_type, parameters = content_type_of(by_name.get("content-type", ""), default_type)
    encoding = by_name.get("content-transfer-encoding", "")
    return Part(
        fields, by_name, content_type, parameters, encoding_name(encoding) if encoding else ""
    )


def default_type_in(container_type: str) -> str:
    """Type of a part that names none: a message inside a digest, else plain text (RFC 2046, 5.1.5)."""
    return "message/rfc822" if container_type == "multipart/digest" else "text/plain"
