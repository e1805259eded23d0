"""Which lines of a text are its author's own: not quotes, attributions, forwarded blocks, signature or list footer."""

import re

Span = tuple[int, int]

_ORIGINAL = re.compile(
    r"[ \t]*[-_=*]{2,}[ \t]*(?:original (?:message|e-?mail|appointment)|urspr(?:ü|ue)ngliche (?:nachricht|mail)"
    r"|original-nachricht|weitergeleitete nachricht|forwarded message|forwarded by|begin forwarded|reply message"
    r"|message d'origine|message original|message transf[ée]r[ée]|mensaje original|mensaje reenviado|mensagem original"
    r"|mensagem encaminhada|messaggio originale|messaggio inoltrato|oorspronkelijk bericht|doorgestuurd bericht"
    r"|originalmeddelande|oprindelig meddelelse|opprinnelig melding|alkuperäinen viesti|oryginalna wiadomo[śs][ćc]"
    r"|wiadomo[śs][ćc] oryginalna|исходное сообщение|пересылаемое сообщение|original message follows|původní zpráva"
    r"|eredeti üzenet|orijinal mesaj|原始邮件|原始郵件|元のメッセージ|original)", re.IGNORECASE)
_BEGIN_FORWARD = re.compile(r"(?:begin forwarded message|anfang der weitergeleiteten nachricht|début du message réexpédié"
                            r"|inicio del mensaje reenviado|inizio messaggio inoltrato)\s*:", re.IGNORECASE)
_OUTLOOK_FROM = re.compile(r"[ \t]*\*?(?:from|von|de|da|van|från|fra|lähettäjä|od|от|kimden|发件人|寄件者|差出人|보낸 사람)"
                           r"\s?\*?\s?[:：]", re.IGNORECASE)
_OUTLOOK_SENT = re.compile(r"[ \t]*\*?(?:sent|date|gesendet|datum|envoyé|fecha|enviado(?: el)?|inviato|data|verzonden"
                           r"|skickat|sendt|lähetetty|wysłano|отправлено|дата|gönderme tarihi|发送时间|寄件日期|送信日時"
                           r"|보낸 날짜|enviada em|to|an|à|para|subject|betreff|objet|asunto)\s?\*?\s?[:：]", re.IGNORECASE)
_ATTRIBUTION_END = re.compile(
    r"(?:\bwrot?es?|\bwrites|\bsaid|\bsays|\bschrieb(?:en)?|\bschreibt|\ba écrit|\bécrit|\bescribi[óo]|\bescribe"
    r"|\bha scritto|\bscrive|\bscrisse|\bescreveu|\bschreef|\bskrev|\bnapisał(?:\(a\)|a)?|\bpisze|\bпишет|\bписал(?:\(а\)|а)?"
    r"|\bнаписал(?:\(а\)|а)?|\bkirjoitti|\bnapsal(?:\(a\)|a)?|\bírta|\bzde|\byazdı|\bέγραψε|\ba scris|כתב(?:/ה)?"
    r"|写道|寫道|書きました|書いた|さんは|のメール|작성|\bва напиша|\bпише|\bha escrit|\bcus(?:ku|ka)|\bwrote back)"
    r"[^\n\w]{0,60}[:：][ \t]*$", re.IGNORECASE)
_ATTRIBUTION_START = re.compile(r"[ \t]*(?:on|am|le|el|il|em|op|den|de|dnia|în|the|at|in|quoting|zitat von|at|w dniu"
                                r"|στις|tarihinde|\d{1,4}[-./年]|mon|tue|wed|thu|fri|sat|sun)\b", re.IGNORECASE)
_ATTRIBUTION_WITH_SCHRIEB = re.compile(r"\bschrieb\b.{0,200}:[ \t]*$", re.IGNORECASE)
_DATED_ADDRESS = re.compile(r"(?:\d{1,2}:\d\d|\d{4}|[\w.+-]@[\w-]).{0,300}[:：][ \t]*$", re.IGNORECASE)
_QUOTE_MARK = re.compile(r"[ \t]{0,3}(?:[A-Za-z]{0,4}>|\|[ \t])")
_FOOTER_RULE = re.compile(r"[_]{20,}[ \t]*$|[-=]{20,}[ \t]*$|--~--~-{5,}|-{5,}-~-+>|_______")
_FOOTER_TEXT = re.compile(r"mailing list|mailman|unsubscribe|listinfo|googlegroups|yahoogroups|sourceforge|\blist\b"
                          r"|https?://|to post|abmelden|désabonn|darse de baja|subscri|\byahoo! groups\b|digest",
                          re.IGNORECASE)
_ARMOUR = {"-----BEGIN PGP SIGNED MESSAGE-----": "", "-----BEGIN PGP SIGNATURE-----": "-----END PGP SIGNATURE-----",
           "-----BEGIN PGP MESSAGE-----": "-----END PGP MESSAGE-----",
           "-----BEGIN PGP PUBLIC KEY BLOCK-----": "-----END PGP PUBLIC KEY BLOCK-----"}
_MAX_FOOTER_LINES = 12
_MAX_BARE_SIGNATURE_LINES = 12


def own_spans(text: str, offset: int = 0) -> list[Span]:
    """[start, end) offsets (plus `offset`) of the author's own lines in one text, blank edges trimmed."""
    lines = text.split("\n")
    theirs = _foreign_lines(lines)
    spans: list[Span] = []
    position, start = 0, -1
    for line, foreign in zip(lines, theirs, strict=True):
        if foreign:
            if start >= 0:
                _add_span(spans, text, start, position, offset)
                start = -1
        elif start < 0:
            start = position
        position += len(line) + 1
    if start >= 0:
        _add_span(spans, text, start, len(text), offset)
    return spans


def _add_span(spans: list[Span], text: str, start: int, end: int, offset: int) -> None:
    piece = text[start:end]
    stripped = piece.strip()
    if stripped:
        lead = len(piece) - len(piece.lstrip())
        spans.append((offset + start + lead, offset + start + lead + len(stripped)))


def _foreign_lines(lines: list[str]) -> bytearray:
    """One flag a line: 1 where it is not the author's."""
    theirs = bytearray(len(lines))
    end = _footer_start(lines)
    theirs[end:] = b"\1" * (len(lines) - end)
    number = 0
    while number < end:
        line = lines[number]
        first = line[:1]
        if first == ">" or (first in " \t|" or line[1:5].find(">") >= 0) and _is_quote(line):
            if not (number and theirs[number - 1]):
                _flag_attribution(lines, number, theirs)
            theirs[number] = 1
        elif first in "-_=*BbAaDdIi \t" and line and (rest := _block_end(lines, number, end)):
            theirs[number:rest] = b"\1" * (rest - number)
            number = rest
            continue
        elif ":" in line[:18] and _is_outlook(lines, number):
            _flag_rule_above(lines, number, theirs)
            theirs[number:end] = b"\1" * (end - number)
            break
        number += 1
    return theirs


def _is_quote(line: str) -> bool:
    match = _QUOTE_MARK.match(line)
    if not match:
        return False
    # "|" alone also draws tables: those have a second bar.
    return "|" not in match[0] or line.count("|") == 1


def _block_end(lines: list[str], number: int, end: int) -> int:
    """Line after a signature, forwarded block or armour that starts at `number`; 0 where none does."""
    line = lines[number]
    if line == "-- " or line == "--" and _short_tail(lines, number, end):
        return end
    if line.startswith("-----BEGIN PGP "):
        return _armour_end(lines, number, end)
    if (line[:1] in "-_=* \t" and _ORIGINAL.match(line[:120])) or _BEGIN_FORWARD.match(line[:80]):
        return end
    return 0


def _short_tail(lines: list[str], number: int, end: int) -> bool:
    return sum(1 for line in lines[number + 1:end] if line and line[0] != ">") <= _MAX_BARE_SIGNATURE_LINES


def _armour_end(lines: list[str], number: int, end: int) -> int:
    closing = _ARMOUR.get(lines[number].rstrip())
    if closing is None:
        return 0
    for here in range(number + 1, end):
        line = lines[here].rstrip()
        if line == closing:
            return here + 1
    return end


def _is_outlook(lines: list[str], number: int) -> bool:
    """A From: line with Sent:/Date:/To: below it is Outlook's way to begin a quotation."""
    if not _OUTLOOK_FROM.match(lines[number][:60]):
        return False
    below = [line for line in lines[number + 1:number + 5] if line.strip()]
    return sum(1 for line in below[:3] if _OUTLOOK_SENT.match(line[:60])) >= 2


def _flag_rule_above(lines: list[str], number: int, theirs: bytearray) -> None:
    above = number - 1
    while above >= 0 and not lines[above].strip():
        above -= 1
    if above >= 0 and lines[above].strip("_-= ") == "":
        theirs[above] = 1


def _flag_attribution(lines: list[str], quote: int, theirs: bytearray) -> None:
    """Flag "On ... X wrote:" above a quotation, with up to one blank line between and wrapped over three."""
    last = quote - 1
    while last >= 0 and quote - last <= 2 and not lines[last].strip():
        last -= 1
    if last < 0 or theirs[last] or not lines[last].strip() or len(lines[last]) > 250:
        return
    first = _attribution_start(lines, last, theirs)
    if first >= 0:
        theirs[first:quote] = b"\1" * (quote - first)


def _attribution_start(lines: list[str], last: int, theirs: bytearray) -> int:
    line = lines[last].rstrip()
    if line[-1:] not in ":：":
        return -1
    paragraph = [line]
    for first in range(last, max(last - 4, -1), -1):
        if first < last:
            above = lines[first].rstrip()
            if not above or theirs[first] or len(above) > 250:
                break
            paragraph.insert(0, above)
        joined = " ".join(paragraph)
        if _ATTRIBUTION_START.match(joined) and (_says_wrote(joined) or _DATED_ADDRESS.search(joined[-300:])):
            return first
    return last if _says_wrote(line) or _DATED_ADDRESS.search(line) else -1


def _says_wrote(text: str) -> bool:
    return bool(_ATTRIBUTION_END.search(text[-300:]) or _ATTRIBUTION_WITH_SCHRIEB.search(text[-300:]))


def _footer_start(lines: list[str]) -> int:
    """Line where the list's footer begins (a rule, then a few lines about the list); len(lines) where none does."""
    end = len(lines)
    for number in range(end - 1, max(-1, end - _MAX_FOOTER_LINES - 1), -1):
        line = lines[number]
        if line[:1] in ("_", "-", "=") and _FOOTER_RULE.match(line) and _FOOTER_TEXT.search(
                "\n".join(lines[number + 1:])[:2000]):
            end = number
    return end
