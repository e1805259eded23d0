"""A raw file made fit for a MIME parser: line ends, mbox lines, and header blocks that are not quite one."""

import re
from dataclasses import dataclass

from mrilu.mail.headers.fields import Fields, split_fields
from mrilu.mail.message import RejectedMail
from mrilu.mail.tree.structure import Budget, make_part

_BINARY = re.compile(rb"(?i)content-transfer-encoding:[ \t]*binary")
_FIELD_NAME = re.compile(rb"([!-9;-~]{1,200})([ \t]*):")
_FROM_LINE = re.compile(rb">?From (?![ \t]*:)[^\n]*\n?")
_FROM_LINES = re.compile(rb"(?>(?:>?From (?![ \t]*:)[^\n]*+(?:\n++|\Z))+)")
KNOWN_FIELD = re.compile(
    r"(?i)(?:(?:resent-)?(?:from|sender|to|cc|bcc|reply-to|date|message-id|subject)|received"
    r"|received-spf|return-path|delivered-to|envelope-to|in-reply-to|references|mime-version"
    r"|content-[\w-]+|x-[\w-]+|list-[\w-]+|precedence|user-agent|errors-to|organi[sz]ation|status"
    r"|lines|mailing-list|keywords|comments|dkim-signature|domainkey-signature|arc-[\w-]+"
    r"|authentication-results|importance|priority|autocrypt|thread-topic|thread-index"
    r"|newsgroups|path|xref|apparently-to|posted-date|original-[\w-]+)\Z"
)
# Most mails begin with one of these, and need no search for a field that mail knows.
_USUAL_FIRST = frozenset(
    {"From", "Return-Path", "Return-path", "Received", "Delivered-To", "Date", "Message-ID"}
)
_LOOK_AHEAD_LINES = 8
_LONG_HEADER = 100_000
_MOST_DELIMITERS = 10  # lines of a header that may be one
_UTF8_MARK = b"\xef\xbb\xbf"


@dataclass(slots=True)
class OpenedMail:
    """A mail with "\\n" line ends: its header block made well formed, the block's fields, body and mbox line."""

    header: bytes
    fields: Fields
    body: bytes
    from_line: str


def open_mail(raw: bytes, budget: Budget) -> OpenedMail:
    """Find where the mail's header and body are; raises RejectedMail("empty" | "no-header")."""
    if not raw.strip(b"\r\n\t \0"):
        raise RejectedMail("empty", f"the file holds no text ({len(raw)} bytes)")
    raw = _with_plain_line_ends(raw)
    if raw[:1] in b"\n \t\xef":
        raw = _without_leading_blank(raw, budget)
    from_line, raw = _split_from_line(raw, budget)
    end = raw.find(b"\n\n")
    header = raw[: end + 1] if end >= 0 else b""
    if len(header) > _LONG_HEADER:
        budget.check_fields(header.count(b"\n") - header.count(b"\n ") - header.count(b"\n\t"))
    fields = split_fields(header)
    if fields is not None:
        body = raw[end + 2 :]
    else:
        header, body = _repair(raw, budget)
        fields = split_fields(header) or []
    if not (fields and fields[0][0] in _USUAL_FIRST) and not any(
        KNOWN_FIELD.match(name) for name, _ in fields
    ):
        raise RejectedMail(
            "no-header",
            "the file does not begin with a mail header field (From, Date, Subject, ...)",
        )
    return OpenedMail(header, fields, body, from_line)


def with_header_ended(opened: OpenedMail, budget: Budget) -> OpenedMail:
    """Return the mail with its header ended at a delimiter that was taken for a field, as it has a colon in it."""
    if not has_delimiter(opened.fields):
        return opened
    header, body = _repair(opened.header + b"\n" + opened.body, budget)
    return OpenedMail(header, split_fields(header) or [], body, opened.from_line)


def has_delimiter(fields: Fields) -> bool:
    """Tell whether one of these fields looks like the delimiter of a multipart."""
    return any(name.startswith("--") for name, _ in fields)


def _with_plain_line_ends(raw: bytes) -> bytes:
    if b"\r" not in raw:
        return raw
    first = raw.find(b"\n")
    if first < 0:
        return raw.replace(b"\r", b"\n")
    if raw.find(b"\r", 0, first - 1) >= 0 and _FIELD_NAME.match(raw, raw.find(b"\r") + 1):
        # The lines of the header alone end as on old Macintoshes.
        return raw[:first].replace(b"\r", b"\n") + raw[first:].replace(b"\r\n", b"\n")
    if (
        raw[first + 1 : first + 2] == b"\r"
        and raw[first - 1 : first] != b"\r"
        and raw[first + 2 : first + 3] not in b"\r\n"
    ):
        return raw.replace(b"\n\r", b"\n")
    if _BINARY.search(raw):
        # A binary part must keep its bytes: only the outer header is normalised.
        end = raw.find(b"\r\n\r\n")
        return raw if end < 0 else raw[: end + 4].replace(b"\r\n", b"\n") + raw[end + 4 :]
    return raw.replace(b"\r\n", b"\n")


def _without_leading_blank(raw: bytes, budget: Budget) -> bytes:
    stripped = raw.removeprefix(_UTF8_MARK).lstrip(b"\n \t\r\0")
    if stripped != raw:
        budget.note("leading-blank")
    return stripped


def _split_from_line(raw: bytes, budget: Budget) -> tuple[str, bytes]:
    if raw[:5] not in (b"From ", b">From") or not (lines := _FROM_LINES.match(raw)):
        return "", raw
    budget.note("mbox-from-line")
    return raw[: raw.find(b"\n") + 1].decode("ascii", "replace").rstrip(), raw[lines.end() :]


def _repair(raw: bytes, budget: Budget) -> tuple[bytes, bytes]:
    """Header and body of a mail whose header block has odd lines or no blank line after it."""
    kept: list[bytes] = []
    position, size, fields, dashes = 0, len(raw), 0, 0
    while position < size:
        if len(kept) % 1000 == 999:
            budget.check_time()
            budget.check_fields(fields)
        end = raw.find(b"\n", position)
        end = size if end < 0 else end
        line = raw[position:end].rstrip(b"\r").replace(b"\r", b" ")
        if not line:
            return _joined(kept), raw[end + 1 :]
        dashes += line[:2] == b"--"
        if line[:2] == b"--" and dashes <= _MOST_DELIMITERS and _is_delimiter(kept, line):
            budget.note("missing-blank-line")
            return _joined(kept), raw[position:]
        if not _keep_line(kept, line, raw, end + 1, budget):
            return _joined(kept), raw[position:] if line.strip() else raw[end + 1 :]
        position = end + 1
        fields += line[:1] not in (b" ", b"\t")
    return _joined(kept), b""


def _is_delimiter(kept: list[bytes], line: bytes) -> bool:
    """Tell whether this is the first delimiter of the mail's parts, in place of the blank line above it."""
    boundary = make_part(split_fields(_joined(kept)) or []).parameters.get("boundary", "").rstrip()
    return bool(boundary) and line[2:].rstrip() == boundary.encode("ascii", "replace")


def _keep_line(kept: list[bytes], line: bytes, raw: bytes, following: int, budget: Budget) -> bool:
    """Add one header line, mended where needed; False where it is the end of the header."""
    name = _FIELD_NAME.match(line)
    if name:
        if name[2]:
            budget.note("space-before-colon")
            line = name[1] + line[name.end() - 1 :]
        kept.append(line)
    elif not line.strip():
        budget.note("blank-line-with-spaces")
        return bool(kept) and _header_goes_on(raw, following)
    elif line[:1] in (b" ", b"\t"):
        kept.append(line if kept else line.strip())
    elif _FROM_LINE.match(line):
        budget.note("mbox-from-line")
    elif _field_follows(raw, following, _LOOK_AHEAD_LINES if kept else 1):
        budget.note("bad-header-line")
        if kept:
            kept.append(b" " + line)
    else:
        budget.note("missing-blank-line" if kept else "no-header")
        return False
    return True


def _header_goes_on(raw: bytes, position: int) -> bool:
    """Tell whether a line of blanks is a broken fold: a field stands right below it, or behind further folded lines."""
    for line in raw[position : position + 2000].split(b"\n")[:_LOOK_AHEAD_LINES]:
        if line[:1] not in (b" ", b"\t") or not line.strip():
            return _names_field(line)
    return False


def _names_field(line: bytes) -> bool:
    name, colon, _ = line.partition(b":")
    return bool(colon and KNOWN_FIELD.match(name.rstrip(b" \t").decode("latin-1")))


def _field_follows(raw: bytes, position: int, lines: int) -> bool:
    """Tell whether a field that mail knows comes within `lines` lines and before a blank one."""
    for line in raw[position : position + 4000].split(b"\n")[:lines]:
        if not line.strip():
            return False
        if _names_field(line):
            return True
    return False


def _joined(kept: list[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in kept)
