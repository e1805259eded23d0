"""The line above a quotation that names its author: "On Tue, 9 Nov 1999, Ann wrote:" in any language. Pure."""

import re

from mrilu.mail.own_words.languages import LANGUAGES, all_words, pattern_of

_WROTE = "|".join(all_words("wrote"))
_END = re.compile(rf"(?:{_WROTE})[^\n\w]{{0,60}}[:：][ \t]*$", re.IGNORECASE)
_OPENS = [word.casefold() for word in [*all_words("opens"), "de", "tarihinde"]]
_FIRST_WORDS = frozenset(word for word in _OPENS if " " not in word)
_FIRST_PHRASES = tuple(word for word in _OPENS if " " in word or not word.isascii())
_DATE_FIRST = re.compile(r"\d{1,4}[-./年]")
# The name follows the verb in some languages.
_NAME_BEHIND = re.compile(r"\bschrieb\b.{0,200}:[ \t]*$", re.IGNORECASE)
# A date, an address ("at" stands for "@" in web archives) or the word "Quoting", with a colon at the end.
_DATED_ADDRESS = re.compile(
    r"(?:\d{1,2}:\d\d|\d{4}|[\w.+-]@[\w-]|<[\w.+-]+ at [\w.-]+>|^quoting\s)"
    r".{0,300}[:：][ \t]*$",
    re.IGNORECASE,
)
_USUAL_ENDS = (
    "wrote:",
    "writes:",
    "schrieb:",
    "écrit :",
    "écrit:",
    "escribió:",
    "ha scritto:",
    "skrev:",
    "escreveu:",
)
_TIME_OR_YEAR = re.compile(r"\d:\d\d|\b(?:19|20)\d\d\b")
# What may stand between an attribution and the quotation: "[...]", "<snip>", the rule of old Yahoo.
_GAP = re.compile(
    r"\s*\n[ \t]{0,9}(?:[\[<(]?\.{3}[\])>]?|[<\[(](?:snip|cut|deleted)[^\n]{0,30}[>\])]|-{10,})\Z",
    re.IGNORECASE,
)
# Attributions without a colon: "2013/8/28 Ann <ann@x.org>" of Gmail, "la .an. cusku di'e" in Lojban.
_BARE_ATTRIBUTION = re.compile(
    r"(?:\d{4}/\d{1,2}/\d{1,2} [^\n]{1,100}<[^<>\n]{3,100}>"
    r"|[^\n]{0,150}\b(?:cusku|ciska|skicu)\b[^\n]{0,20}\bdi['h’,]e)",
    re.IGNORECASE,
)
# Some mailers quote the fields themselves above the quotation.
_FIELDS_ABOVE = re.compile(
    r"\nFrom: [^\n]{1,200}"
    r"(?:\n(?:Date|Subject|To|Cc|Sent|Message-ID): [^\n]{1,200}){1,5}\s{0,3}\Z"
)
# Over a text that is not marked as quoted the words have to be plainer.
_PLAIN_WROTE = "|".join(
    [r"\bwrote", *(word for row in LANGUAGES if row.code != "en" for word in row.wrote)]
)
_PLAIN_END = re.compile(rf"(?:{_PLAIN_WROTE})[^\n\w]{{0,3}}[:：]\Z", re.IGNORECASE)
_PLAIN_NAME_BEHIND = re.compile(
    r"\b(?:schrieb|schreef|skrev|írta)\b[^\n]{0,100}[:：]\Z", re.IGNORECASE
)
_LONGEST_VERB, _LONGEST_NAME, _LONGEST_END = 40, 120, 100
_PLAIN_START = re.compile(rf"[ \t]{{0,8}}{pattern_of(all_words('opens'))}[ \t]")
_ADDRESS = re.compile(r"<(?:mailto:)?[^<>@\s]{1,100}@[^<>\s]{1,100}>")
_YEAR_FIRST = re.compile(r"[ \t]{0,8}\d{4}(?:年|년 |[-/.]\d)")
_COLONS = (":\n", ": \n", "：\n")
_MIN_ATTRIBUTED, _MAX_COLONS = 40, 50
_LONGEST_OPENING, _MOST_LINES = 260, 3
_MAX_LINE = 250
_MAX_BLANK_LINES = 2


def unmarked_start(text: str, start: int, end: int) -> int:
    """Return where an attribution over unmarked foreign text begins, with somebody's own words above it; else `end`."""
    if end - start < _MIN_ATTRIBUTED:
        return end
    found = end
    for colon in _COLONS[:2] if text.isascii() else _COLONS:
        at = text.find(colon, start, found)
        for _ in range(_MAX_COLONS):
            if at < 0:
                break
            first = _unmarked_attribution(text, start, at + 1)
            if first >= 0 and text[:first].strip():
                found = first
                break
            at = text.find(colon, at + 1, found)
    return found


def _unmarked_attribution(text: str, floor: int, end: int) -> int:
    """Start of the attribution of one to three lines that ends at `end`; -1 for none."""
    if not (text[end - 2].isalpha() or text[end - 2] in ">) \xa0"):
        return -1
    near = text[max(floor, end - _LONGEST_OPENING) : end]
    if not _TIME_OR_YEAR.search(near):
        return -1
    wrote = bool(
        _PLAIN_END.search(near[-_LONGEST_VERB:]) or _PLAIN_NAME_BEHIND.search(near[-_LONGEST_NAME:])
    )
    if not wrote and near[-2:-1] != ">":
        return -1
    first = end
    for _ in range(_MOST_LINES):
        first = text.rfind("\n", floor, first)
        if first < 0 or end - first > 2 * _LONGEST_OPENING:
            return -1
        lines = text[first + 1 : end]
        if not lines.split("\n", 1)[0].strip():
            return -1
        if _TIME_OR_YEAR.search(lines) and _names_author(lines, wrote):
            return first
    return -1


def _names_author(lines: str, wrote: bool) -> bool:
    if wrote and _PLAIN_START.match(lines):
        return any(sign.isdigit() for sign in lines[:130]) and len(lines) > 12
    return _ADDRESS.search(lines) is not None and (wrote or _YEAR_FIRST.match(lines) is not None)


def attribution_start(text: str, quote: int, floor: int) -> int:
    """The attribution ends in ":" at most two blank lines above `quote` and may be wrapped over four lines."""
    window = text[max(floor, quote - 4 * _MAX_LINE) : quote]
    stripped = window.rstrip(" \t\n")
    if "\nFrom: " in window and (fields := _FIELDS_ABOVE.search(window)):
        return quote - len(window) + fields.start()
    if stripped[-1:] in ("]", ">", "-") and (gap := _GAP.search(stripped)):
        stripped = stripped[: gap.start()]
    elif window.count("\n", len(stripped)) > _MAX_BLANK_LINES:
        return quote
    end = quote - len(window) + len(stripped)
    if stripped[-1:] in (":", "："):
        return _attributed_by(stripped, end) or quote
    last = stripped[stripped.rfind("\n") + 1 :]
    return (
        end - len(last) if last[-1:] in (">", "e") and _BARE_ATTRIBUTION.fullmatch(last) else quote
    )


def _attributed_by(above: str, end: int) -> int:
    """Start of the attribution that `above` ends with, where `end` is the place of its colon; 0 for none."""
    lines = above.split("\n")[-4:]
    paragraph = ""
    for number in range(len(lines) - 1, -1, -1):
        if not lines[number].strip() or len(lines[number]) > _MAX_LINE:
            break
        paragraph = f"{lines[number].strip()} {paragraph}".strip()
        if _opens(paragraph) and _is_attribution(paragraph):
            return end - len("\n".join(lines[number:]))
    return end - len(lines[-1]) if lines[-1] and _is_attribution(lines[-1]) else 0


def _opens(paragraph: str) -> bool:
    word = paragraph.split(None, 1)[0].rstrip(",.:").casefold()
    if word in _FIRST_WORDS or word[:1].isdigit() and _DATE_FIRST.match(word):
        return True
    return paragraph[:20].casefold().startswith(_FIRST_PHRASES)


def _is_attribution(text: str) -> bool:
    text = text[-300:].rstrip()
    return text.endswith(_USUAL_ENDS) or bool(
        _END.search(text[-_LONGEST_END:])
        or _NAME_BEHIND.search(text)
        or _DATED_ADDRESS.search(text)
    )
