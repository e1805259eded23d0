"""Address lists (RFC 5322, 3.4) as found in mail: groups, comments, quoted strings, and much that is none of these."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from mrilu.mail.clock import timed
from mrilu.mail.headers.encoded_words import decode_header
from mrilu.mail.message import Address

# The common forms: addr, <addr>, Name <addr>, "Name" <addr>; anything else goes through the tokens below.
_PLAIN_ADDRESS = r'([^\s"\\(),:;<>@\[\]]+@[^\s"\\(),:;<>@\[\]]+)'
_USUAL = re.compile(
    rf'(?>\s*)(?:"([^"\\@=]*)"|([^"\\(),:;<>@=\[\]]*))\s*<\s*{_PLAIN_ADDRESS}\s*>\s*'
)
_BARE = re.compile(rf"\s*{_PLAIN_ADDRESS}\s*")
_TOKEN = re.compile(
    r'"((?>(?:[^"\\]|\\.)*))"?|(=\?[^?\s]{1,60}\?[bBqQ]\?[^?]{0,4000}\?=)|([(),:;<>])|(\s+)'
    r'|(@\[[^\]\s()<>]{1,100}\]|(?:[^\s"\\(),:;<>=@]|@(?!\[)|\\.|=(?!\?))+|[\\=@])',
    re.DOTALL,
)
# A quotation mark that is never closed, in front of an address in angle brackets, is a stray one.
_STRAY_QUOTE = re.compile(r"<@*[^\s<>@]+@[^\s<>]+>")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_LOOKS_LIKE_ADDRESS = re.compile(r"[^\s@]+@[^\s@]+")
_DISGUISED = re.compile(r"(\S+) ?(?: at |\(at\)|\[at\]) ?([\w-]+(?:(?:\.| dot )[\w-]+)+)", re.ASCII)
_SPACED_DOT = re.compile(r"(?<=[\w-])\s{1,9}\.\s{0,9}(?=[\w-])")
# One mailbox that is all of a field, with what stands before its angle bracket; and a phrase as it ought to be.
_SPECIAL = re.compile(r'[":,;]')
_ONE_MAILBOX = re.compile(r"([^<>]*+)<[^<>@]*+@[^<>]*+>?\s*+(?:\([^()]*\)\s*)?,?\s*")
_PHRASE = re.compile(r'(?>\s+|[^\s"(),:;\\]+|\\.|"(?>(?:[^"\\]|\\.)*)"|\([^()]*\))*', re.DOTALL)
_AN_ADDRESS = re.compile(r"[^\s@]@[^\s@]")
_COMMENT = re.compile(r"\([^()]{0,1000}\)")
_ENCODED_OR_QUOTE = re.compile(r'(=\?[^?\s]{1,60}\?[bBqQ]\?[^?]{0,4000}\?=)|\\?"')
_QUOTED_MAILBOX = re.compile(r'\s*"([^"<>]*<[^\s"<>@]+@[^\s"<>@]+>)"\s*')
# Where a fold broke a bare address: behind or before a dot or hyphen, or before what can only be a domain's end.
_BROKEN = re.compile(
    r"(?<=[.-])\s*\n[ \t]+(?=[\w.-]*@?[\w.-]+\Z)|(?<=\w)\s*\n[ \t]+(?=[a-z0-9-]*(?:\.[a-z0-9-]+)+\s*\Z)"
)
_MAX_CHARS = 200_000
# RFC 5321, 4.5.3.1 allows 64 + 255 bytes.
_MAX_ADDRESS_CHARS = 500


def parse_addresses(value: str, hint: str = "", limit: int = 2000) -> list[Address]:
    """Mailboxes of an address-list header in order, group members included; at most `limit` of them.

    Entries without an address (an empty group, "undisclosed recipients") are left out.
    """
    if usual := _usual(value, hint):
        return [usual]
    found = _scan(value[:_MAX_CHARS], hint, limit)
    if not found and "=?" in value and "@" in (text := decode_header(value, hint)):
        # The whole list was encoded as one word.
        return _scan(text, hint, limit)
    return found


def _usual(value: str, hint: str) -> Address | None:
    """The one mailbox of a value in one of the common forms."""
    if "<" not in value:
        match = _BARE.fullmatch(value[:1000])
        return Address("", _plain_address(match[1], hint)) if match else None
    if match := _USUAL.fullmatch(value[:1000]):
        name = decode_header(match[1] or match[2] or "", hint)
        return Address(name, _plain_address(match[3], hint))
    return None


def parse_author(value: str, hint: str = "") -> Address:
    """The first mailbox of From; where there is no address, the whole text is the name."""
    if usual := _usual(value, hint):
        return usual
    if match := _QUOTED_MAILBOX.fullmatch(value[:1000]):
        value = match[1]
    found = parse_addresses(value, hint, limit=1)
    if found:
        return _with_whole_name(value, found[0], hint)
    text = decode_header(value, hint)
    if match := _DISGUISED.match(text[:1000]):
        # Pipermail archives: "user at example.org (Full Name)".
        name = text[match.end() :].strip().strip("()")
        return Address(name, lower_domain(f"{match[1]}@{match[2].replace(' dot ', '.')}"))
    return Address(text.strip('<>" ,;:'), "")


def _with_whole_name(value: str, author: Address, hint: str) -> Address:
    """The author of 'Doe, John <jd@x.org>' or 'Tea: a list <tea@x.org>', whose name should have been quoted.

    A mail has one author as a rule, and a group (RFC 5322, 3.4) ends in ";".
    """
    if not _SPECIAL.search(value) or not (mailbox := _ONE_MAILBOX.fullmatch(value[:_MAX_CHARS])):
        return author
    name = mailbox[1]
    if _PHRASE.fullmatch(name) or _AN_ADDRESS.search(name):
        return author
    plain = _COMMENT.sub(" ", _ENCODED_OR_QUOTE.sub(lambda found: found[1] or "", name))
    whole = decode_header(plain, hint).strip(" ,;:")
    return author if not whole or "=?" in whole else Address(whole, author.address)


def _plain_address(text: str, hint: str) -> str:
    """What one of the common forms holds; nearly always there is nothing to decode or to clean."""
    if text.isascii() and text.isprintable() and "=?" not in text:
        local, at, domain = text.rpartition("@")
        return (local + at + domain.lower().rstrip("."))[:_MAX_ADDRESS_CHARS]
    return lower_domain(decode_header(text, hint))


def lower_domain(address: str) -> str:
    """The address with its domain in lower case, and no blanks (RFC 5321, 2.4)."""
    local, at, domain = address.rpartition("@")
    local, domain = (
        local.strip() if '"' in local else "".join(local.split()),
        "".join(domain.split()),
    )
    return (local + at + domain.lower().rstrip("."))[:_MAX_ADDRESS_CHARS]


@dataclass(slots=True)
class _Entry:
    """One list element while its tokens are read."""

    phrase: list[str] = field(default_factory=list)
    angle: list[str] = field(default_factory=list)
    comment: list[str] = field(default_factory=list)
    has_angle: bool = False
    named: int = 0
    quoted: tuple[str, str] | None = None
    quoted_address: str = ""

    def add_word(self, match: re.Match[str]) -> None:
        """A token of the phrase; a quoted string right before "@" is a local part and keeps its quotes."""
        if match[0].startswith("@") and self.quoted and self.phrase[-1:] == [self.quoted[1]]:
            self.quoted_address = self.quoted[0] + match[0]
        self.quoted = (match[0], _text_of(match)) if match[1] is not None else None
        self.phrase.append(_text_of(match))

    def finish(self, hint: str) -> Address:
        comment = decode_header("".join(self.comment), hint)
        if self.has_angle:
            address = _route_free("".join(self.angle))
            if match := _DISGUISED.fullmatch(address):
                address = f"{match[1]}@{match[2].replace(' dot ', '.')}"
            name = decode_header("".join(self.phrase), hint).strip()
            if not address and _LOOKS_LIKE_ADDRESS.fullmatch(name):
                address = name
            return Address(name or comment, lower_domain(decode_header(address, hint)))
        if self.quoted_address:
            return Address(comment, lower_domain(decode_header(self.quoted_address, hint)))
        address, name = _split_bare("".join(self.phrase))
        return Address(
            decode_header(name, hint) or comment, lower_domain(decode_header(address, hint))
        )


def _route_free(angle: str) -> str:
    """Drop an obsolete source route "@one,@two:" (RFC 5322, 4.4) and a "mailto:"."""
    angle = angle.strip(" \t\r\n,;<")
    if angle.startswith("@") and ":" in angle:
        angle = angle.rpartition(":")[2]
    return angle[7:] if angle[:7].lower() == "mailto:" else angle


def _split_bare(text: str) -> tuple[str, str]:
    """Address and left-over words of an element without angle brackets; ("", "") where nothing has an "@"."""
    if "\n" in text and len(text) <= _MAX_ADDRESS_CHARS:
        text = _BROKEN.sub("", text.strip())
    words = _SPACED_DOT.sub(".", text).split()
    at = [number for number, word in enumerate(words) if "@" in word]
    if not at:
        return "", ""
    if words[at[0]] == "@" or len(words) == 1:
        return "".join(words), ""
    if words[at[0]].startswith("@") or words[at[0]].endswith("@") or words[-1].startswith("."):
        return "".join(words), ""
    address = words[at[-1]]
    return address if "@[" in address else address.strip("[]"), " ".join(
        words[: at[-1]] + words[at[-1] + 1 :]
    )


@dataclass(slots=True)
class _ListReader:
    """Reads the tokens of an address list, one after the other, in time linear in their number."""

    hint: str
    found: list[Address] = field(default_factory=list)
    entry: _Entry = field(default_factory=_Entry)
    depth: int = 0
    in_angle: bool = False

    def take(self, match: re.Match[str]) -> None:
        """The next token: part of a comment, of the bracketed address, of the phrase, or a separator."""
        special = match[3]
        if self.depth:
            self.depth += (special == "(") - (special == ")")
            if self.depth:
                self.entry.comment.append(_text_of(match))
        elif special == "(":
            self.depth = 1
            if self.entry.comment:
                self.entry.comment.append(" ")
        elif self.in_angle and special != ">":
            self.entry.angle.append(match[0])
        elif special is None:
            self.entry.add_word(match)
        else:
            self._take_special(special)

    def _take_special(self, special: str) -> None:
        if special in ",;" or (special == ">" and not self.in_angle):
            self.end_entry()
        elif special == ":":
            # What stood before was a group's name (RFC 5322, 3.4), or "mailto"; the members follow.
            self.entry.phrase.clear()
            self.entry.comment.clear()
        elif special == "<":
            self._open_angle()
        else:
            self.in_angle = False
            self.entry.named = len(self.entry.phrase)

    def _open_angle(self) -> None:
        if self.entry.angle:
            # "Ann <ann@x.org> Bob <bob@y.org>": the comma is missing.
            left_over = self.entry.phrase[self.entry.named :]
            del self.entry.phrase[self.entry.named :]
            self.end_entry()
            self.entry.phrase = left_over
        self.in_angle = self.entry.has_angle = True

    def end_entry(self) -> None:
        """The element is complete; those without an address are dropped."""
        entry = self.entry.finish(self.hint)
        if entry.address.strip("@"):
            self.found.append(entry)
        self.entry = _Entry()


def _scan(value: str, hint: str, limit: int) -> list[Address]:
    reader = _ListReader(hint)
    for match in timed(_tokens(value)):
        reader.take(match)
        if len(reader.found) >= limit:
            return reader.found
    reader.end_entry()
    return reader.found


def _tokens(value: str) -> Iterator[re.Match[str]]:
    for match in _TOKEN.finditer(value):
        if (
            match[1] is not None
            and len(match[0]) < len(match[1]) + 2
            and _STRAY_QUOTE.search(match[1])
        ):
            yield from _TOKEN.finditer(value, match.start() + 1)
            return
        yield match


def _text_of(match: re.Match[str]) -> str:
    if match[1] is not None:
        return _ESCAPED.sub(r"\1", match[1])
    return _ESCAPED.sub(r"\1", match[0]) if "\\" in match[0] else match[0]
