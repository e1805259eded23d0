"""Text that PostgreSQL and JSON can hold: no NUL, no lone surrogate, no stray control character."""

import re

_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_LINE_BREAKS = {0x0C: "\n", 0x0B: "\n", 0x85: "\n"}
_REMOVED = {
    code: "" for code in [*range(0x09), *range(0x0E, 0x20), *range(0x7F, 0xA0), 0xFFFE, 0xFFFF]
}
_TABLE = {**_REMOVED, **_LINE_BREAKS, **{code: "\ufffd" for code in range(0xD800, 0xE000)}}


def clean_text(text: str) -> str:
    """Body text: line ends become "\\n", other controls vanish, lone surrogates become U+FFFD."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.translate(_TABLE) if _UNSAFE.search(text) else text


def clean_line(text: str) -> str:
    """Header text: as clean_text, with every run of white space collapsed to one blank."""
    if text.isprintable():
        # The only printable white space is the blank, and there is mostly one at a time.
        return (
            " ".join(text.split()) if "  " in text or text[:1] == " " or text[-1:] == " " else text
        )
    if _UNSAFE.search(text):
        text = text.replace("\r", " ").translate(_TABLE)
    return " ".join(text.split())
