"""Terms of a query as SQL conditions on the table that `s` names; every value is a parameter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from models import visible_to
from mrilu.mail.permalinks import permalink_in
from mrilu.search.grammar import Group, Term
from mrilu.search.lexemes import Lexemes, tsquery_of


class Condition(NamedTuple):
    """SQL with %s for its parameters; "" holds always."""

    sql: str
    parameters: tuple[Any, ...] = ()


ALWAYS = Condition("")
_OF_THREAD = """s.node IN (SELECT other.node FROM message AS named JOIN thread_link AS own ON own.node = named.node
  JOIN thread_link AS other USING (thread) WHERE {named})"""


def condition_of(groups: Sequence[Group], lexemes: Lexemes) -> Condition:
    """Return what holds where all the groups do."""
    return both(*(_one_of(group, lexemes) for group in groups))


def both(*conditions: Condition) -> Condition:
    """Return what holds where all the conditions do."""
    given = [one for one in conditions if one.sql]
    return Condition(
        " AND ".join(f"({one.sql})" for one in given),
        tuple(p for one in given for p in one.parameters),
    )


def where(*conditions: Condition) -> Condition:
    """Return the WHERE clause of all the conditions, empty if there is none."""
    joined = both(*conditions)
    return Condition(f"WHERE {joined.sql}", joined.parameters) if joined.sql else ALWAYS


def _one_of(group: Group, lexemes: Lexemes) -> Condition:
    made = [one for term in group if (one := _condition(term, lexemes)).sql]
    return Condition(
        " OR ".join(one.sql for one in made), tuple(p for one in made for p in one.parameters)
    )


def _condition(term: Term, lexemes: Lexemes) -> Condition:
    made = _IN_MAIL[term.operator](term) if term.operator in _IN_MAIL else _in_text(term, lexemes)
    return Condition(f"NOT ({made.sql})", made.parameters) if term.negated and made.sql else made


def _in_text(term: Term, lexemes: Lexemes) -> Condition:
    tsquery = tsquery_of(term, lexemes)
    return Condition("s.search @@ %s::tsquery", (tsquery,)) if tsquery else ALWAYS


def _like(text: str) -> str:
    """Return the pattern that finds `text` anywhere, signs of patterns taken as they are."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def _from(term: Term) -> Condition:
    return Condition("s.from_address ILIKE %s OR s.from_name ILIKE %s", (_like(term.text),) * 2)


def _to(term: Term) -> Condition:
    one = (
        "SELECT FROM jsonb_array_elements({}) AS one WHERE one ->> 0 ILIKE %s OR one ->> 1 ILIKE %s"
    )
    sql = f"EXISTS ({one.format('s.to_addresses')}) OR EXISTS ({one.format('s.cc_addresses')})"
    return Condition(sql, (_like(term.text),) * 4)


def _list(term: Term) -> Condition:
    """A list by its whole id or by the first part of it: r-help finds r-help.r-project.org."""
    name = term.text.strip("<>").lower()
    sql = "EXISTS (SELECT FROM unnest(s.list_ids) AS one WHERE lower(one) = %s OR starts_with(lower(one), %s))"
    return Condition(sql, (name, f"{name}."))


def _before(term: Term) -> Condition:
    return Condition("s.sent_at < %s", (term.date(),))


def _after(term: Term) -> Condition:
    return Condition("s.sent_at >= %s", (term.date(),))


def _has(term: Term) -> Condition:
    return Condition("s.has_attachment")


def _is(term: Term) -> Condition:
    """In a thread with another message that is here."""
    return Condition(
        "EXISTS (SELECT FROM thread_link AS own JOIN thread_link AS other USING (thread) "
        "JOIN message AS mate ON mate.node = other.node WHERE own.node = s.node AND mate.id <> s.id)"
    )


def _thread(term: Term) -> Condition:
    """In the thread of the message with this hash in its address (of its first one, or of any other).

    One that the reader may not hear of is as unknown: else its hash would tell that it is here.
    """
    told = visible_to(term.reader.told(), "named")
    named = " AND ".join(filter(None, ("named.permalink = %s", told.sql)))
    parameters = (permalink_in(term.text), *told.parameters)
    return Condition(_OF_THREAD.format(named=named), parameters)


_IN_MAIL: dict[str, Callable[[Term], Condition]] = {
    "from": _from,
    "to": _to,
    "list": _list,
    "before": _before,
    "after": _after,
    "has": _has,
    "is": _is,
    "thread": _thread,
}
