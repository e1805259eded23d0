"""Which mailing list a mail came through (RFC 2919 List-Id, RFC 2369 List-Post, and older habits)."""

import re
from collections.abc import Mapping
from functools import lru_cache

from mrilu.mail.headers.encoded_words import decode_header

_ANGLE = re.compile(r"<([^<>]{1,255})>")
_ADDRESS = re.compile(r"([^\s<>@\"(),;:]{1,100})@([\w.-]{1,200})")
# Letters, digits and "_.+-" of ASCII, and all else that is not white space: marks of vowels and tones are no \w. One
# class: two that share characters would be tried in every combination.
_NAME = re.compile(r"[^\s\x00-*,/:-@\[-^`{-\x7f]{1,255}")
_OWNER = re.compile(r"owner-(.+)|(.+)-(?:owner|bounces|bounce|admin|errors|request)(?:\+.*)?")
_MAX_CHARS = 2000
_LIST_NAME = re.compile(r"\blist\s+", re.IGNORECASE)


def list_id_of(fields: Mapping[str, str]) -> str | None:
    """The list's id as "name.domain" in lower case, from the most to the least reliable field; None for no list."""
    if (value := fields.get("list-id")) and (found := _from_list_id(value[:_MAX_CHARS])):
        return found
    for name in ("list-post", "x-mailing-list", "x-beenthere", "x-mailinglist", "x-ml-name"):
        if (value := fields.get(name)) and (found := _from_address(value[:_MAX_CHARS])):
            return found
    for name in ("mailing-list", "delivered-to"):
        value = fields.get(name, "")[:_MAX_CHARS]
        if _LIST_NAME.search(value[:200]) and (found := _from_address(value)):
            return found
    for name in ("sender", "errors-to"):
        if (value := fields.get(name)) and (found := _from_owner(value[:_MAX_CHARS])):
            return found
    return None


@lru_cache(maxsize=1024)
def _from_list_id(value: str) -> str | None:
    """ "Name <r-help.r-project.org>"; a bare id or an address in its place are read too."""
    value = decode_header(value)
    brackets = _ANGLE.findall(value)
    # The id is the last bracket: a phrase may hold one as well. A fold may have put a blank into it.
    text = ("".join(brackets[-1].split()) if brackets else value.strip("<>\"' ")).lower()
    if "@" in text:
        return _from_address(text)
    if not _NAME.fullmatch(text):
        found = [word for word in _NAME.findall(value.lower()) if "." in word.strip(".")]
        text = found[-1] if found else ""
    return text.strip(".") or None


@lru_cache(maxsize=1024)
def _from_address(value: str) -> str | None:
    match = _ADDRESS.search(decode_header(value).replace("mailto:", ""))
    return f"{match[1]}.{match[2].strip('.')}".lower() if match else None


@lru_cache(maxsize=1024)
def _from_owner(value: str) -> str | None:
    """ "owner-lojban@lojban.org", "r-help-bounces@r-project.org": the envelope names of list software."""
    match = _ADDRESS.search(decode_header(value))
    owner = _OWNER.fullmatch(match[1].lower()) if match else None
    if not match or not owner:
        return None
    name = (owner[1] or owner[2]).partition("+")[0]
    return f"{name}.{match[2].strip('.')}".lower()
