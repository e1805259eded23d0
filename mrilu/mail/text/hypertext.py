"""HTML to the text that a reader sees, quotations marked with "> " as in plain mail."""

import re
from html import unescape

from mrilu.mail.text.canonical_html import canonical_html
from mrilu.mail.text.hidden_html import MARK, hidden_names, is_hidden, may_hide, without_hidden

_META_CHARSET = re.compile(
    rb"<meta[^<>]{0,500}?charset\s{0,9}=\s{0,9}[\"']?\s{0,9}([\w.:-]{1,40})", re.IGNORECASE
)
_QUOTE_TAG = re.compile(r"<(/?)blockquote\b([^<>]*)>", re.IGNORECASE)
# Programs write a <blockquote> to indent, too: such a one has margins and no line at its side (class names of Apple's).
_QUOTING = re.compile(r"\bcite\b|(?<!block)quote|\btype\s*=", re.IGNORECASE)
_INDENTING = re.compile(r"webkit-indent|\bmargin", re.IGNORECASE)
_BORDER = re.compile(
    r"\bborder(?:-[a-z]+)*\s*:\s*+(?!(?:none|medium none|0|currentcolor none)\b)", re.IGNORECASE
)
# Half a surrogate pair in each of two references, as JavaScript counts characters.
_REFERENCES = re.compile(
    r"&#(?:x(d[89ab][0-9a-f]{2})|(5[56][0-9]{3}));?&#(?:x(d[c-f][0-9a-f]{2})|(5[67][0-9]{3}));?",
    re.IGNORECASE,
)
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
    """Readable text of an HTML part; each line inside a quoting <blockquote> starts with "> " per level.

    What the document hides from its reader is left out, unless nothing else is there.
    """
    html = _SURROGATE.sub("\ufffd", html)
    if "&#" in html:
        html = _REFERENCES.sub(_joined_reference, html)
    if may_hide(html):
        names = hidden_names(html)
        html = canonical_html(html, lambda attributes: is_hidden(attributes, names))
        if MARK in html and (text := _text_of(without_hidden(html))).strip():
            return text
    elif len(html) > _SURELY_CHEAP or html.count("<") > _FEW_TAGS:
        html = canonical_html(html)
    return _text_of(html)


def _joined_reference(pair: re.Match[str]) -> str:
    high = int(pair[1], 16) if pair[1] else int(pair[2])
    low = int(pair[3], 16) if pair[3] else int(pair[4])
    if 0xD800 <= high < 0xDC00 <= low < 0xE000:
        return chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))
    return pair[0]


def _text_of(html: str) -> str:
    if quoted := "blockquote" in html.lower():
        html = _with_quote_signs(html.replace(_OPEN, "").replace(_CLOSE, ""))
    text = _extract(html)
    if quoted:
        text = _mark_quotes(text)
    text = text.replace("\xa0", " ").replace("\xad", "")
    return _BLANK_RUN.sub("\n\n", text).strip("\n")


def _with_quote_signs(html: str) -> str:
    """The document with a sign where each quotation begins and ends; indentations become paragraphs."""
    open_quotes: list[bool] = []

    def signed(tag: re.Match[str]) -> str:
        if tag[1]:
            quotes = open_quotes.pop() if open_quotes else True
            return f"<p>{_CLOSE}</p></blockquote>" if quotes else "</div><p></p>"
        open_quotes.append(_is_quotation(tag[2]))
        return f"{tag[0]}<p>{_OPEN}</p>" if open_quotes[-1] else "<p></p><div>"

    return _QUOTE_TAG.sub(signed, html)


def _is_quotation(attributes: str) -> bool:
    return bool(
        _QUOTING.search(attributes)
        or not _INDENTING.search(attributes)
        or _BORDER.search(attributes)
    )


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
