"""An HTML letter made harmless: no script, no form, nothing that is loaded from elsewhere. Pure."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping

import nh3

from mrilu.web.masking import masked, masked_parts

# For the answer that holds such a letter: what slipped through could do nothing, and load nothing.
POLICY = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; img-src data:; "
    "style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
_TAGS = frozenset(
    """a abbr address article aside b bdi bdo big blockquote br caption center cite code col colgroup dd del details
    dfn div dl dt em figcaption figure font footer h1 h2 h3 h4 h5 h6 header hr i img ins kbd li main mark nav ol p pre
    q s samp section small span strike strong sub summary sup table tbody td tfoot th thead time tr tt u ul var
    wbr""".split()
)
_PLACED = {"align", "bgcolor", "dir", "height", "lang", "style", "title", "valign", "width"}
_ATTRIBUTES = {
    "*": _PLACED,
    "a": {"href", "name"},
    "img": {"src", "alt"},
    "font": {"color", "face", "size"},
    "table": {"border", "cellpadding", "cellspacing"},
    "td": {"colspan", "rowspan", "nowrap"},
    "th": {"colspan", "rowspan", "nowrap"},
    "ol": {"start", "type"},
    "ul": {"type"},
}
_STYLES = frozenset(
    """background-color border border-bottom border-collapse border-color border-left border-radius border-right
    border-spacing border-style border-top border-width color direction display font font-family font-size font-style
    font-weight height letter-spacing line-height list-style-type margin margin-bottom margin-left margin-right
    margin-top max-width min-width padding padding-bottom padding-left padding-right padding-top text-align
    text-decoration text-indent text-transform unicode-bidi vertical-align white-space width word-break
    word-wrap""".split()
)
_LOADS = re.compile(r"(?i)url|image|expression|@import|\\|/\*|src\s*\(")
_SHOWN_IMAGE = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]+")
_TAG = re.compile(r"(<[^>]*>)")
_MOST_OVER_TAGS = 200_000  # characters of a letter in which an address that tags cut is looked for
_HEAD = """<!doctype html>
<html><head><meta charset="utf-8"><meta name="referrer" content="no-referrer"><title>HTML part</title>
<style>body{margin:.5rem;font:1rem/1.5 system-ui,sans-serif;overflow-wrap:anywhere;background:#fff;color:#111}
img{max-width:100%;height:auto}table{max-width:100%}pre{white-space:pre-wrap}</style></head><body>
"""


def harmless(html: str, images: Mapping[str, tuple[str, bytes]], *, mask: bool) -> str:
    """Return a whole page that shows the letter. `images` are those of the mail by Content-ID: type and bytes."""

    def keep(tag: str, name: str, value: str) -> str | None:
        if tag == "img" and name == "src":
            return _image(value, images)
        if name == "style" and _LOADS.search(value):
            return None
        if name == "href":
            return _link(value, mask)
        return masked(value) if mask else value

    body = nh3.clean(
        html,
        tags=set(_TAGS),
        clean_content_tags={"script", "style", "title", "template", "noscript", "svg", "math"},
        attributes={tag: set(names) for tag, names in _ATTRIBUTES.items()},
        attribute_filter=keep,
        url_schemes={"http", "https", "mailto", "data", "cid"},
        filter_style_properties=set(_STYLES),
        set_tag_attribute_values={"a": {"target": "_blank"}},
        link_rel="noopener noreferrer nofollow",
        strip_comments=True,
    )
    return f"{_HEAD}{_masked(body) if mask else body}\n</body></html>\n"


def _image(value: str, images: Mapping[str, tuple[str, bytes]]) -> str | None:
    """Return an image of the mail itself as data:, None for any other."""
    value = value.strip()
    if value[:4].lower() == "cid:":
        found = images.get(value[4:])
        return f"data:{found[0]};base64,{b64encode(found[1]).decode()}" if found else None
    return value if _SHOWN_IMAGE.fullmatch(value) else None


def _link(value: str, mask: bool) -> str | None:
    """Return where a link leads, None where it is not to the web, or names a person."""
    value = value.strip()
    web = value[:7].lower() == "http://" or value[:8].lower() == "https://"
    if not web and (mask or value[:7].lower() != "mailto:"):
        return None
    return None if mask and masked(value) != value else value


def _masked(body: str) -> str:
    """Return the letter with its texts masked; tags may stand within an address."""
    parts = _TAG.split(body)
    texts = parts[::2]
    whole = len(body) <= _MOST_OVER_TAGS and body.count("@") < 200
    parts[::2] = masked_parts(texts) if whole else map(masked, texts)
    return "".join(parts)
