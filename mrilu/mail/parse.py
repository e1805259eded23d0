"""parse_message: the bytes of one mail to a ParsedMessage."""

from collections.abc import Mapping
from datetime import datetime
from itertools import chain

from mrilu.mail import clock
from mrilu.mail.author import author_of
from mrilu.mail.headers.addresses import parse_addresses
from mrilu.mail.headers.archiving import asks_for_no_archive
from mrilu.mail.headers.automatic import is_automatic
from mrilu.mail.headers.dates import (
    EPOCH,
    file_name_date,
    from_seconds,
    is_plausible,
    newest_received,
    parse_date,
    parse_from_line,
    stated_date,
)
from mrilu.mail.headers.encoded_words import decode_header
from mrilu.mail.headers.identifiers import (
    derive_message_id,
    identity_of,
    parse_in_reply_to,
    parse_message_id,
    parse_references,
)
from mrilu.mail.headers.mailing_list import list_id_of
from mrilu.mail.headers.subjects import clean_subject
from mrilu.mail.message import Address, Limits, ParsedMessage
from mrilu.mail.own_words.quotes import Span, own_spans
from mrilu.mail.tree.boundaries import with_own_boundaries
from mrilu.mail.tree.charset_hint import charset_hints
from mrilu.mail.tree.choice import Segment, without_calendars
from mrilu.mail.tree.content import Content, check_size, read_part
from mrilu.mail.tree.lean import build_lean_tree
from mrilu.mail.tree.repair import OpenedMail, open_mail, with_header_ended
from mrilu.mail.tree.stdlib import build_tree
from mrilu.mail.tree.structure import Budget, Part

_MAX_SUBJECT_CHARS = 4000
_DEFAULT_LIMITS = Limits()


def parse_message(
    raw: bytes,
    *,
    limits: Limits = _DEFAULT_LIMITS,
    file_name: str = "",
    mtime: float | None = None,
    lean: bool = True,
) -> ParsedMessage:
    """Parse one mail (RFC 5322, MIME); raises RejectedMail and nothing else.

    `file_name` (Maildir) and `mtime` (Unix seconds) date a mail that carries no date of its own.
    `lean=False` takes the standard library's parser for every mail: slower, same result (tests compare them).
    """
    budget = Budget(limits)
    clock.start(limits.max_seconds)
    try:
        return _read(raw, budget, (file_name, mtime), lean=lean)
    finally:
        clock.stop()


def mime_tree(raw: bytes, *, limits: Limits = _DEFAULT_LIMITS) -> Part:
    """Return the MIME tree that `parse_message` reads a mail by; raises RejectedMail."""
    clock.start(limits.max_seconds)
    try:
        return _tree(raw, Budget(limits), lean=True)[0]
    finally:
        clock.stop()


def _read(
    raw: bytes, budget: Budget, origin: tuple[str, float | None], *, lean: bool
) -> ParsedMessage:
    part, opened = _tree(raw, budget, lean=lean)
    return _compose(part, opened, budget, origin)


def _tree(raw: bytes, budget: Budget, *, lean: bool) -> tuple[Part, OpenedMail]:
    check_size(raw, budget)
    opened = open_mail(raw, budget)
    part = build_lean_tree(opened.fields, opened.body, budget) if lean else None
    if part is None:
        budget.start_again()
        opened = with_header_ended(opened, budget)
        body = with_own_boundaries(opened.fields, opened.body)
        part = build_tree(opened.header + b"\n" + body, budget)
    return part, opened


def _compose(
    part: Part, opened: OpenedMail, budget: Budget, outside: tuple[str, float | None]
) -> ParsedMessage:
    fields, limits = part.by_name, budget.limits
    body_hint, hint = charset_hints(part, opened.header.isascii())
    author, wrapped = author_of(part, hint)
    # What the list wrapped is the mail; the list's own header lacks at most a few of its fields.
    inner = wrapped.children[0].by_name if wrapped else {}
    content = Content(budget, body_hint, wrapped=wrapped)
    parts, segments = read_part(part, content)
    body, spans = _join_segments(segments)
    message_id = parse_message_id(fields.get("message-id", ""))
    derived = not message_id
    if derived:
        budget.note("no-message-id")
        message_id = derive_message_id(fields, opened.body)
    date = inner.get("date") or fields.get("date")
    stated = None if date is None else stated_date(date.strip())
    instant = stated.instant if stated else None
    sent_at, source = _sent_at(instant, part, opened, budget, outside)
    subject = decode_header(fields.get("subject", ""), hint)[:_MAX_SUBJECT_CHARS]
    cleaned, is_reply = clean_subject(subject)
    to, cc = _recipients(part, opened.header, hint, limits.max_addresses)
    return ParsedMessage(
        message_id=message_id,
        message_id_derived=derived,
        identity=identity_of(message_id, author.address, _identity_date(instant, fields)),
        subject=subject,
        cleaned_subject=cleaned,
        is_reply=is_reply,
        from_name=author.name,
        from_address=author.address,
        to=to,
        cc=cc,
        sent_at=sent_at,
        date_source=source,
        utc_offset=stated.offset if stated and source == "date" else None,
        list_id=list_id_of(fields),
        in_reply_to=parse_in_reply_to(
            _either(fields, inner, "in-reply-to"), limits.max_references, [author, *to, *cc]
        ),
        references=parse_references(_either(fields, inner, "references"), limits.max_references),
        body=body,
        own_spans=spans,
        parts=parts,
        signed=content.signed,
        encrypted=content.encrypted,
        has_attachment=content.has_attachment,
        automatic=is_automatic(fields) or bool(inner and is_automatic(inner)),
        no_archive=asks_for_no_archive(fields),
        defects=tuple(budget.defects),
    )


def _either(fields: Mapping[str, str], inner: Mapping[str, str], name: str) -> str:
    return fields.get(name) or inner.get(name, "")


def _recipients(
    part: Part, header: bytes, hint: str, limit: int
) -> tuple[list[Address], list[Address]]:
    """To and Cc; some programs write a field for each address, though there must be one only (RFC 5322, 3.6)."""
    fields = part.by_name
    repeated = len(part.fields) - len(fields)
    if repeated and repeated >= header.count(b"\nReceived:") + header.startswith(b"Received:"):
        # Other fields than Received come more than once, too.
        to, cc = (
            [
                person
                for name, value in part.fields
                if name.lower() == wanted
                for person in parse_addresses(value, hint, limit)
            ]
            for wanted in ("to", "cc")
        )
        return to[:limit], cc[:limit]
    return (
        parse_addresses(fields["to"], hint, limit) if "to" in fields else [],
        parse_addresses(fields["cc"], hint, limit) if "cc" in fields else [],
    )


def _join_segments(segments: list[Segment]) -> tuple[str, list[Span]]:
    """The body, segments a blank line apart, and the author's spans in it."""
    if len(segments) == 1:
        text = segments[0].text
        return text, own_spans(text) if segments[0].own else []
    segments = without_calendars(segments)
    texts: list[str] = []
    spans: list[Span] = []
    offset = 0
    for segment in segments:
        if not segment.text.strip():
            continue
        if segment.own:
            spans += own_spans(segment.text, offset)
        texts.append(segment.text)
        offset += len(segment.text) + 2
    return "\n\n".join(texts), spans


def _sent_at(
    stated: datetime | None,
    part: Part,
    opened: OpenedMail,
    budget: Budget,
    outside: tuple[str, float | None],
) -> tuple[datetime, str]:
    """The first plausible of Date, newest Received, X-From-Space-Date or mbox line, file name, mtime."""
    fields = part.by_name
    if stated is not None and is_plausible(stated):
        return stated, "date"
    budget.note(
        "no-date" if "date" not in fields else "bad-date" if stated is None else "date-clamped"
    )
    received = newest_received([value for name, value in part.fields if name.lower() == "received"])
    space = fields.get("x-from-space-date", "")
    later = chain(
        [
            (received, "received"),
            (parse_date(space.strip()), "x-from-space-date"),
            (parse_from_line(opened.from_line), "x-from-space-date"),
            (file_name_date(outside[0]), "file-name"),
            (from_seconds(outside[1]), "mtime"),
        ]
    )
    for moment, source in later:
        if moment is not None and is_plausible(moment):
            return moment, source
    return EPOCH, "unknown"


def _identity_date(stated: datetime | None, fields: Mapping[str, str]) -> str:
    """The Date field as an instant in UTC, so that a rewritten zone is the same date; else its text."""
    return stated.isoformat() if stated else " ".join(fields.get("date", "").split())
