"""HTML to the text that a reader sees, quotations marked with "> " as in plain mail."""

import re
from html import unescape

from mrilu.mail.text.canonical_html import canonical_html

_META_CHARSET = re.compile(
    rb"<meta[^<>]{0,500}?charset\s{0,9}=\s{0,9}[\"']?\s{0,9}([\w.:-]{1,40})", re.IGNORECASE
)
_QUOTE_OPEN = re.compile(r"<blockquote\b[^<>]*>", re.IGNORECASE)
_QUOTE_CLOSE = re.compile(r"</blockquote\b[^<>]*>", re.IGNORECASE)
_OPEN, _CLOSE = "\ue0f0", "\ue0f1"
_BLANK_RUN = re.compile(r"\n{3,}")
_TAG = re.compile(r"<[^<>]{0,2000}>")
_PARAM = re.compile(r"<param>[^<]{0,2000}</param>", re.IGNORECASE)
_RICH_BREAK = re.compile(r"\s?<(?:nl|np|/?paragraph)>\s?", re.IGNORECASE)
_LINE_ENDS = re.compile(r"\n+")
_SURROGATE = re.compile("[\ud800-\udfff\0]")
# Below both, the reader takes less than 0.1 s and 20 MB, whatever the document holds.
_SURELY_CHEAP, _FEW_TAGS = 12_000, 400  # characters, tags


def charset_in_html(data: bytes) -> str:
    """The charset that a <meta> element in the first 4 KiB names, or "" (HTML, 4.2.5.4)."""
    match = _META_CHARSET.search(data[:4096])
    return match[1].decode("ascii", "ignore") if match else ""


def html_to_text(html: str) -> str:
    """Readable text of an HTML part; each line inside a <blockquote> starts with "> " per level."""
    html = _SURROGATE.sub("\ufffd", html)
    if len(html) > _SURELY_CHEAP or html.count("<") > _FEW_TAGS:
        html = canonical_html(html)
    if quoted := "blockquote" in html or "BLOCKQUOTE" in html:
        html = _QUOTE_CLOSE.sub(
            f"<p>{_CLOSE}</p></blockquote>", html.replace(_OPEN, "").replace(_CLOSE, "")
        )
        html = _QUOTE_OPEN.sub(lambda tag: f"{tag[0]}<p>{_OPEN}</p>", html)
    text = _extract(html)
    if quoted:
        text = _mark_quotes(text)
    return _BLANK_RUN.sub("\n\n", text.replace("\xa0", " ")).strip("\n")


def _extract(html: str) -> str:
    # Imported here: the library takes 50 ms to load, and most mail has a plain part.
    from resiliparse.extract.html2text import extract_plain_text

    try:
        return extract_plain_text(
            html, preserve_formatting=True, main_content=False, alt_texts=False, noscript=True
        )
    except ValueError:  # its HTMLParserException: it found no memory, or no document
        return _strip_tags(html)


def _strip_tags(html: str) -> str:
    return _BLANK_RUN.sub("\n\n", unescape(_TAG.sub(" ", html))).strip()


def _mark_quotes(text: str) -> str:
    lines, depth = [], 0
    for line in text.split("\n"):
        opened, closed = line.count(_OPEN), line.count(_CLOSE)
        depth += opened
        content = (
            line.replace(_OPEN, "").replace(_CLOSE, "").strip(" ") if opened or closed else line
        )
        if content or not (opened or closed):
            lines.append(("> " * min(depth, 20) + content).rstrip() if depth else content)
        depth = max(0, depth - closed)
    return "\n".join(lines)


def enriched_to_text(text: str, rich: bool = False) -> str:
    """text/enriched (RFC 1896), or its elder text/richtext (RFC 1341, 7.1.3), without commands.

    A line end alone is a blank, of several one less counts; in richtext only <nl> ends a line.
    """
    if rich:
        text = _RICH_BREAK.sub("\n\n", text.replace("\n", " ")).replace("<lt>", "<<")
    if "<nofill>" not in text.lower():
        text = _LINE_ENDS.sub(lambda ends: "\n" * (len(ends[0]) - 1) or " ", text)
    return _TAG.sub("", _PARAM.sub("", text).replace("<<", "\ue0f2")).replace("\ue0f2", "<")
