"""What a list or a site puts below a mail: Mailman, LISTSERV, Google Groups, GitHub, GitLab, Discourse and others."""

import re

from mrilu.mail.own_words.languages import all_words, first_letters, pattern_of

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
_UNSUBSCRIBE = re.compile(pattern_of(word.lower() for word in all_words("unsubscribe")))


def _candidate(ascii_only: bool) -> re.Pattern[str]:
    """What a footer may begin with.

    A rule of "____", or of two signs that take turns, above words about the list; a banner of "####" or "****", which
    are mostly of the author's making, above words about leaving it; a notice whose first words are known, below a blank
    line or any rule.
    """
    notices = [words for words in all_words("notice") if words.isascii() or not ascii_only]
    dashes = "" if ascii_only else "–—"
    return re.compile(
        rf"\n(?=[-_=.~*#+{dashes}\n])(?:"
        rf"(?P<notice>(?:[-{dashes}_=~*#+]{{1,100}}[ \t]*(?=\n)|(?=\n))\s*+[*_\[(>]{{0,4}}"
        rf"(?={first_letters(notices)}){pattern_of(notices)})"
        r"|(?P<rule>(?![.~*])[-_=.~*]{20,}[^\n]{0,20}|-{10,} Yahoo! Groups[^\n]{0,60})(?=\n)"
        r"|(?P<banner>(?P<sign>[#*=+~])(?P=sign){19,100}[ \t]*)(?=\n))"
    )


_CANDIDATE, _CANDIDATE_ASCII = _candidate(ascii_only=False), _candidate(ascii_only=True)
_MOST_CHARS, _MOST_LINES = 1500, 14


def footer_start(text: str) -> int:
    """Return where the list's footer begins (a rule, then a few lines about the list); len(text) for none."""
    banner = 0
    candidate = _CANDIDATE_ASCII if text.isascii() else _CANDIDATE
    for match in candidate.finditer(text, max(0, len(text) - _MOST_CHARS)):
        if text.count("\n", match.end()) > _MOST_LINES:
            continue
        if match["notice"] or match["rule"] and _is_footer(text[match.end() :].lower()):
            return match.start()
        banner = banner or (match.start() if match["banner"] else 0)
    if banner and _UNSUBSCRIBE.search(text[banner:].lower()):
        return banner
    return len(text)


def _is_footer(tail: str) -> bool:
    return any(word in tail for word in _WORDS) or _LIST_WORD.search(tail) is not None
