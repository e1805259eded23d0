"""From the MIME tree to what is kept: the readable text in segments, and the inventory of parts."""

from dataclasses import dataclass, field

from mrilu.mail.headers.encoded_words import decode_header
from mrilu.mail.headers.file_names import base_name
from mrilu.mail.headers.parameters import charset_of
from mrilu.mail.message import RejectedMail
from mrilu.mail.text.calendar import calendar_text
from mrilu.mail.text.charset import decode_text, is_plain_ascii
from mrilu.mail.text.cleaning import clean_line, clean_text
from mrilu.mail.text.flowed import unflow
from mrilu.mail.text.hypertext import charset_in_html, enriched_to_text, html_to_text
from mrilu.mail.text.transfer import decode_transfer
from mrilu.mail.text.uuencode import split_uuencoded
from mrilu.mail.text.yenc import MARK, split_yencoded
from mrilu.mail.tree.choice import Segment, choose_alternative, will_do, without_repeats
from mrilu.mail.tree.cms import read_cms
from mrilu.mail.tree.inventory import Inventory, add_content, describe, describe_embedded, is_file
from mrilu.mail.tree.stdlib import MAY_WRAP, PKCS7_TYPES
from mrilu.mail.tree.structure import NESTED_TYPES, Budget, Part

_SIGNATURES = frozenset(
    {"application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature"}
)
_NO_ATTACHMENTS = (
    _SIGNATURES
    | PKCS7_TYPES
    | {
        "application/pgp-encrypted",
        "message/delivery-status",
        "message/disposition-notification",
        "message/feedback-report",
        "message/global-delivery-status",
        "message/global-disposition-notification",
        "message/global-headers",
        "text/rfc822-headers",
        "message/partial",
    }
)
_NOT_PROSE = frozenset(
    {
        "text/calendar",
        "text/x-vcard",
        "text/vcard",
        "text/directory",
        "text/css",
        "text/rfc822-headers",
        "text/x-amp-html",
        "text/watch-html",
        "text/rtf",
        "text/javascript",
    }
)
_CALENDARS = frozenset({"text/calendar", "application/ics"})
_HTML = ("text/html", "application/xhtml+xml")
_MAX_BYTES_A_CHARACTER = 4
_LONG_TEXT = 100_000
_SIGNED_ARMOUR, _ENCRYPTED_ARMOUR = (
    "-----BEGIN PGP SIGNED MESSAGE-----",
    "-----BEGIN PGP MESSAGE-----",
)


@dataclass(slots=True)
class Content:
    """What reading a tree collects besides its segments."""

    budget: Budget
    hint: str
    signed: bool = False
    encrypted: bool = False
    has_attachment: bool = False
    html_wanted: bool = True
    wrapped: Part | None = None  # by the list, around the mail as it came
    text_chars: int = 0
    segments: list[Segment] = field(default_factory=list)


def read_part(
    part: Part, content: Content, own: bool = True, container: str = ""
) -> tuple[Inventory, list[Segment]]:
    """Inventory and segments of one node and all below; raises RejectedMail when the time is up."""
    content.budget.check_time()
    kind = part.content_type
    if part.children and kind in NESTED_TYPES:
        own = own and (container == "multipart/digest" or part is content.wrapped)
        return _read_nested(part, content, own, container)
    if part.children and kind in MAY_WRAP:
        return _read_wrapped(part, content, own)
    if part.children:
        return _read_multipart(part, content, own)
    return _read_leaf(part, content, own, container)


def _read_multipart(part: Part, content: Content, own: bool) -> tuple[Inventory, list[Segment]]:
    kind = part.content_type
    if kind == "multipart/signed":
        content.signed = True
    elif kind == "multipart/encrypted":
        content.encrypted = True
    node = describe(part, content.hint)
    if kind == "multipart/alternative":
        read = _read_alternatives(part, content, own)
        node["parts"] = [found[0] for found in read]
        return node, choose_alternative([found[1] for found in read])
    read = [read_part(child, content, own, kind) for child in part.children]
    node["parts"] = [found[0] for found in read]
    options = [found[1] for found in read]
    return node, without_repeats([segment for found in options for segment in found])


def _read_alternatives(
    part: Part, content: Content, own: bool
) -> list[tuple[Inventory, list[Segment]]]:
    """Read the options in turn; the HTML behind a plain one that will do is not turned into text."""
    read = []
    outer = content.html_wanted
    for child in part.children:
        read.append(read_part(child, content, own, part.content_type))
        content.html_wanted = content.html_wanted and not will_do(read[-1][1])
    content.html_wanted = outer
    return read


def _read_nested(
    part: Part, content: Content, own: bool, container: str
) -> tuple[Inventory, list[Segment]]:
    nested = part.children[0]
    names = ("subject", "from", "date")
    shown = {name: decode_header(nested.by_name.get(name, ""), content.hint) for name in names}
    node = describe(part, content.hint)
    described = {
        "subject": shown["subject"],
        "from": shown["from"],
        "message_id": clean_line(decode_header(nested.by_name.get("message-id", ""))).strip("<>"),
    }
    node.update({name: text for name, text in described.items() if text})
    add_content(node, decode_transfer(part.payload, part.encoding)[0])
    if is_file(node, container):
        content.has_attachment = True
    below, segments = read_part(nested, content, own, part.content_type)
    node["parts"] = [below]
    if part is content.wrapped:
        return node, segments
    summary = "\n".join(
        f"{name.title()}: {shown[name]}" for name in ("from", "date", "subject") if shown[name]
    )
    return node, [Segment(summary, False, "plain"), *segments] if summary else segments


def _read_wrapped(part: Part, content: Content, own: bool) -> tuple[Inventory, list[Segment]]:
    """What an S/MIME part wraps is read in its place; whether the signature holds is not looked at."""
    data = decode_transfer(part.payload, part.encoding)[0]
    node = describe(part, content.hint)
    add_content(node, data)
    content.signed = content.signed or read_cms(data, 1).kind == "signed"
    below, segments = read_part(part.children[0], content, own)
    node["parts"] = [below]
    return node, segments


def _read_leaf(
    part: Part, content: Content, own: bool, container: str
) -> tuple[Inventory, list[Segment]]:
    budget = content.budget
    data, defect = decode_transfer(part.payload, part.encoding)
    if defect:
        budget.note(defect)
    node = describe(part, content.hint)
    node["size"] = len(data)
    kind = part.content_type
    if part.encoding == "uuencode":
        text = data.decode("latin-1")
        if files := split_uuencoded(text)[1]:
            data = files[0].data
            node["size"] = len(data)
            if base := base_name(decode_text(files[0].name.encode("latin-1"), "", content.hint)[0]):
                node.setdefault("filename", base)
    if not _is_readable(part, node, container) or (
        part.encoding == "uuencode" and kind[:5] != "text/"
    ):
        add_content(node, data)
        _mark_leaf(part, node, content, container)
        return node, _calendar_of(part, data, content, own)
    if "filename" in node:
        add_content(node, data)
        content.has_attachment = content.has_attachment or is_file(node, container)
    if kind in _HTML and not content.html_wanted:
        return node, []
    return node, _read_text(part, data, node, content, own)


def _calendar_of(part: Part, data: bytes, content: Content, own: bool) -> list[Segment]:
    """What a calendar says, which is shown where nothing else is."""
    if part.content_type not in _CALENDARS:
        return []
    label = charset_of(part.parameters) if part.parameters else ""
    said = calendar_text(_decode_body(_within_reach(data, content), label or "utf-8", content))
    return [Segment(said, own, "calendar")] if said else []


def _is_readable(part: Part, node: Inventory, container: str) -> bool:
    """Text that a mail reader shows in place: not an attachment, nor a named part unless inline or all there is."""
    kind = part.content_type
    if (
        kind[:5] != "text/"
        and kind != "application/pgp"
        and (kind[:10] != "multipart/" or part.children)
    ):
        return False
    if kind in _NOT_PROSE:
        return False
    disposition = node.get("disposition", "")
    # A mail reader takes an unknown word for "attachment" (RFC 2183, 2.8); a text without a name is not a file, though.
    return (
        disposition == "inline"
        or disposition != "attachment"
        and ("filename" not in node or not container)
    )


def _mark_leaf(part: Part, node: Inventory, content: Content, container: str) -> None:
    kind = part.content_type
    if kind in PKCS7_TYPES:
        kind_of_cms = part.parameters.get("smime-type", "").lower()
        if "signed" in kind_of_cms or node.get("filename", "").lower().endswith(".p7s"):
            content.signed = True
        elif kind_of_cms not in ("certs-only", "compressed-data"):
            content.encrypted = True
    elif kind in _SIGNATURES:
        content.signed = True
    embedded = (
        "content_id" in node
        and node.get("disposition") != "attachment"
        and container == "multipart/related"
    )
    if kind not in _NO_ATTACHMENTS and container != "multipart/encrypted" and not embedded:
        content.has_attachment = content.has_attachment or _is_attached(kind, node, container)


def _is_attached(kind: str, node: Inventory, container: str) -> bool:
    return (
        node.get("disposition") == "attachment"
        or container != "multipart/alternative"
        or "filename" in node
    )


def _read_text(
    part: Part, data: bytes, node: Inventory, content: Content, own: bool
) -> list[Segment]:
    label = charset_of(part.parameters) if part.parameters else ""
    kind = part.content_type
    if kind in _HTML and not label:
        label = charset_in_html(data)
    if not data.isascii() and MARK in data:
        data, files = split_yencoded(data)
        _add_files(
            node, [describe_embedded(found.name, found.data, "yenc") for found in files], content
        )
    if len(data) > _LONG_TEXT:
        data = _within_reach(data, content)
    text = _within_limit(_decode_body(data, label, content), content)
    if kind == "text/html":
        return [Segment(clean_text(html_to_text(text)).strip(), own, "html")]
    if kind in ("text/enriched", "text/richtext"):
        return [Segment(enriched_to_text(text, kind == "text/richtext").strip("\n"), own, "html")]
    return [_plain_segment(part, text, node, content, own)]


def _decode_body(data: bytes, label: str, content: Content) -> str:
    """The part's text, storable, with "\\n" line ends."""
    if is_plain_ascii(data, label):
        text = data.decode("ascii")
        return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
    text, truthful = decode_text(data, label, content.hint)
    if not truthful:
        content.budget.note("wrong-charset")
    return clean_text(text.removeprefix("\ufeff"))


def _plain_segment(part: Part, text: str, node: Inventory, content: Content, own: bool) -> Segment:
    if part.parameters and part.parameters.get("format", "").lower().startswith("flowed"):
        text = unflow(text, part.parameters.get("delsp", "").lower() == "yes")
    text, files = split_uuencoded(text)
    _add_files(
        node, [describe_embedded(found.name, found.data, "uuencode") for found in files], content
    )
    if "-----BEGIN PGP" in text:
        content.signed = content.signed or _SIGNED_ARMOUR in text
        content.encrypted = content.encrypted or _ENCRYPTED_ARMOUR in text
    return Segment(text.strip("\n"), own)


def _add_files(node: Inventory, files: list[Inventory], content: Content) -> None:
    """List the files that were found in a text as its parts."""
    if files:
        content.has_attachment = True
        node["parts"] = node.get("parts", []) + files


def _within_reach(data: bytes, content: Content) -> bytes:
    """Cut bytes that cannot be shown, so that they are not decoded for nothing."""
    longest = _MAX_BYTES_A_CHARACTER * (
        content.budget.limits.max_body_chars - content.text_chars + 1
    )
    if len(data) > longest:
        content.budget.note("text-cut")
    return data[:longest]


def _within_limit(text: str, content: Content) -> str:
    """Cut text that would pass the limit of the whole body, and say so."""
    left = content.budget.limits.max_body_chars - content.text_chars
    if len(text) > left:
        content.budget.note("text-cut")
        text = text[: max(0, left)]
    content.text_chars += len(text)
    return text


def check_size(raw: bytes, budget: Budget) -> None:
    """Raise RejectedMail("too-large") for a file over the limit."""
    limit = budget.limits.max_bytes
    if len(raw) > limit:
        raise RejectedMail("too-large", f"the file has {len(raw)} bytes, the limit is {limit}")
