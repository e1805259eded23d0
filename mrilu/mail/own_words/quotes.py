"""Which lines of a text are its author's own: not quotes, attributions, forwarded blocks, signature or list footer."""

import re

from mrilu.mail.clock import EVERY, check_time
from mrilu.mail.own_words.attributions import attribution_start, unmarked_start
from mrilu.mail.own_words.devices import end_without_notes
from mrilu.mail.own_words.fields import begins_original, sender_line
from mrilu.mail.own_words.footers import footer_start
from mrilu.mail.own_words.languages import (
    all_words,
    first_letters,
    in_capitals_too,
    pattern_of,
)
from mrilu.mail.own_words.sessions import holds_prose_quote, is_code, is_output, is_prompted
from mrilu.mail.tree.digests import DIGEST_RULE, split_digest

Span = tuple[int, int]


def _block(ascii_only: bool) -> str:
    """A rule or line above a forwarded mail, or the title of an original."""
    titles = [word.lower() for word in all_words("original") if word.isascii() or not ascii_only]
    begins = in_capitals_too(w for w in all_words("begins") if w.isascii() or not ascii_only)
    rule = "[-_=*]{2,}" if ascii_only else "(?:[-_=*]{2,}|[–—]{2,})"
    return (
        rf"[ \t]{{0,3}}+{rule}[ \t]{{0,3}}(?i:{pattern_of(titles)}|original[ \t]*[-_=])"
        rf"|(?={first_letters(begins)}){pattern_of(begins)}[ \t\xa0]?[:：]"
    )


# These stand for themselves wherever they are; others only below the author's words.
_DEVICE = (
    r"(?:Sent from (?:my|Mail for) [^\n]{2,40}|Sent from Yahoo[^\n]{2,30}|Get Outlook for [^\n]{2,30}"
    r"|Von meinem [^\n]{2,30} gesendet|Envoyé de mon [^\n]{2,30}|Enviado desde mi [^\n]{2,30}"
    r"|Inviato da [^\n]{2,30}|Verstuurd vanaf mijn [^\n]{2,30})"
)
# "> text", "AE> text"; Supercite's "    Friedrich> text"; "| text", but not the row of a table.
_QUOTED_LINE = (
    r"(?:[ \t]{0,3}+(?:[A-Za-z]{0,4}+>[^\n]*|[A-Z][A-Za-z]{4,11}+>(?=[ \t>\n])[^\n]*"
    r"|\|(?:[ \t][^\n]*[^\n|\s])?[ \t]*(?=\n|\Z))"
    r"|[ \t]{4,8}+(?:[A-Za-z]{0,4}+|[A-Z][A-Za-z]{4,11}+)>+(?:[ \t][^\n]*)?(?=\n|\Z))"
)
_BLOCK = re.compile(rf"\n(?:{_block(ascii_only=False)}|{sender_line(ascii_only=False)})")
_QUOTATION = re.compile(rf"\n{_QUOTED_LINE}")


def _foreign(ascii_only: bool) -> re.Pattern[str]:
    """What is not the author's, in one pattern: every alternative follows a line end, which the engine finds fastest.

    A run of quoted lines is one match. Nothing of others begins with a word in small letters.
    """
    return re.compile(
        rf"\n(?!\n|[a-z]++[ ,.;)'-]|[a-z]{{5}})(?:(?P<quote>{_QUOTED_LINE}(?>(?:\n{_QUOTED_LINE})*))"
        rf"|(?P<signature>(?:- )?--[ \xa0]?)(?=\n|\Z)|(?P<armour>-----BEGIN PGP [A-Z ]{{7,20}}-----)"
        rf"|(?P<original>{_block(ascii_only)})|(?P<device>{_DEVICE})(?=\n|\Z)"
        rf"|(?P<outlook>{sender_line(ascii_only)}))"
    )


_FOREIGN, _FOREIGN_ASCII = _foreign(ascii_only=False), _foreign(ascii_only=True)
_FORWARD_END = re.compile(
    r"\n[-_=]{2,}[ \t]{0,3}end (?:of )?(?:forward|original|includ)[^\n]{0,60}(?=\n|\Z)",
    re.IGNORECASE,
)
_MAX_BARE_SIGNATURE_LINES = 12
_MAX_SIGNATURE_WINDOW = 3000
_MAX_FALSE_ALARMS = 100
_NEEDS_A_LOOK = frozenset({"signature", "outlook"})


def own_spans(text: str, offset: int = 0) -> list[Span]:
    """[start, end) offsets (plus `offset`) of the author's own lines in one text, blank edges trimmed."""
    # One line end in front, so that each line has one; offsets in `padded` are one more than in `text`.
    padded = "\n" + text
    end = footer_start(padded)
    if DIGEST_RULE in padded and (mails := split_digest(padded, end)):
        return [
            span for start, stop in mails for span in _own_between(padded, start, stop, offset - 1)
        ]
    return _own_between(padded, 0, end, offset - 1)


def _own_between(padded: str, start: int, end: int, offset: int) -> list[Span]:
    spans: list[Span] = []
    position, alarms, rounds = start, 0, 0
    foreign = _FOREIGN_ASCII if padded.isascii() else _FOREIGN
    while match := foreign.search(padded, position, end):
        position, rounds = match.end(), rounds + 1
        if not rounds % EVERY:
            check_time()
        if alarms > _MAX_FALSE_ALARMS and match.lastgroup in _NEEDS_A_LOOK:
            continue
        if resume := _foreign_end(padded, match, end):
            _add_span(spans, padded, start, _with_attribution(padded, match, start), offset)
            start = position = resume
        elif match.lastgroup in _NEEDS_A_LOOK:
            alarms += 1
    _add_span(spans, padded, start, unmarked_start(padded, start, end), offset)
    return spans


def _add_span(spans: list[Span], text: str, start: int, end: int, offset: int) -> None:
    stripped = text[start:end].strip()
    if stripped:
        first = text.find(stripped[0], start)
        last = end_without_notes(text, first, first + len(stripped))
        if last > first:
            spans.append((offset + first, offset + last))


def _foreign_end(text: str, match: re.Match[str], end: int) -> int:
    """Where the author may go on after the quotation, signature or block that `match` begins; 0: it is none."""
    kind = match.lastgroup
    if kind == "quote":
        # A lone ">From " is a line of the author's that an mbox escaped (RFC 4155).
        escaped = match["quote"].startswith(">From ") and "\n" not in match["quote"]
        return 0 if escaped or _is_session(text, match) else match.end()
    if kind == "device":
        return match.end()
    if kind == "original":
        return _forwarded_end(text, match.end(), end)
    if kind == "armour":
        return _armour_end(text, match, end)
    if kind == "signature":
        if match["signature"][-1] != "-" or _short_tail(text, match.end(), end):
            return _signature_end(text, match.end(), end)
        return 0
    return end if begins_original(text[match.start() + 1 : match.start() + 1500]) else 0


def _forwarded_end(text: str, start: int, end: int) -> int:
    """A forwarded mail goes on to its closing rule or the end; where it is quoted as well, to the first quote only."""
    line_end = text.find("\n", start, end)
    if line_end < 0:
        return end
    if text[line_end : line_end + 200].lstrip("\n ").startswith(">"):
        return line_end
    closing = _FORWARD_END.search(text, line_end, end)
    return closing.end() if closing else end


def _short_tail(text: str, start: int, end: int) -> bool:
    """Tell whether few enough lines follow a bare "--" for it to be the signature that it stands for in old mail."""
    tail = text[start : min(end, start + _MAX_SIGNATURE_WINDOW)]
    own = [line for line in tail.split("\n") if line and line[0] != ">"]
    return len(own) <= _MAX_BARE_SIGNATURE_LINES


def _signature_end(text: str, start: int, end: int) -> int:
    """A signature ends the author's words, unless an attributed quotation below it is answered there."""
    quote = _QUOTATION.search(text, start, min(end, start + _MAX_SIGNATURE_WINDOW))
    if not quote or _BLOCK.search(text, start, quote.start()):
        return end
    first = attribution_start(text, quote.start(), start)
    return first if first < quote.start() else end


def _is_session(text: str, match: re.Match[str]) -> bool:
    """Tell whether a "quotation" is what somebody typed at a prompt: code by its look, with no attribution above."""
    quote = match["quote"]
    prompted = quote[:1] != ">" and is_prompted(quote)
    return (
        (prompted or is_code(quote))
        and attribution_start(text, match.start(), 0) == match.start()
        and (prompted or is_output(text, match.end()) or not holds_prose_quote(text))
    )


def _armour_end(text: str, match: re.Match[str], end: int) -> int:
    """After an OpenPGP block (RFC 9580, 6.2); of a signed text only the armour's own header is skipped (7.)."""
    label = match["armour"][len("-----BEGIN ") :]
    if label == "PGP SIGNED MESSAGE-----":
        blank = text.find("\n\n", match.end(), min(end, match.end() + 200))
        return blank + 1 if blank >= 0 else match.end()
    closing = text.find("\n-----END " + label, match.end(), end)
    return end if closing < 0 else closing + len("\n-----END " + label)


def _with_attribution(text: str, match: re.Match[str], floor: int) -> int:
    """Start of the foreign text with the attribution of a quotation, or the rule above Outlook's block or a note."""
    start = match.start()
    if match.lastgroup == "quote":
        return attribution_start(text, start, floor)
    if match.lastgroup in ("outlook", "device"):
        above = text.rfind("\n", floor, start)
        if above >= 0 and not text[above:start].strip("_-=—– \n"):
            return above
    return start
