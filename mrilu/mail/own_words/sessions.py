"""Sessions at a program's prompt ("> " of R, ">>> " of Python, "SQL> "), which look like quotations, told from them."""

import re
from functools import lru_cache
from itertools import islice

_CALL = r"[\w.:$@\"]+[ \t]?\(.*[)({,+*/=|&~%-][ \t;]*(?:#.*)?"
_ASSIGNMENT = r"[\w.$@\[\]\"',()]+[ \t]*(?:<<?-|=(?!=))[ \t]*\S.*"
_BARE = r"\?{1,2}[\w.]+|#.*|[A-Za-z.][\w.$@]*(?:\[.*\])?|(?:for|if|while|function)[ \t]?\(.*|[\d.(].*[\d)]|\}"
_PYTHON = (
    r">>>[ \t](?:import[ \t]+[\w.]+.*|from[ \t]+[\w.]+[ \t]+import[ \t].*|[\w.\[\]'\"]+[ \t]*=(?!=).*"
    r"|[\w.]+\(.*[\])}]|print[ \t].*|(?:for|while|if|def|class|with)[ \t].*:)[ \t]*"
)
# Bounded to 200 characters a line, so that backtracking costs nothing.
_CODE = re.compile(
    rf"[ \t]*>(?:[ \t]+(?:{_CALL}|{_ASSIGNMENT}|{_BARE}))?[ \t]*"
    rf"|[ \t]*(?:{_PYTHON}|>>>(?:[ \t]+[\w.\[\]]+)?[ \t]*)"
)
# Two words beside each other, or a quotation in a quotation: no code, told quickly.
_PROSE = re.compile(
    r"[ \t]*(?:[A-Za-z]{1,12}>|\||>[ \t]*(?:>(?!>(?:[ \t]|\n|\Z))|[A-Za-z',.]+[ \t]+[A-Za-z]|\Z|\n))"
)
# An assignment with "=" may be a sentence ("n=5 is too few."): it has two words with blanks alone between them, but for
# R's own, or ends as one.
_EQUALS = re.compile(r"[ \t]*>(?!>)[ \t]+[\w.$@\[\]\"',()]+[ \t]*=(?!=)")
_KEYWORDS = r"(?:function|if|else|for|in|while|repeat|next|break)\b"
_SENTENCE = re.compile(
    rf"(?<![\w.$@%])(?!{_KEYWORDS})[A-Za-z0-9][\w.']*[ \t]+(?!{_KEYWORDS})[A-Za-z][A-Za-z']*(?![\w.$@(\[])"
    r"|[A-Za-z]{2,}[.]\s*$|[a-z)][?!]+\s*$"
)
_NOT_WORDS = re.compile(r"\"[^\"]*\"|'[^']*'|#.*")
_STRONG = re.compile(rf"[ \t]*>[ \t]+(?:{_CALL}|{_ASSIGNMENT})[ \t]*|[ \t]*{_PYTHON}")
# Programs whose prompt is a word that could be somebody's initials or name, as Supercite puts them before a quotation.
_PROMPT = (
    r"(?:SQL|sql|psql|isql|[sl]?ftp|irb|ghci|php|perl|ba?sh|[zck]sh|lua|node|gdb|hive|cmd|CMD|DOS|IDL|gap|Octave"
    r"|Maxima|Prelude|Router|Switch)>"
)
_PROMPTED = re.compile(
    rf"[ \t]{{0,8}}{_PROMPT}(?!>)[^\n]*"
    rf"(?>(?:\n[ \t]{{0,8}}{_PROMPT}(?!>)[^\n]*)*)"
)
_R_PROMPT = re.compile(r"^([ \t]{0,8})R>", re.MULTILINE)
_OUTPUT = re.compile(
    r"\n(?:[ \t]*\[\d+[,\]]|\+ |\+$|Error|Warning|Loading|NULL$|\s?<NA>)", re.MULTILINE
)
_QUOTED = re.compile(r"\n[ \t]*(?:>[^\n]{0,200}|[A-Za-z]{1,12}>|\|[ \t])")
_ATTRIBUTIONS = (
    "wrote:",
    "writes:",
    "schrieb",
    "écrit :",
    "écrit:",
    "escribió:",
    "scritto:",
    "skrev",
    "escreveu:",
)
_MAX_LINES = 60
_MAX_QUOTED = 300
_MAX_CHARS = 100_000


def is_code(quote: str) -> bool:
    """Tell whether all lines of a run that begins with ">" read as R or Python, one of them assigning or calling."""
    if _PROSE.match(quote):
        return False
    lines = quote.split("\n", _MAX_LINES)[:_MAX_LINES]
    if not _CODE.fullmatch(lines[0][:200]):
        return False
    lines = [line[:200] for line in lines]
    return (
        all(_CODE.fullmatch(line) for line in lines)
        and any(_STRONG.fullmatch(line) for line in lines)
        and not any(map(_is_sentence, lines))
    )


def _is_sentence(line: str) -> bool:
    equals = _EQUALS.match(line)
    return bool(equals and _SENTENCE.search(_NOT_WORDS.sub('""', line[equals.end() :])))


def is_prompted(quote: str) -> bool:
    """Tell whether all lines begin with a prompt that names its program, be it "R> " before what reads as R."""
    if _R_PROMPT.match(quote):
        return is_code(_R_PROMPT.sub(r"\1>", quote))
    return _PROMPTED.fullmatch(quote) is not None


def is_output(text: str, position: int) -> bool:
    """Tell whether R's answer begins right below: "[1] 2", "Error in ...", or the prompt "+ " of a longer line."""
    return _OUTPUT.match(text, position) is not None


@lru_cache(maxsize=1)
def holds_prose_quote(text: str) -> bool:
    """Tell whether anything in the text shows that it answers a mail: quoted lines that are no code, an attribution.

    The answer is kept for the next run of code in the same text.
    """
    text = text[:_MAX_CHARS]
    if any(word in text for word in _ATTRIBUTIONS):
        return True
    quoted = islice(_QUOTED.finditer(text), _MAX_QUOTED)
    return not all(_CODE.fullmatch(match[0][1:]) for match in quoted)
