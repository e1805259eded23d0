"""Which lines of a text are its author's own: not quotes, attributions, forwarded blocks, signature or list footer."""

import re

from mrilu.mail.own_words.sessions import holds_prose_quote, is_code, is_output, is_prompted
from mrilu.mail.tree.digests import DIGEST_RULE, split_digest

Span = tuple[int, int]

_ORIGINAL = (
    r"[ \t]{0,3}[-_=*]{2,}[ \t]{0,3}(?:original (?:message|e-?mail|appointment)"
    r"|urspr(?:ü|ue|\?)ngliche (?:nachricht|mail)"
    r"|original-nachricht|weitergeleitete nachricht|forwarded message|forwarded by|reply message"
    r"|(?:start of|begin) (?:forwarded|included)"
    r"|message d'origine|message original|message transf[ée]r[ée]|mensaje original|mensaje reenviado|mensagem original"
    r"|mensagem encaminhada|messaggio originale|messaggio inoltrato|oorspronkelijk bericht|doorgestuurd bericht"
    r"|originalmeddelande|oprindelig meddelelse|opprinnelig melding|alkuperäinen viesti|oryginalna wiadomo[śs][ćc]"
    r"|wiadomo[śs][ćc] oryginalna|исходное сообщение|пересылаемое сообщение|original message follows|původní zpráva"
    r"|eredeti üzenet|orijinal mesaj|原始邮件|原始郵件|元のメッセージ|original[ \t]*[-_=])"
)
_BEGIN_FORWARD = (
    r"(?=[abdi])(?:begin forwarded message|anfang der weitergeleiteten nachricht"
    r"|début du message réexpédié|inicio del mensaje reenviado|inizio messaggio inoltrato)[ \t]?:"
)
_OUTLOOK_FROM = (
    r"(?=[ \t]?\*?[fvdlokо发寄差보])(?=[^\n:：]{2,14}[:：])[ \t]?\*?"
    r"(?:from|von|de|da|van|från|fra|lähettäjä|od|от|kimden|发件人"
    r"|寄件者|差出人|보낸 사람)[ \t]?\*?[ \t]?[:：]"
)
_OUTLOOK_SENT = re.compile(
    r"[ \t]*\*?(?:sent|date|gesendet|datum|envoyé|fecha|enviado(?: el)?|inviato|data|verzonden"
    r"|skickat|sendt|lähetetty|wysłano|отправлено|дата|gönderme tarihi|发送时间|寄件日期"
    r"|送信日時|보낸 날짜|enviada em|to|an|à|para|subject|betreff|objet|asunto)\s?\*?\s?[:：]",
    re.IGNORECASE,
)
_ATTRIBUTION_END = re.compile(
    r"(?:\bwrot?es?|\bwrites|\bsaid|\bsays|\basks|\basked|\brepl(?:ies|ied)|\bresponded|\bnoted"
    r"|\bschrieb(?:en)?|\bschreibt|\ba .crit|\bécrit|\bescribi.|\bescribe"
    r"|\bha scritto|\bscrive|\bscrisse|\bescreveu|\bschreef|\bskrev|\bnapisał(?:\(a\)|a)?|\bpisze|\bпишет"
    r"|\bписал(?:\(а\)|а)?|\bнаписал(?:\(а\)|а)?|\bkirjoitti|\bnapsal(?:\(a\)|a)?|\bírta|\bzde|\byazdı|\bέγραψε"
    r"|\ba scris|כתב(?:/ה)?|写道|寫道|書きました|書いた|さんは|のメール|작성"
    r"|\bва напиша|\bпише|\bha escrit|\bcus(?:ku|ka))"
    r"[^\n\w]{0,60}[:：][ \t]*$",
    re.IGNORECASE,
)
_ATTRIBUTION_START = re.compile(
    r"[ \t]*(?:on|am|le|el|il|em|op|den|de|dnia|în|the|at|in|quoting|zitat von|at|w dniu"
    r"|στις|tarihinde|\d{1,4}[-./年]|mon|tue|wed|thu|fri|sat|sun)\b",
    re.IGNORECASE,
)
_ATTRIBUTION_WITH_SCHRIEB = re.compile(r"\bschrieb\b.{0,200}:[ \t]*$", re.IGNORECASE)
# A date, an address ("at" stands for "@" in web archives) or the word "Quoting", with a colon at the end.
_DATED_ADDRESS = re.compile(
    r"(?:\d{1,2}:\d\d|\d{4}|[\w.+-]@[\w-]|<[\w.+-]+ at [\w.-]+>|^quoting\s)"
    r".{0,300}[:：][ \t]*$",
    re.IGNORECASE,
)
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
# "On Tue, 9 Nov 1999, Ann wrote:" over a text that is not marked as quoted, as web mail and telephones leave it.
_ATTRIBUTED = re.compile(
    r"\n[ \t]{0,8}(?:On|Am|Le|El|Il|Em|Op|Den)[ \t](?=[^\n]{0,120}\d)[^\n]{8,250}(?:\n[^\n]{1,120}){0,2}?"
    r"(?:\bwrote|\bschrieb[^\n]{0,100}|écrit|escribió|ha scritto|escreveu|\bschreef[^\n]{0,100}"
    r"|\bskrev[^\n]{0,100})[ \t\xa0]?:[ \t]*(?=\n)"
)
_ATTRIBUTED_WORDS = ("wrote", "schr", "crit", "escr", "skrev")
# Every alternative follows a line end, which the engine finds fastest; a run of quoted lines is one match.
_FOREIGN = re.compile(
    rf"\n(?!\n)(?:(?P<quote>{_QUOTED_LINE}(?>(?:\n{_QUOTED_LINE})*))|(?P<signature>(?:- )?--[ \xa0]?)(?=\n|\Z)"
    rf"|(?P<armour>-----BEGIN PGP [A-Z ]{{7,20}}-----)|(?P<original>(?i:{_ORIGINAL}|{_BEGIN_FORWARD}))"
    rf"|(?P<device>{_DEVICE})(?=\n|\Z)|(?P<outlook>(?i:{_OUTLOOK_FROM})))"
)
_FORWARD_END = re.compile(
    r"\n[-_=]{2,}[ \t]{0,3}end (?:of )?(?:forward|original|includ)[^\n]{0,60}(?=\n|\Z)",
    re.IGNORECASE,
)
# A rule of "____", or of two signs that take turns; "****" and "####" are of the author's making.
_FOOTER_RULE = re.compile(
    r"\n((?![.~*])[-_=.~*]{20,}[^\n]{0,20}|-{10,} Yahoo! Groups[^\n]{0,60})(?=\n)"
)
_FOOTER_WORDS = (
    "mailing list",
    "mailman",
    "subscri",
    "listinfo",
    "googlegroups",
    "yahoo",
    "sourceforge",
    "http://",
    "https://",
    "to post",
    "abmelden",
    "désabonn",
    "darse de baja",
    "digest",
)
_LIST_WORD = re.compile(r"\blist\b")
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
_MIN_ATTRIBUTED = 40
_MAX_FOOTER_CHARS = 1500
_MAX_BARE_SIGNATURE_LINES = 12
_MAX_SIGNATURE_WINDOW = 3000
_MAX_ATTRIBUTION_LINE = 250
_MAX_BLANK_LINES = 2
_MAX_FALSE_ALARMS = 100
_NEEDS_A_LOOK = frozenset({"signature", "outlook"})
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


def own_spans(text: str, offset: int = 0) -> list[Span]:
    """[start, end) offsets (plus `offset`) of the author's own lines in one text, blank edges trimmed."""
    # One line end in front, so that each line has one; offsets in `padded` are one more than in `text`.
    padded = "\n" + text
    end = _footer_start(padded)
    if DIGEST_RULE in padded and (mails := split_digest(padded, end)):
        return [
            span for start, stop in mails for span in _own_between(padded, start, stop, offset - 1)
        ]
    return _own_between(padded, 0, end, offset - 1)


def _own_between(padded: str, start: int, end: int, offset: int) -> list[Span]:
    spans: list[Span] = []
    position, alarms = start, 0
    while match := _FOREIGN.search(padded, position, end):
        position = match.end()
        if alarms > _MAX_FALSE_ALARMS and match.lastgroup in _NEEDS_A_LOOK:
            continue
        if resume := _foreign_end(padded, match, end):
            _add_span(spans, padded, start, _with_attribution(padded, match, start), offset)
            start = position = resume
        elif match.lastgroup in _NEEDS_A_LOOK:
            alarms += 1
    _add_span(spans, padded, start, _attributed_start(padded, start, end), offset)
    return spans


def _add_span(spans: list[Span], text: str, start: int, end: int, offset: int) -> None:
    stripped = text[start:end].strip()
    if stripped:
        first = offset + text.find(stripped[0], start)
        spans.append((first, first + len(stripped)))


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
        return end if match["signature"][-1] != "-" or _short_tail(text, match.end(), end) else 0
    return end if _is_outlook(text[match.start() + 1 : match.start() + 1500]) else 0


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
    """Whether few enough lines follow a bare "--" for it to be the signature that it stands for in old mail."""
    tail = text[start : min(end, start + _MAX_SIGNATURE_WINDOW)]
    own = [line for line in tail.split("\n") if line and line[0] != ">"]
    return len(own) <= _MAX_BARE_SIGNATURE_LINES


def _is_session(text: str, match: re.Match[str]) -> bool:
    """Whether a "quotation" is what somebody typed at a prompt: code by its look, with no attribution above."""
    quote = match["quote"]
    prompted = quote[:1] != ">" and is_prompted(quote)
    return (
        (prompted or is_code(quote))
        and _attribution_start(text, match.start(), 0) == match.start()
        and (prompted or is_output(text, match.end()) or not holds_prose_quote(text))
    )


def _attributed_start(text: str, start: int, end: int) -> int:
    """Where an attribution over unmarked foreign text begins, with somebody's own words above it; else `end`."""
    if end - start < _MIN_ATTRIBUTED:
        return end
    for word in _ATTRIBUTED_WORDS:
        if text.find(word, start, end) >= 0:
            for match in _ATTRIBUTED.finditer(text, start, end):
                if _TIME_OR_YEAR.search(match[0]) and text[: match.start()].strip():
                    return match.start()
            return end
    return end


def _armour_end(text: str, match: re.Match[str], end: int) -> int:
    """After an OpenPGP block (RFC 9580, 6.2); of a signed text only the armour's own header is skipped (7.)."""
    label = match["armour"][len("-----BEGIN ") :]
    if label == "PGP SIGNED MESSAGE-----":
        blank = text.find("\n\n", match.end(), min(end, match.end() + 200))
        return blank + 1 if blank >= 0 else match.end()
    closing = text.find("\n-----END " + label, match.end(), end)
    return end if closing < 0 else closing + len("\n-----END " + label)


def _is_outlook(text: str) -> bool:
    """A From: line with two of Sent:, To:, Subject: right below it is Outlook's way to begin a quotation."""
    below = [line for line in text.split("\n")[1:7] if line.strip()]
    return sum(1 for line in below[:3] if _OUTLOOK_SENT.match(line[:60])) >= 2


def _with_attribution(text: str, match: re.Match[str], floor: int) -> int:
    """Start of the foreign text including "On ... X wrote:" above a quotation or the rule above Outlook's block."""
    start = match.start()
    if match.lastgroup == "quote":
        return _attribution_start(text, start, floor)
    if match.lastgroup == "outlook":
        above = text.rfind("\n", floor, start)
        if above >= 0 and not text[above:start].strip("_-= \n"):
            return above
    return start


def _attribution_start(text: str, quote: int, floor: int) -> int:
    """The attribution ends in ":" at most two blank lines above `quote` and may be wrapped over four lines."""
    window = text[max(floor, quote - 4 * _MAX_ATTRIBUTION_LINE) : quote]
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
        if not lines[number].strip() or len(lines[number]) > _MAX_ATTRIBUTION_LINE:
            break
        paragraph = f"{lines[number].strip()} {paragraph}".strip()
        if _ATTRIBUTION_START.match(paragraph) and _is_attribution(paragraph):
            return end - len("\n".join(lines[number:]))
    return end - len(lines[-1]) if lines[-1] and _is_attribution(lines[-1]) else 0


def _is_attribution(text: str) -> bool:
    text = text[-300:].rstrip()
    return text.endswith(_USUAL_ENDS) or bool(
        _ATTRIBUTION_END.search(text)
        or _ATTRIBUTION_WITH_SCHRIEB.search(text)
        or _DATED_ADDRESS.search(text)
    )


def _footer_start(text: str) -> int:
    """Where the list's footer begins (a rule, then a few lines about the list); len(text) where there is none."""
    low = max(0, len(text) - _MAX_FOOTER_CHARS)
    for match in _FOOTER_RULE.finditer(text, low):
        if text.count("\n", match.end()) <= 14 and _is_footer(text[match.end() :].lower()):
            return match.start()
    return len(text)


def _is_footer(tail: str) -> bool:
    return any(word in tail for word in _FOOTER_WORDS) or _LIST_WORD.search(tail) is not None
