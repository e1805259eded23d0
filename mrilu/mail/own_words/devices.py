"""The line that a telephone or a program adds below its owner's words: "Sent from my iPhone" in any language."""

import re

from mrilu.mail.own_words.languages import all_words, pattern_of

# What mail is written on and with; without one of them "Sent from" may be the author's.
_KNOWN = re.compile(
    r"i-?phone|i-?pad|i-?pod|\bios\b|android|galaxy|samsung|xperia|huawei|xiaomi|redmi|\bmi\b|honor|oppo|vivo|oneplus"
    r"|nokia|lumia|pixel|blackberry|motorola|\bmoto\b|\bhtc\b|\blg\b|windows|outlook|hotmail|\bmac(?:book)?\b|g-?mail"
    r"|yahoo|proton|thunderbird|\bk-9|\baol\b|\bgmx\b|web\.de|t-?online|telekom|orange|\bspark\b|airmail|blue ?mail"
    r"|typeapp|zoho|tuta|fastmail|\bhey\b|superhuman|mailbird|em client|postbox|edison|canary|mailspring|missive"
    r"|surface|mail|e-?post|posta\b|pošt|correo|courrier|correio|sähköposti|почт|пошт|поща|αλληλογραφία|דואר|البريد|메일|メール"
    r"|邮|郵|qq|网易|微信|phone|t[eé]l[eé]f|telefon|telefoon|телефон|puhelim|मोबाइल|mobil|móvil|móbil|mobiel|handy"
    r"|tablet|smartphone|cell|device|dispositiv|gerät|appareil|устройств|пристро|スマートフォン|スマホ|携帯|手机|手機"
    r"|휴대폰|휴대전화|스마트폰|갤럭시|아이폰|アイフォン|苹果|華為|华为|小米|三星|iphon|iphonu|avast|avg|\bapp\b|aplica|アプリ"
    r"|front\b|newton|spike|nine\b|sparrow|mutt|evolution|kmail|roundcube|horde|notes|skype|teams|xbox|kindle|watch",
    re.IGNORECASE,
)
# A name of the program that stands alone.
_NAMED = re.compile(
    r"sent (?:from|via|with|using) (?:the )?[A-Z][\w.+'-]*(?: (?:for |on )?[A-Z][\w.+'-]*){0,3}",
)
_LINK = re.compile(
    r"<[^<>\s]{4,500}>|\((?:https?:|www\.|mailto:)[^()\s]{0,500}\)|\bhttps?://\S{1,500}|\bwww\.\S{1,200}"
    r"|\[(?:https?:|cid:|image)[^\[\]]{0,500}\]|[*_\[\]\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
# Programs that offer themselves.
_OFFERED = re.compile(r"\b(?:outlook|blue ?mail|typeapp|mymail|yahoo mail)", re.IGNORECASE)
_OFFERS = tuple(word.casefold() for word in all_words("offers"))
_NEXT_SENTENCE = re.compile(r"[.!?] [^\W\d_]")
_LONGEST_KNOWN = 90
_BLANKS = re.compile(r"\s+")
_EDGES = " .。!-–—|,;:•~"
_RULE = re.compile(r"\n[ \t]*[-_–—=*]{1,40}[ \t]*\Z")
# What a list put in place of a part that it took out.
_FILTERED = ("[[alternative HTML version deleted]]", "[alternative HTML version deleted]")
_LONGEST, _MOST_LINES, _MOST_NOTES = 260, 4, 3


def _template(words: list[str]) -> re.Pattern[str]:
    gap = r" ?\S(?:.{0,100}\S)??"
    written = (
        re.escape(word).replace("\\ …", "…").replace("…\\ ", "…").replace("…", f"{gap} ?")
        for word in words
    )
    return re.compile("|".join(written), re.IGNORECASE)


_ANY_DEVICE, _KNOWN_DEVICE = _template(all_words("mine")), _template(all_words("device"))
_TEMPLATES = {*all_words("mine"), *all_words("device")}
_FIRST = {word.split("…")[0].split(" ")[0] for word in [*_TEMPLATES, *all_words("offers")]} - {""}
_LAST = {word.split("…")[-1].strip() for word in _TEMPLATES if word[0] == "…"} - {""}
_ENDINGS = (*_LAST, *all_words("offers"))
_LAST_TWO = frozenset(word[-2:].casefold() for word in _ENDINGS)
# A look at the first letters of a line is cheap, and enough for nearly all.
_BEGINS = re.compile(
    r"[ \t\xa0–—*_\[(\u200e\u200f\u202a\u202b\u2066\u2067-]{0,6}"
    + pattern_of(form for word in _FIRST for form in (word, word.lower(), word.upper()))
)
_BEHIND_WORDS = _EDGES + "\t\xa0*_])>\u200e\u200f\u202c\u2069"


def end_without_notes(text: str, start: int, end: int) -> int:
    """Return the end of text[start:end] without the lines that telephones and programs put last."""
    for _ in range(_MOST_NOTES):
        if text.endswith(_FILTERED, start, end):
            end = max(start, text.rfind("\n", start, end))
            end = start + len(text[start:end].rstrip())
        note = _note_start(text, start, end)
        if note < 0:
            break
        rule = _RULE.search(text, max(start, note - 60), max(start, note - 1))
        end = start + len(text[start : rule.start() if rule else note].rstrip())
        if end == start:
            break
    return end


def _note_start(text: str, start: int, end: int) -> int:
    """Where the note begins that ends at `end`: the last line, or all of a last paragraph of four at most; -1: none."""
    last = max(start, text.rfind("\n", start, end) + 1)
    if end - last <= _LONGEST and _may_be_note(text, last, end) and _is_note(text[last:end]):
        return last
    first = max(start, text.rfind("\n\n", start, end) + 2) if last > start else last
    if first == last or end - first > _LONGEST or not _BEGINS.match(text, first, end):
        return -1
    whole = text[first:end]
    return first if whole.count("\n") < _MOST_LINES and _is_note(whole) else -1


def _may_be_note(text: str, start: int, end: int) -> bool:
    """Tell quickly whether a note may begin as this line does, or end as it does."""
    if _BEGINS.match(text, start, end):
        return True
    last = text[max(start, end - 6) : end].rstrip(_BEHIND_WORDS)
    return last[-2:].casefold() in _LAST_TWO and text[start:end].rstrip(_BEHIND_WORDS).endswith(
        _ENDINGS
    )


def _is_note(text: str) -> bool:
    plain = _BLANKS.sub(" ", _LINK.sub(" ", text)).strip(_EDGES)
    if _ANY_DEVICE.fullmatch(plain) or _NAMED.fullmatch(plain):
        return True
    if len(plain) > _LONGEST_KNOWN or _NEXT_SENTENCE.search(plain):
        return False
    return bool(_KNOWN_DEVICE.fullmatch(plain) and _KNOWN.search(plain)) or _is_offer(plain)


def _is_offer(plain: str) -> bool:
    folded = plain.casefold()
    return _OFFERED.search(plain) is not None and (
        folded.startswith(_OFFERS) or folded.endswith(_OFFERS)
    )
