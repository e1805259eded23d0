"""Terms of a query as SQL conditions on the table that `s` names; every value is a parameter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from models import visible_to
from mrilu.mail.permalinks import permalink_in
from mrilu.search.eras import HAS_ATTACHMENT
from mrilu.search.grammar import Group, Term
from mrilu.search.lexemes import Lexemes, all_of
from mrilu.search.names import like, list_names


class Condition(NamedTuple):
    """SQL with %s for its parameters; "" holds always."""

    sql: str
    parameters: tuple[Any, ...] = ()


ALWAYS = Condition("")
# The words of a message's subject; an index has them. Asked without weights, which they no longer have.
SUBJECT = "ts_filter(s.search, '{a}')"
# As no index of dates would be asked.
_DATES = {
    "before": "NOT (s.sent_at, 0) >= (%s, 0)",
    "after": "NOT (s.sent_at, 0) < (%s, 0)",
}
# What the index of search holds of a message beside its words (mrilu/search/eras.py).
KEYS = "search_keys(s.sent_at, s.from_name, s.from_address, s.has_attachment)"
_OF_THREAD = """s.node IN (SELECT other.node FROM message AS named JOIN thread_link AS own ON own.node = named.node
  JOIN thread_link AS other USING (thread) WHERE {named})"""


def condition_of(groups: Sequence[Group], lexemes: Lexemes, *, by_date: bool = True) -> Condition:
    """Return what holds where all the groups do; those of words alone are asked for as one tsquery.

    Without `by_date` the index of dates is of no use for it: another knows better.
    """
    plain = [group for group in groups if all(term.is_anywhere for term in group)]
    words = Condition("s.search @@ %s::tsquery", (all_of(plain, lexemes),))
    others = (_one_of(group, lexemes, by_date) for group in groups if group not in plain)
    return both(words if words.parameters[0] else ALWAYS, *others)


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


def _one_of(group: Group, lexemes: Lexemes, by_date: bool) -> Condition:
    made = [one for term in group if (one := _condition(term, lexemes, by_date)).sql]
    return Condition(
        " OR ".join(one.sql for one in made), tuple(p for one in made for p in one.parameters)
    )


def _condition(term: Term, lexemes: Lexemes, by_date: bool) -> Condition:
    if term.operator in _DATES and not by_date:
        made = Condition(_DATES[term.operator], (term.date(),))
    elif term.operator in _IN_MAIL:
        made = _IN_MAIL[term.operator](term)
    else:
        made = _in_text(term, lexemes)
    return Condition(f"NOT ({made.sql})", made.parameters) if term.negated and made.sql else made


def _in_text(term: Term, lexemes: Lexemes) -> Condition:
    tsquery = lexemes.get(term.text, "")
    where = SUBJECT if term.operator == "subject" else "s.search"
    return Condition(f"{where} @@ %s::tsquery", (tsquery,)) if tsquery else ALWAYS


def _from(term: Term) -> Condition:
    named = Condition("s.from_address ILIKE %s OR s.from_name ILIKE %s", (like(term.text),) * 2)
    if term.senders is None:
        return named
    return both(Condition(f"{KEYS} && %s::bigint[]", (list(term.senders),)), named)


def _to(term: Term) -> Condition:
    one = (
        "SELECT FROM jsonb_array_elements({}) AS one WHERE one ->> 0 ILIKE %s OR one ->> 1 ILIKE %s"
    )
    sql = f"EXISTS ({one.format('s.to_addresses')}) OR EXISTS ({one.format('s.cc_addresses')})"
    return Condition(sql, (like(term.text),) * 4)


def _list(term: Term) -> Condition:
    """A list by its whole id or by the first part of it; by the ids that are known to be such, where they are."""
    if term.lists is not None:
        return Condition("s.list_ids && %s::text[]", (list(term.lists),))
    sql = "EXISTS (SELECT FROM unnest(s.list_ids) AS one WHERE lower(one) = %s OR starts_with(lower(one), %s))"
    return Condition(sql, list_names(term.text))


def _before(term: Term) -> Condition:
    return Condition("s.sent_at < %s", (term.date(),))


def _after(term: Term) -> Condition:
    return Condition("s.sent_at >= %s", (term.date(),))


def _has(term: Term) -> Condition:
    return Condition(f"s.has_attachment AND {KEYS} && %s::bigint[]", ([HAS_ATTACHMENT],))


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
