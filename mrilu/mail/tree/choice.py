"""Which of several readings of one text is shown: of alternatives, of plain text and HTML that say the same."""

import re
from collections import Counter
from typing import NamedTuple

_STUB = re.compile(
    r"(?:html|rich.?text|browser|mail (?:client|reader|program)|this (?:e-?mail|message) (?:is|was))",
    re.IGNORECASE,
)
_MAX_STUB_CHARS = 250
# White space, and what Unicode calls default-ignorable (UAX 44, DerivedCoreProperties) or draws as a blank.
_VISIBLE = re.compile(
    "[^\\s\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U000e0000-\U000e0fff]"
)
# Some programs that make the plain text of the HTML leave them as they are.
_BLANK_ENTITY = re.compile(
    r"&(?:nbsp|zwnj|zwj|shy|#0*(?:160|173|820[345]|847)|#x0*(?:a0|ad|200[bcd]|34f));", re.I
)
_MOST_BLANK_CHARS = 5000
_URL = re.compile(r"\b(?:https?://|www\.|mailto:)[^\s<>\"]{1,2000}", re.IGNORECASE)
# A word; of scripts without blanks a character.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]|[^\W_]+")
_FEW_WORDS = 5
_MOST_OWN_SHARE = (
    0.1  # of its words that HTML may add to the plain text beside it, and still say the same
)


class Segment(NamedTuple):
    """A stretch of readable text; `own` is False inside a forwarded mail.

    `kind` is plain, html, summary, or calendar: what is shown where nothing else is there to be read.
    """

    text: str
    own: bool = True
    kind: str = "plain"


def is_visible(text: str) -> bool:
    """Tell whether a text has a sign that can be seen."""
    if text.lstrip()[:1] == "&" and len(text) <= _MOST_BLANK_CHARS:
        text = _BLANK_ENTITY.sub("", text)
    return _VISIBLE.search(text) is not None


def will_do(option: list[Segment]) -> bool:
    """Tell whether this is a plain option that `choose_alternative` takes, whatever comes after it."""
    text = " ".join(segment.text.strip() for segment in option)
    return (
        is_visible(text)
        and all(segment.kind == "plain" for segment in option)
        and not _may_be_stub(text)
    )


def choose_alternative(options: list[list[Segment]]) -> list[Segment]:
    """The plain option unless nothing in it is visible or it only says to look at the other one (RFC 2046, 5.1.4)."""
    filled = [option for option in options if any(is_visible(segment.text) for segment in option)]
    plain = [option for option in filled if all(segment.kind == "plain" for segment in option)]
    others = [option for option in filled if option not in plain]
    # An invitation's calendar is the last, and meant for programs.
    others = [option for option in others if not is_calendar(option)] or others
    if not plain:
        return others[-1] if others else []
    return others[-1] if others and _is_stub(plain[0], others[-1]) else plain[0]


def is_calendar(option: list[Segment]) -> bool:
    """Tell whether there is nothing but what a calendar says."""
    return bool(option) and all(segment.kind == "calendar" for segment in option)


def without_calendars(segments: list[Segment]) -> list[Segment]:
    """Drop what calendars say where there is anything else to be read."""
    words = [segment for segment in segments if segment.kind != "calendar"]
    return words if any(is_visible(segment.text) for segment in words) else segments


def without_repeats(segments: list[Segment]) -> list[Segment]:
    """Drop an HTML segment that says what the plain ones beside it have said already."""
    if len(segments) < 2 or not any(segment.kind == "html" for segment in segments):
        return segments
    said = " ".join(segment.text for segment in segments if segment.kind == "plain")
    plain = _words_of(said)
    links = len(_URL.findall(said))
    return [
        segment
        for segment in segments
        if segment.kind != "html" or not _says_the_same(segment.text, plain, links)
    ]


def _says_the_same(html: str, plain: Counter[str], links: int) -> bool:
    """Tell whether hardly a word is in the HTML alone; a link has another text in it than the plain address."""
    words = _words_of(html)
    total = words.total()
    own = (words - plain).total()
    if total < _FEW_WORDS:
        return own == 0
    return own <= max(1, int(total * _MOST_OWN_SHARE)) + min(links, total // 5)


def _words_of(text: str) -> Counter[str]:
    return Counter(_WORD.findall(text.casefold()))


def _is_stub(plain: list[Segment], other: list[Segment]) -> bool:
    text = " ".join(segment.text.strip() for segment in plain)
    length = sum(len(segment.text) for segment in other)
    return length > 2 * len(text) and _may_be_stub(text)


def _may_be_stub(text: str) -> bool:
    return len(text) <= _MAX_STUB_CHARS and bool(_STUB.search(text))
