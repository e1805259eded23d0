"""What a mail's HTML hides from its reader: preheaders, copies for other screens. Pure, in linear time.

Hidden is what an attribute, an inline style or a rule of the mail's own style sheet for a class or an id says
so of (HTML, 6.1; CSS 2.2, 9.2.4 and 11.2), and what Outlook's `mso-hide:all` hides. Rules under @media are
left alone, since they are for other screens.
"""

import re
from collections import Counter
from collections.abc import Iterator
from html import unescape

from mrilu.mail.text.canonical_html import PAIR, UNNESTED

MARK = ' hidden=""'
_END = r"\s*(?:!important\s*)?(?:;|\Z)"
_NO_SIZE = rf"\s*:\s*0(?:\.0+)?(?:px|pt|em|%)?{_END}"
_HIDES = re.compile(
    rf"(?:\A|[;\s])(?:display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|mso-hide\s*:\s*all|opacity{_NO_SIZE})",
    re.IGNORECASE,
)
_NO_HEIGHT = re.compile(rf"(?:\A|[;\s])(?:max-)?(?:height|width){_NO_SIZE}", re.IGNORECASE)
_CLIPPED = re.compile(r"(?:\A|[;\s])overflow\s*:\s*hidden", re.IGNORECASE)
_MAY_HIDE = re.compile(
    r"[\s\"'/]hidden[\s>=\"'/]|display\s*:\s*none|mso-hide|visibility\s*:|opacity\s*:\s*0"
    r"|overflow\s*:\s*hidden",
    re.IGNORECASE,
)
_STYLE = re.compile(r"<style\b[^<>]*>((?s:.*?)(?:</style|\Z))", re.IGNORECASE)
_CSS_COMMENT = re.compile(r"/\*(?s:.*?)(?:\*/|\Z)|<!--|-->")
_BRACE = re.compile(r"([{}])")
_NAMED = re.compile(r"[a-z0-9]{0,20}([.#][\w-]{1,60})", re.IGNORECASE)
_TAG = re.compile(r"(<[^<>]*>)")
_TAG_NAME = re.compile(r"<(/?)([a-z][a-z0-9:-]*)")
_MOST_NAMES = 1000
_VOID = frozenset(
    (
        "area",
        "base",
        "br",
        "col",
        "embed",
        "hr",
        "img",
        "input",
        "link",
        "meta",
        "param",
        "source",
        "track",
        "wbr",
    )
)
_ROWS = frozenset(("tbody", "tfoot", "thead", "tr"))
_BLOCKS = frozenset(
    (
        "address",
        "article",
        "aside",
        "blockquote",
        "center",
        "div",
        "dl",
        "footer",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hr",
        "main",
        "nav",
        "ol",
        "p",
        "pre",
        "section",
        "table",
        "ul",
    )
)
# What begins where an element without its end tag ends (HTML, 13.1.2.4), and inside what it does not.
_ENDED_BY: dict[str, tuple[frozenset[str], tuple[str, ...]]] = {
    "p": (_BLOCKS, ()),
    "li": (frozenset(("li",)), ("ul", "ol")),
    "dd": (frozenset(("dd", "dt")), ("dl",)),
    "dt": (frozenset(("dd", "dt")), ("dl",)),
    "td": (_ROWS | {"td", "th"}, ("table",)),
    "th": (_ROWS | {"td", "th"}, ("table",)),
    **dict.fromkeys(("tr", "tbody", "thead", "tfoot"), (_ROWS, ("table",))),
}


def may_hide(html: str) -> bool:
    """Tell whether anything in the document looks like hiding something, at little cost."""
    return _MAY_HIDE.search(html) is not None


def hidden_names(html: str) -> frozenset[str]:
    """Return the classes (".x") and ids ("#x") that the document's style sheets hide."""
    names: set[str] = set()
    for sheet in _STYLE.findall(html):
        names.update(_hidden_in(_CSS_COMMENT.sub(" ", sheet)))
        if len(names) > _MOST_NAMES:
            break
    return frozenset(names)


def _hidden_in(css: str) -> Iterator[str]:
    selectors: list[str] = []
    pieces = _BRACE.split(css)
    for text, brace in zip(pieces[::2], pieces[1::2], strict=False):
        if brace == "{":
            selectors.append(text.rpartition(";")[2].strip())
        elif selectors:
            selector = selectors.pop()
            # Only a rule that stands in no other, such as @media.
            if not selectors and _is_hiding(text):
                found = map(_NAMED.fullmatch, (name.strip() for name in selector.split(",")))
                yield from (name[1] for name in found if name)


def is_hidden(attributes: str, names: frozenset[str]) -> bool:
    """Tell whether an element with these attributes (source text of a tag) is hidden by one of them."""
    for pair in PAIR.finditer(attributes):
        name = pair["name"].lower()
        value = pair["double"] or pair["single"] or pair["bare"] or ""
        if name == "hidden" or name == "style" and _is_hiding(unescape(value)):
            return True
        if names and name == "class" and any("." + one in names for one in value.split()):
            return True
        if names and name == "id" and "#" + value.strip() in names:
            return True
    return False


def _is_hiding(style: str) -> bool:
    return bool(_HIDES.search(style) or (_CLIPPED.search(style) and _NO_HEIGHT.search(style)))


def without_hidden(html: str) -> str:
    """Return canonical HTML without its elements that bear MARK."""
    kept: list[str] = []
    skipped: _Skipped | None = None
    for number, piece in enumerate(_TAG.split(html)):
        tag = _TAG_NAME.match(piece) if number % 2 else None
        if skipped and tag:
            if not skipped.ends_at(tag[2], bool(tag[1])):
                continue
            if tag[1] and tag[2] == skipped.name:
                skipped = None
                continue
            skipped = None
        elif skipped:
            continue
        if tag and not tag[1] and MARK in piece:
            skipped = None if tag[2] in _VOID else _Skipped(tag[2])
            kept.append(" ")
        else:
            kept.append(piece)
    return "".join(kept)


class _Skipped:
    """A hidden element, and what is open inside it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._open: Counter[str] = Counter()
        self._enders, self._shields = _ENDED_BY.get(name, (frozenset[str](), ()))

    def ends_at(self, name: str, closes: bool) -> bool:
        """Tell whether this tag is the element's end tag, or lies behind its end."""
        if not closes:
            if name in self._enders and not any(self._open[one] for one in self._shields):
                return True
            self._open[name] += name not in _VOID
            return False
        if self._open[name]:
            self._open[name] -= 1
            return False
        # A canonical end tag ends something, if it is none of those that may stand alone.
        return name == self.name or name not in UNNESTED or name in ("td", "th", "tr", "li")
