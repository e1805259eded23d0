"""HTML written again in a form that no reader takes for more than it is, in linear time. Pure.

The HTML reader (C code, which no signal interrupts) takes the square of an element's attributes, of a
select's options and of the formatting elements that are open (HTML, 13.2.4.3) in time and memory.
To cap them by looking at the text alone is in vain: whether a quotation mark or a ">" ends a tag depends
on what came before. So the text is split as the HTML standard does (13.2.5), and each piece is written
anew: tags with a few quoted attributes, text without "<". What was ambiguous is no longer.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator

MOST_CHARS = 8_000_000
MOST_ATTRIBUTES = 16
LONGEST_VALUE = 500
DEEPEST = 256

# A value whose quotation mark is never closed ends the text.
_ATTRIBUTE = r"[^\s/>][^\s/>=]*(?:\s*=\s*(?:\"[^\"]*\"?|'[^']*'?|[^\s>\"'][^\s>]*)?)?"
_TOKEN = re.compile(
    r"<!--(?:-?>|(?s:.*?)(?:--!?>|\Z))"
    r"|<[!?][^>]*>?|</(?![a-zA-Z])[^>]*>?"
    rf"|<(?P<close>/?)(?P<name>[a-zA-Z][^\s/>]*)(?P<attributes>(?>(?:[\s/]+|{_ATTRIBUTE})*))>?"
)
PAIR = re.compile(
    r"(?P<name>[^\s/>][^\s/>=]*)(?:\s*=\s*(?:\"(?P<double>[^\"]*)\"?|'(?P<single>[^']*)'?|(?P<bare>[^\s>\"'][^\s>]*))?)?"
)
_PLAIN_NAME = re.compile(r"[a-z][a-z0-9:-]{0,30}")
_PLAIN_ATTRIBUTE = re.compile(r"[a-z][a-z0-9:_-]{0,30}")
# Content that is not markup (HTML, 13.2.6.4): up to its end tag. What is in the first is not shown.
_UNSEEN = frozenset(("script", "style", "title", "iframe", "noembed", "noframes"))
_RAW = {
    name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE)
    for name in (*_UNSEEN, "textarea", "xmp")
}
# The reader opens these again in each paragraph; without attributes it keeps three alike at most.
_FORMATTING = frozenset(
    (
        "a",
        "b",
        "big",
        "code",
        "em",
        "font",
        "i",
        "nobr",
        "s",
        "small",
        "strike",
        "strong",
        "tt",
        "u",
    )
)
# They have no end, or end where the next of their kind begins.
UNNESTED = frozenset(
    (
        "area",
        "base",
        "basefont",
        "bgsound",
        "br",
        "col",
        "dd",
        "dt",
        "embed",
        "frame",
        "hr",
        "img",
        "input",
        "li",
        "link",
        "meta",
        "p",
        "param",
        "source",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "tr",
        "track",
        "wbr",
    )
)
# Elements that change how others are read.
_DROPPED = frozenset(
    ("form", "frameset", "math", "optgroup", "option", "plaintext", "select", "svg", "template")
)


def canonical_html(html: str, hides: Callable[[str], bool] | None = None) -> str:
    """Return `html` with the same text and structure, its attributes and its depth bounded.

    `hides` tells of a tag's attributes (source text) whether they hide the element: it gets the attribute `hidden`.
    """
    return "".join(_written(html[:MOST_CHARS], hides))


def _written(html: str, hides: Callable[[str], bool] | None) -> Iterator[str]:
    position, nesting = 0, _Nesting()
    while match := _TOKEN.search(html, position):
        yield _text(html[position : match.start()])
        position = match.end()
        name, closes = (match["name"] or "").lower(), match["close"]
        if name in _RAW and not closes:
            position, shown = _raw_text(html, position, name)
            yield f" {_text(shown)} " if shown else ""
        elif not _PLAIN_NAME.fullmatch(name) or name in _DROPPED:
            yield " " if name else ""
        elif closes:
            yield f"</{name}>" if name in UNNESTED or nesting.close(name) else " "
        elif name in UNNESTED or nesting.open(name):
            yield f"<{name}{_attributes(name, match['attributes'], hides)}>"
    yield _text(html[position:])


class _Nesting:
    """Which elements are open: an end tag of none that is makes the reader search through all that are."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()
        self._too_deep: Counter[str] = Counter()
        self._depth = 0

    def open(self, name: str) -> bool:
        """Tell whether one more may be opened; count it."""
        if self._depth >= DEEPEST:
            self._too_deep[name] += 1
            return False
        self._open[name] += 1
        self._depth += 1
        return True

    def close(self, name: str) -> bool:
        """Tell whether this end tag ends an element that was opened."""
        if self._too_deep[name]:
            self._too_deep[name] -= 1
            return False
        if not self._open[name]:
            return False
        self._open[name] -= 1
        self._depth -= 1
        return True


def _raw_text(html: str, position: int, name: str) -> tuple[int, str]:
    """Return where the content of a raw text element ends, and what of it is shown."""
    end = _RAW[name].search(html, position)
    stop = end.start() if end else len(html)
    return stop, "" if name in _UNSEEN else html[position:stop]


def _text(text: str) -> str:
    return text.replace("<", "&lt;")


def _attributes(name: str, source: str, hides: Callable[[str], bool] | None) -> str:
    if not source.strip("/ \t\n"):
        return ""
    if hides and hides(source):
        return ' hidden=""'
    if name in _FORMATTING:
        return ""
    kept: dict[str, str] = {}
    for match in PAIR.finditer(source):
        key = match["name"].lower()
        if key not in kept and _PLAIN_ATTRIBUTE.fullmatch(key):
            value = match["double"] or match["single"] or match["bare"] or ""
            kept[key] = value if len(value) <= LONGEST_VALUE else ""
        if len(kept) >= MOST_ATTRIBUTES:
            break
    return "".join(f' {key}="{_quoted(value)}"' for key, value in kept.items())


def _quoted(value: str) -> str:
    return value.replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;")
