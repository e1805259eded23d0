"""What people type into the search box, as clauses. Pure; whatever is typed, only QueryError is raised.

query  = group *( space group )            all groups must hold
group  = term *( space "OR" space term )   one of its terms must hold
term   = ["-"] [operator ":"] ( word | '"' phrase '"' )
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from models import OPERATOR, Reader
from mrilu.mail.permalinks import permalink_in

OPERATORS = ("from", "to", "list", "subject", "before", "after", "has", "is", "thread")
MAX_CHARS, MAX_TERMS = 1000, 64

_TERM = re.compile(
    r'(?P<minus>-?)(?:(?P<name>[A-Za-z]+):)?(?:"(?P<phrase>[^"]*)(?P<close>"?)|(?P<word>[^\s"]*))'
)
# Controls cannot be stored, and halves of surrogate pairs cannot be sent.
_UNSENDABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
_DATE = re.compile(r"(\d{4})(?:-(\d{1,2}))?(?:-(\d{1,2}))?\Z")
_KNOWN_VALUES = {"has": ("attachment",), "is": ("thread",)}


class QueryError(ValueError):
    """The query cannot be understood; `column` (from 1) is where."""

    def __init__(self, reason: str, column: int) -> None:
        super().__init__(f"{reason} (column {column})")
        self.reason, self.column = reason, column


@dataclass(frozen=True)
class Term:
    """One word, phrase or operator with its value; `column` (from 1) is where it stands.

    `senders` and `lists` are what from: and list: name, None where that is not known (mrilu/search/names.py).
    """

    text: str
    column: int
    operator: str = ""
    quoted: bool = False
    negated: bool = False
    reader: Reader = OPERATOR  # who asks: a message that is closed to them names no thread
    senders: tuple[int, ...] | None = None
    lists: tuple[str, ...] | None = None

    @property
    def in_text(self) -> bool:
        """Tell whether it is a word or phrase to be found in a text."""
        return self.operator in ("", "subject")

    @property
    def is_named(self) -> bool:
        """Tell whether it is known whom or which lists the term means."""
        return self.senders is not None or self.lists is not None

    @property
    def is_anywhere(self) -> bool:
        """Tell whether it is a word or phrase that is to be there, wherever in a text."""
        return self.operator == "" and not self.negated

    @property
    def is_wish(self) -> bool:
        """Tell whether it is a plain word: what search by meaning may do without."""
        return not (self.operator or self.quoted or self.negated)

    def date(self) -> datetime:
        """Return the start (UTC) of the day, month or year of before: or after:. Raises QueryError."""
        match = _DATE.match(self.text)
        try:
            year, month, day = (int(part or 1) for part in match.groups()) if match else (0, 0, 0)
            return datetime(year, month, day, tzinfo=UTC)
        except ValueError:
            raise QueryError(
                f"{self.operator}: needs a date as 2024, 2024-03 or 2024-03-31", self.column
            ) from None


Group = tuple[Term, ...]


@dataclass(frozen=True)
class Query:
    """A parsed query: every group must hold, and of a group one term."""

    groups: tuple[Group, ...]

    def asked_by(self, reader: Reader) -> Query:
        """Return the query as this reader may ask it."""
        return Query(
            tuple(tuple(replace(term, reader=reader) for term in group) for group in self.groups)
        )

    def terms(self) -> tuple[Term, ...]:
        """Return all terms in their order."""
        return tuple(term for group in self.groups for term in group)

    def positive_text(self) -> tuple[Group, ...]:
        """Return the groups of words and phrases to be found, other terms left out."""
        groups = (
            tuple(term for term in group if term.in_text and not term.negated)
            for group in self.groups
        )
        return tuple(group for group in groups if group)

    def meaning(self) -> str:
        """Return the text whose meaning is looked for: all that is to be found, without operators."""
        return " ".join(term.text for group in self.positive_text() for term in group)

    def conditions(self) -> tuple[Group, ...]:
        """Return the groups that hold for hits by meaning too: operators, phrases, what is left out."""
        return tuple(group for group in self.groups if not any(term.is_wish for term in group))

    def of_mail(self) -> Term | None:
        """Return the first operator that only mail can answer."""
        return next((term for term in self.terms() if term.operator), None)


def parse(text: str) -> Query:
    """Parse a query. Raises QueryError, whose column is that of the term it is about."""
    clean = _UNSENDABLE.sub(" ", text)
    if len(clean) > MAX_CHARS:
        raise QueryError(f"a query has at most {MAX_CHARS} characters", MAX_CHARS + 1)
    query = Query(tuple(_groups(_scan(clean))))
    terms = query.terms()
    if not terms:
        raise QueryError("there is nothing to look for", 1)
    if len(terms) > MAX_TERMS:
        raise QueryError(f"a query has at most {MAX_TERMS} terms", terms[MAX_TERMS].column)
    if all(term.negated for term in terms):
        raise QueryError(
            "there is only something to leave out, nothing to look for", terms[0].column
        )
    return query


def _scan(text: str) -> list[Term]:
    terms = []
    position = 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        match = _TERM.match(text, position)
        assert match is not None  # it matches the empty text
        position = max(match.end(), position + 1)
        term = _term(match)
        if term is not None:
            terms.append(term)
    return terms


def _term(match: re.Match[str]) -> Term | None:
    """Return the term of one match, None for marks that stand alone."""
    column, name = match.start() + 1, (match["name"] or "").lower()
    quoted = match["phrase"] is not None
    if quoted and not match["close"]:
        raise QueryError('this " is never closed', match.start("phrase"))
    text = (match["phrase"] if quoted else match["word"]).strip()
    if name not in OPERATORS:
        text, name = (f"{match['name']}:{text}" if match["name"] else text), ""
    elif not text:
        raise QueryError(f"{name}: needs a value right behind it", column)
    if not any(letter.isalnum() for letter in text) and not name:
        return None
    return _checked(Term(text, column, name, quoted, bool(match["minus"])))


def _checked(term: Term) -> Term:
    if term.operator in ("before", "after"):
        term.date()
    if term.operator == "thread" and permalink_in(term.text) is None:
        raise QueryError("thread: needs the 32 signs of a thread's address", term.column)
    known = _KNOWN_VALUES.get(term.operator)
    if known and term.text.lower() not in known:
        raise QueryError(f"{term.operator}: knows only {' and '.join(known)}", term.column)
    return term


def _groups(terms: list[Term]) -> list[Group]:
    groups: list[list[Term]] = []
    joining: Term | None = None
    for term in terms:
        if term.text == "OR" and not term.quoted and not term.operator and not term.negated:
            if joining or not groups:
                raise QueryError("OR needs a term on each side", term.column)
            joining = term
        elif joining:
            groups[-1].append(term)
            joining = None
        else:
            groups.append([term])
    if joining:
        raise QueryError("OR needs a term on each side", joining.column)
    return [tuple(group) for group in groups]
