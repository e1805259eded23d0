"""Who wrote a mail: From, and behind a list that puts its own address there whom the list names.

Lists rewrite From for DMARC (RFC 7489; RFC 7960, 4.1.3.1), or wrap the mail as it came in one of their own.
"""

import re
from collections.abc import Mapping
from urllib.parse import unquote

from mrilu.mail.headers.addresses import lower_domain, parse_addresses, parse_author
from mrilu.mail.headers.identifiers import parse_message_id
from mrilu.mail.headers.mailing_list import list_id_of
from mrilu.mail.message import Address
from mrilu.mail.tree.structure import NESTED_TYPES, Part

_NAMING_FIELDS = ("x-original-from", "original-from", "x-original-sender", "reply-to")
_MAILTO = re.compile(r"mailto:([^\s<>?,]{1,500})", re.IGNORECASE)
# How list programs, in some languages, say through whom a mail came.
_VIA = re.compile(
    r"[\s(]+(?:via|über|par|przez|através de|a través de|tramite|через|door)\s.*\Z|\s*(?:経由|通过).*\Z",
    re.IGNORECASE | re.DOTALL,
)
_QUOTES = "'\"‘’“” "
_MOST_MAILBOXES = 20
_MAX_CHARS = 5000


def author_of(part: Part, hint: str) -> tuple[Address, Part | None]:
    """Return the author of a mail, and the part that holds the mail as it came if the list wrapped it.

    Other fields than From are believed only where From is the list's own address (List-Post, List-Id): a mail
    of anybody else could name whom it liked.
    """
    fields = part.by_name
    stated = parse_author(fields.get("from") or fields.get("sender", ""), hint)
    if not ("list-id" in fields or "list-post" in fields) or not stated.address:
        return stated, None
    own = _own_addresses(fields, stated.address)
    if stated.address.lower() not in own:
        return stated, None
    if (holder := _wrapping(part)) and (found := _inner_author(holder, own, hint)):
        return found, holder
    return _named_author(fields, stated, own, hint), None


def _own_addresses(fields: Mapping[str, str], stated: str) -> set[str]:
    """The list's addresses in lower case: where List-Post leads, and `stated` if List-Id is its name (RFC 2919, 3)."""
    posts = _MAILTO.findall(fields.get("list-post", "")[:_MAX_CHARS])
    own = {lower_domain(unquote(one)).lower() for one in posts}
    name = list_id_of({"list-id": fields["list-id"]}) if "list-id" in fields else None
    if name and stated.lower().replace("@", ".") == name:
        own.add(stated.lower())
    return own


def _named_author(fields: Mapping[str, str], stated: Address, own: set[str], hint: str) -> Address:
    name = _VIA.sub("", stated.name).strip(_QUOTES)
    for field in _NAMING_FIELDS:
        people = _people(fields, field, own, hint)
        if people:
            found = next((one for one in people if _is_called(one, name)), people[0])
            return Address(found.name or name, found.address)
    # Where replies go to the list, Mailman puts the author into Cc, which others are in as well.
    called = (one for one in _people(fields, "cc", own, hint) if _is_called(one, name))
    return next(called, stated)


def _people(fields: Mapping[str, str], field: str, own: set[str], hint: str) -> list[Address]:
    value = fields.get(field, "")[:_MAX_CHARS]
    if not value:
        return []
    several = parse_addresses(value, hint, _MOST_MAILBOXES)
    found = several if len(several) > 1 else [parse_author(value, hint)]
    return [one for one in found if "@" in one.address and one.address.lower() not in own]


def _is_called(person: Address, name: str) -> bool:
    return bool(name) and person.name.strip(_QUOTES).casefold() == name.casefold()


def _wrapping(part: Part) -> Part | None:
    """The part that is, or begins, a list's mail around another one with the same Message-ID, or Date and Subject."""
    first = part.children[0] if part.content_type == "multipart/mixed" and part.children else part
    if first.content_type not in NESTED_TYPES or not first.children:
        return None
    outer, inner = part.by_name, first.children[0].by_name
    ids = [parse_message_id(fields.get("message-id", "")) for fields in (outer, inner)]
    if all(ids):
        return first if ids[0] == ids[1] else None
    same = all(
        outer.get(name, "").strip() and outer.get(name, "").split() == inner.get(name, "").split()
        for name in ("date", "subject")
    )
    return first if same else None


def _inner_author(holder: Part, own: set[str], hint: str) -> Address | None:
    found = parse_author(holder.children[0].by_name.get("from", ""), hint)
    return found if "@" in found.address and found.address.lower() not in own else None
