"""Messages as mails again (RFC 5322), made of what readers may see, and as an mbox of them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, timedelta, timezone
from email.header import Header
from email.utils import format_datetime
from time import asctime

from mrilu.web.masking import masked
from mrilu.web.queries.archive import MessageRow

# RFC 6761, 6.4: no mail reaches it.
NOBODY = "hidden@address.invalid"
_FROM = re.compile(rb"^(>*From )", re.MULTILINE)


def as_mail(row: MessageRow, *, mask: bool) -> bytes:
    """Return the message with its own text part: what the archive shows, without its attachments."""
    zone = timezone(timedelta(minutes=row.utc_offset or 0))
    author = row.from_address if not mask and row.from_address else NOBODY
    fields = [
        ("From", f"{_word(_shown(row.from_name, mask))} <{_bare(author)}>".lstrip()),
        ("Date", format_datetime(row.sent_at.astimezone(zone))),
        ("Subject", _text(_shown(row.subject, mask))),
        ("Message-ID", f"<{_bare(row.message_id)}>"),
        ("In-Reply-To", _ids(row.in_reply_to)),
        ("References", _ids(row.reference_ids)),
        *(("List-Id", f"<{_bare(name)}>") for name in row.list_ids[:1]),
        ("MIME-Version", "1.0"),
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Transfer-Encoding", "8bit"),
    ]
    head = "".join(f"{name}: {value}\n" for name, value in fields if value)
    body = _shown(row.body, mask)
    return f"{head}\n{body}".encode("utf-8", "replace").rstrip(b"\n") + b"\n"


def mbox(rows: Iterable[MessageRow], *, mask: bool) -> Iterator[bytes]:
    """Yield the messages as an mboxrd (RFC 4155; "From " lines quoted, as in qmail's)."""
    for row in rows:
        line = f"From mboxrd@z {asctime(row.sent_at.astimezone(UTC).timetuple())}\n"
        yield line.encode() + _FROM.sub(rb">\1", as_mail(row, mask=mask)) + b"\n"


def _shown(text: str, mask: bool) -> str:
    return masked(text) if mask else text


def _text(text: str) -> str:
    """Return a text as the value of a field, on one line or folded (RFC 2047)."""
    plain = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return plain if plain.isascii() and len(plain) < 900 else Header(plain, "utf-8").encode()


def _word(name: str) -> str:
    """Return a display name: quoted where it needs to be."""
    text = _text(name)
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"' if text and name.isascii() else text


def _ids(names: Iterable[str]) -> str:
    return "\n ".join(f"<{_bare(name)}>" for name in names)


def _bare(text: str) -> str:
    """Return an id or address without what would end its field or its brackets."""
    return "".join(sign for sign in text if sign.isprintable() and sign not in "<> ")[:900]
