"""What a list or a site puts below a mail: Mailman, LISTSERV, Google Groups, GitHub, GitLab, Discourse and others."""

import re

from mrilu.mail.own_words.languages import all_words, first_letters, pattern_of

# A rule of "____", or of two signs that take turns; "****" and "####" are mostly of the author's making.
_RULE = re.compile(r"\n((?![.~*])[-_=.~*]{20,}[^\n]{0,20}|-{10,} Yahoo! Groups[^\n]{0,60})(?=\n)")
_WORDS = (
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
# Below this the words have to be about leaving a list.
_BANNER = re.compile(r"\n([#*=+~])\1{19,100}[ \t]*(?=\n)")
_UNSUBSCRIBE = re.compile(pattern_of(word.lower() for word in all_words("unsubscribe")))
# A notice whose first words are known, below a blank line or any rule.
_NOTICES = all_words("notice")
_NOTICE = re.compile(
    rf"\n(?:[ \t]*[-–—_=~*#+]{{1,100}}[ \t]*(?=\n)|(?=\n))\s*+[*_\[(>]{{0,4}}(?={first_letters(_NOTICES)})"
    rf"{pattern_of(_NOTICES)}"
)
_MOST_CHARS, _MOST_LINES = 1500, 14


def footer_start(text: str) -> int:
    """Return where the list's footer begins (a rule, then a few lines about the list); len(text) for none."""
    tail = text[-_MOST_CHARS:]
    low = len(text) - sum(map(len, pieces := tail.rsplit("\n", _MOST_LINES + 3)[1:])) - len(pieces)
    if match := _NOTICE.search(text, low):
        end = match.start()
    else:
        end = len(text)
    for match in _RULE.finditer(text, low, end):
        if text.count("\n", match.end()) <= _MOST_LINES and _is_footer(text[match.end() :].lower()):
            return match.start()
    for match in _BANNER.finditer(text, low, end):
        if _UNSUBSCRIBE.search(text[match.end() :].lower()):
            return match.start()
    return end


def _is_footer(tail: str) -> bool:
    return any(word in tail for word in _WORDS) or _LIST_WORD.search(tail) is not None
