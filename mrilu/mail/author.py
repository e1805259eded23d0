"""Who wrote a mail: From, and behind a list that puts its own address there whom the list names.

Lists rewrite From for DMARC (RFC 7489; RFC 7960, 4.1.3.1), or wrap the mail as it came in one of their own.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
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
# A list's addresses for requests and for those who run it (RFC 2142, 6; Mailman, ezmlm).
_SERVICE = re.compile(
    r"(?:owner-)?(.+?)(?:-(?:owner|request|bounces?|admin|help|join|leave|subscribe|unsubscribe))?(@.+)"
)
_QUOTES = "'\"‘’“” "
_MOST_MAILBOXES = 20
_MAX_CHARS = 5000


def author_of(part: Part, hint: str) -> tuple[Address, Part | None]:
    """Return the author of a mail, and the part that holds the mail as it came if the list wrapped it.

    Other fields than From are believed only where From is the list's own address (List-Post, List-Id): a mail
    of anyone else could name whom it liked.
    """
    fields = part.by_name
    stated = parse_author(fields.get("from") or fields.get("sender", ""), hint)
    if not _may_be_the_lists(stated.address, fields):
        return stated, None
    own = _own_addresses(fields, stated.address)
    if stated.address.lower() not in own:
        return stated, None
    if (holder := _wrapping(part)) and (found := _inner_author(holder, own, hint)):
        return found, holder
    return _named_author(fields, stated, own, hint), None


def _may_be_the_lists(address: str, fields: Mapping[str, str]) -> bool:
    """Tell whether a look at the list's fields is worth while: for nearly all mail it is not."""
    if "list-post" not in fields and "list-id" not in fields or not address:
        return False
    told = _told(fields.get("list-post", ""), fields.get("list-id", ""))
    return address.partition("@")[0].lower() in told or "%" in told or "=?" in told


@lru_cache(maxsize=256)
def _told(*values: str) -> str:
    return " ".join(values).lower()


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
    return [one for one in found if "@" in one.address and not _is_the_lists(one.address, own)]


def _is_the_lists(address: str, own: set[str]) -> bool:
    service = _SERVICE.fullmatch(address.lower())
    return address.lower() in own or bool(service and service[1] + service[2] in own)


def _is_called(person: Address, name: str) -> bool:
    return bool(name) and person.name.strip(_QUOTES).casefold() == name.casefold()


def _wrapping(part: Part) -> Part | None:
    """The part that holds the mail as it came: all of the list's mail, or one between the list's header and footer."""
    parts = part.children if part.content_type == "multipart/mixed" else [part]
    held = [one for one in parts if one.content_type in NESTED_TYPES and one.children]
    return held[0] if len(held) == 1 and _is_the_same(part, held[0].children[0]) else None


def _is_the_same(outer: Part, inner: Part) -> bool:
    """Tell whether two headers are one mail's: they have the same Message-ID, or without it Date and Subject."""
    ids = [parse_message_id(one.by_name.get("message-id", "")) for one in (outer, inner)]
    if all(ids):
        return ids[0] == ids[1]
    return all(
        outer.by_name.get(name, "").strip()
        and outer.by_name[name].split() == inner.by_name.get(name, "").split()
        for name in ("date", "subject")
    )


def _inner_author(holder: Part, own: set[str], hint: str) -> Address | None:
    found = parse_author(holder.children[0].by_name.get("from", ""), hint)
    return found if "@" in found.address and not _is_the_lists(found.address, own) else None
