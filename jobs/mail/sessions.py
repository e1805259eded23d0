"""Sessions at R's prompt "> ", which look like quotations, told from them."""

import re
from functools import lru_cache
from itertools import islice

_CALL = r"[\w.:$@\"]+[ \t]?\(.*[)({,+*/=|&~%-][ \t;]*(?:#.*)?"
_ASSIGNMENT = r"[\w.$@\[\]\"',()]+[ \t]*(?:<<?-|=(?!=))[ \t]*\S.*"
_BARE = r"\?{1,2}[\w.]+|#.*|[A-Za-z.][\w.$@]*(?:\[.*\])?|(?:for|if|while|function)[ \t]?\(.*|[\d.(].*[\d)]|\}"
# Bounded to 200 characters a line, so that backtracking costs nothing.
_CODE = re.compile(rf"[ \t]*>(?:[ \t]+(?:{_CALL}|{_ASSIGNMENT}|{_BARE}))?[ \t]*")
# Two words beside each other, or a quotation in a quotation: no code, told quickly.
_PROSE = re.compile(r"[ \t]*(?:[A-Za-z]{1,12}>|\||>[ \t]*(?:>|[A-Za-z',.]+[ \t]+[A-Za-z]|\Z|\n))")
_STRONG = re.compile(rf"[ \t]*>[ \t]+(?:{_CALL}|{_ASSIGNMENT})[ \t]*")
_OUTPUT = re.compile(r"\n(?:[ \t]*\[\d+[,\]]|\+ |\+$|Error|Warning|Loading|NULL$|\s?<NA>)", re.MULTILINE)
_QUOTED = re.compile(r"\n[ \t]*(?:>[^\n]{0,200}|[A-Za-z]{1,12}>|\|[ \t])")
_ATTRIBUTIONS = ("wrote:", "writes:", "schrieb", "écrit :", "écrit:", "escribió:", "scritto:", "skrev", "escreveu:")
_MAX_LINES = 60
_MAX_QUOTED = 300
_MAX_CHARS = 100_000


def is_code(quote: str) -> bool:
    """Whether all lines of a run that begins with ">" read as R, one of them as an assignment or a call."""
    if _PROSE.match(quote):
        return False
    lines = quote.split("\n", _MAX_LINES)[:_MAX_LINES]
    if not _CODE.fullmatch(lines[0][:200]):
        return False
    lines = [line[:200] for line in lines]
    return all(_CODE.fullmatch(line) for line in lines) and any(_STRONG.fullmatch(line) for line in lines)


def is_output(text: str, position: int) -> bool:
    """Whether R's answer begins right below: "[1] 2", "Error in ...", or the prompt "+ " of a line that goes on."""
    return _OUTPUT.match(text, position) is not None


@lru_cache(maxsize=1)
def holds_prose_quote(text: str) -> bool:
    """Whether anything in the text shows that it answers a mail: quoted lines that are no code, an attribution.

    The answer is kept for the next run of code in the same text.
    """
    text = text[:_MAX_CHARS]
    if any(word in text for word in _ATTRIBUTIONS):
        return True
    quoted = islice(_QUOTED.finditer(text), _MAX_QUOTED)
    return not all(_CODE.fullmatch(match[0][1:]) for match in quoted)
