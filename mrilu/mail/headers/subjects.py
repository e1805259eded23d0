"""Subjects without what mailers and lists put around them, so that the mails of one talk compare equal."""

import re

# Re: and Fwd: as localised mailers write them; with counts "Re[2]:", "Re^3:", "Re(2):", "Re*2:".
_REPLY = (
    "re|aw|sv|vs|antw|antwort|odp|res|r|rif|ref|ynt|atb|υα|απ|σχετ|отв|ответ|на|rép|reponse|réponse|回复"
    "|回覆|答复|答覆|返信|回信|답장|תשובה|رد|bls|vá|vl|yan|nht|hl|ad|svar|回"
)
_FORWARD = (
    "fwd|fw|wg|vb|rv|tr|fs|enc|i|doorst|videresendt|weitergeleitet|пересл|fyi|转发|轉寄|轉發|転送|전달|הועבר"
    "|ΠΡΘ|πρθ"
)
# Alone these are words of a subject ("FYI: ..."), so they only count behind another prefix.
_WEAK = frozenset({"на", "ad", "hl", "fs", "vl", "ref", "fyi", "回"})
_PREFIX = re.compile(
    rf"\s*(?:({_REPLY})|({_FORWARD}))\s?(?:[\[(^*]\s?\d{{1,3}}\s?[\])]?)?\s?[:：][:：\s]*",
    re.IGNORECASE,
)
_TAG = re.compile(r"\s*\[([^\[\]]{1,60})\]\s*")
_SUFFIX = re.compile(r"\s*\(fwd?\)\s*\Z", re.IGNORECASE)
_WAS = re.compile(r"\s*\[?fwd?:\s*(?:(?:re|aw|fwd?):\s*){0,10}(.*?)\]\s*\Z", re.IGNORECASE)
_PATCH_TAG = re.compile(r"(?:rfc|patch|pull|bug|resend|v\d|\d+/\d+|solved|ann)", re.IGNORECASE)
_MAX_PREFIXES = 50
# Threads are found by the cleaned subject: it has to fit into a database's index row (2,700 bytes).
_MAX_CHARS = 500


def clean_subject(subject: str) -> tuple[str, bool]:
    """The subject without reply and forward prefixes, list tags and "(fwd)"; and whether it had a reply prefix.

    Counts and localised prefixes are known. Tags that say something ("[PATCH 2/3]") stay. A subject that is
    nothing but prefixes becomes "".
    """
    text, is_reply, start = subject.strip(), False, 0
    for _ in range(_MAX_PREFIXES):
        if (":" in text or "：" in text) and (prefix := _PREFIX.match(text, start)):
            if not _counts(prefix, start):
                break
            is_reply = is_reply or bool(prefix[1])
            start = prefix.end()
        elif (tag := _TAG.match(text, start)) and not _PATCH_TAG.match(tag[1].strip()):
            if tag.end() == len(text):
                break
            start = tag.end()
        else:
            break
    return _without_suffix(text[start:])[:_MAX_CHARS], is_reply


def _counts(prefix: re.Match[str], start: int) -> bool:
    return start > 0 or (prefix[1] or prefix[2]).lower() not in _WEAK


def _without_suffix(text: str) -> str:
    while (match := _SUFFIX.search(text[-20:])) and match[0]:
        text = text[: len(text) - len(match[0])]
    if text[:5].lower().startswith("[fw") and (match := _WAS.match(text)):
        text = match[1]
    return " ".join(text.split())
