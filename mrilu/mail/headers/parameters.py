"""Content-Type and Content-Disposition: value and parameters (RFC 2045, 5.1; RFC 2183; RFC 2231)."""

import re
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from mrilu.mail.headers.encoded_words import decode_words
from mrilu.mail.headers.file_names import base_name
from mrilu.mail.text.charset import decode_text

_FOLD = re.compile(r"\r?\n|\r")
_PARAMETER = re.compile(
    r';\s{0,80}+([^\s=;"]{1,80})[ \t]*=[ \t]*(?:"((?>(?:[^"\\]|\\.)*))"?|([^;]*))', re.DOTALL
)
# Where a semicolon is missing: between a quoted value and a name, and before the names that mail knows.
_BEFORE_NAME = r"(?<=[^\s;=])\s{1,80}(?=(?:filename|name|format|delsp)\*?(?:\d\*?)?[ \t]{0,9}=)"
_UNQUOTED = re.compile(_BEFORE_NAME, re.IGNORECASE)
_UNSEPARATED = re.compile(
    r'("(?>(?:[^"\\]|\\.)*)(?:(")|\\?\Z))(?:\s{1,80}(?=[A-Za-z][\w*-]{0,40}[ \t]{0,9}=))?'
    r"|" + _BEFORE_NAME,
    re.DOTALL | re.IGNORECASE,
)
# What is left of a parameter whose separators are missing or wrong: "text/plain charset=x", "charset:x".
_LOOSE = re.compile(
    r"(?:^|[\s;,)])(charset|boundary)\s{0,9}[=:]\s{0,9}(?:\([^()]{0,100}\)\s{0,9})?"
    r'(?:"([^"]{1,200})"?|([^\s;",()]{1,200}))',
    re.IGNORECASE,
)
_ESCAPED = re.compile(r'\\(["\\])')
_SECTION = re.compile(r"([^*]+)(?:\*(\d{1,4}))?(\*)?")
_TYPE = re.compile(r"[\w.+-]{1,127}/[\w.+-]{1,127}", re.ASCII)
_HALF_TYPES = {"text": "text/plain", "html": "text/html", "multipart": "multipart/mixed"}
_MAX_VALUE = 20_000
_MAX_PARAMETERS = 200

Parameters = dict[str, str]


def parse_value(value: str) -> tuple[str, Parameters]:
    """Split a structured value in its lower-case main word and parameters; raw 8-bit stays surrogate-escaped.

    Cached, as list mail repeats a few values: callers do not change the result.
    """
    return _parse_value(value[:_MAX_VALUE])


@lru_cache(maxsize=2048)
def _parse_value(value: str) -> tuple[str, Parameters]:
    value = _UNSEPARATED.sub(_with_semicolon, _FOLD.sub("", value))
    main = value.partition(";")[0].partition("(")[0].strip().lower()
    sections: dict[str, dict[int, tuple[str, bool]]] = {}
    for count, match in enumerate(_PARAMETER.finditer(value)):
        if count >= _MAX_PARAMETERS:
            break
        _add_section(sections, match)
    parameters = {name: _join_sections(found) for name, found in sections.items()}
    _add_loose(parameters, value)
    return main, parameters


def _with_semicolon(match: re.Match[str]) -> str:
    """A quoted string is left alone unless a name follows it at once; one that is never closed quotes nothing."""
    quoted = match[1]
    if quoted and not match[2]:
        return _UNQUOTED.sub(";", quoted)
    return match[0] if quoted and len(quoted) == len(match[0]) else f"{quoted or ''};"


def _add_loose(parameters: Parameters, value: str) -> None:
    """Find a charset or boundary that the grammar hides behind a comment or a missing semicolon."""
    for name in ("charset", "boundary"):
        given = parameters.get(name)
        if (
            given is None
            and name not in value.lower()
            or given
            and given[:1] != "("
            and " (" not in given
        ):
            continue
        if match := next(
            (found for found in _LOOSE.finditer(value) if found[1].lower() == name), None
        ):
            parameters[name] = match[2] or match[3]


def _add_section(sections: dict[str, dict[int, tuple[str, bool]]], match: re.Match[str]) -> None:
    name = _SECTION.match(match[1].lower())
    if not name:
        return
    text = _ESCAPED.sub(r"\1", match[2]) if match[2] is not None else match[3].strip().rstrip('"')
    found = sections.setdefault(name[1], {})
    number = int(name[2]) if name[2] else (-1 if name[3] else -2)
    found.setdefault(number, (text, bool(name[3])))


def _join_sections(found: dict[int, tuple[str, bool]]) -> str:
    if -1 in found:
        return _decode_extended([found[-1]])
    if 0 in found or 1 in found:
        return _decode_extended([found[number] for number in sorted(found) if number >= 0])
    return found[min(found)][0]


def _decode_extended(pieces: list[tuple[str, bool]]) -> str:
    """RFC 2231: charset'language'percent-text, charset only in the first piece; bytes are joined before decoding."""
    charset, data = "", b""
    for number, (text, extended) in enumerate(pieces):
        if extended and number == 0 and text.count("'") >= 2:
            charset, _language, text = text.split("'", 2)
        raw = text.encode("utf-8", "surrogateescape")
        data += unquote_to_bytes(raw) if extended else raw
    return decode_text(data, charset or "utf-8")[0]


def content_type_of(value: str, default: str = "text/plain") -> tuple[str, Parameters]:
    """Media type in lower case and parameters; `default` where the value is missing or no type at all."""
    if not value:
        return default, {}
    main, parameters = parse_value(value)
    if not _TYPE.fullmatch(main):
        found = _TYPE.match(main)
        # RFC 2045, 5.2: what cannot be parsed is text/plain; "text" or "html" alone are seen in the wild.
        main = found[0] if found else _HALF_TYPES.get(main, default)
    return main, parameters


def charset_of(parameters: Parameters) -> str:
    """The charset parameter without comments and quotes, or ""."""
    value = parameters.get("charset")
    return _bare_word(value[:1000]) if value else ""


@lru_cache(maxsize=512)
def _bare_word(value: str) -> str:
    return value.partition("(")[0].strip(" \t'\"")


def file_name_of(disposition: Parameters, content_type: Parameters, hint: str) -> str:
    """The attachment's name from filename= or name=, RFC 2231 or (against RFC 2047, 5, but usual) encoded words."""
    for name in (disposition.get("filename"), content_type.get("name")):
        if name and (base := base_name(decode_words(name, hint))):
            return base
    return ""
