"""Text that PostgreSQL and JSON can hold: no NUL, no lone surrogate, no stray control character."""

import re

_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_LINE_BREAKS = {0x0C: "\n", 0x0B: "\n", 0x85: "\n"}
_REMOVED = {
    code: "" for code in [*range(0x09), *range(0x0E, 0x20), *range(0x7F, 0xA0), 0xFFFE, 0xFFFF]
}
_TABLE = {**_REMOVED, **_LINE_BREAKS, **{code: "\ufffd" for code in range(0xD800, 0xE000)}}

# Characters without a sign (Unicode: default ignorable), with which programs fill the preview of a mail. Those that
# join or part letters (Persian, Hindi, families of emoji) do so one at a time and between two signs.
_FILLER = "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200d\u2060-\u2064\u3164\ufeff\uffa0"
_HAS_FILLER = re.compile(f"[{_FILLER}]")
_FILLERS = re.compile(f"[{_FILLER}](?:[ \t\xa0\u2000-\u200a\u202f]*[{_FILLER}])+")
# In plain Latin-1 text a soft hyphen by itself may stand for a dash.
_LONE_FILLER = re.compile(f"(?<!\\S)[{_FILLER[1:]}]|[{_FILLER[1:]}](?!\\S)")
# Behind these two it is part of a letter that was encoded twice.
_SOFT_HYPHEN = re.compile(r"(?<=[^\W\d_])(?<![ÂÃ])\u00ad(?=[^\W\d_])")


def without_fillers(text: str) -> str:
    """Text without soft hyphens inside its words and without invisible characters that join no letters."""
    if text.isascii() or not _HAS_FILLER.search(text):
        return text
    text = _SOFT_HYPHEN.sub("", text.replace("\ufeff", "").replace("\u2060", ""))
    return _LONE_FILLER.sub("", _FILLERS.sub(_blank_of, text))


def _blank_of(run: re.Match[str]) -> str:
    return " " if any(sign.isspace() for sign in run[0]) else ""


def clean_text(text: str) -> str:
    """Body text: line ends become "\\n", other controls and invisible fillers vanish, lone surrogates become U+FFFD."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return without_fillers(text.translate(_TABLE) if _UNSAFE.search(text) else text)


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
