"""What a query names outright: a Message-ID, or a Lojban word as it is spelt."""

from __future__ import annotations

import re

from peewee import PostgresqlDatabase

from models import Message, Reader
from mrilu.mail.headers.identifiers import parse_message_id
from mrilu.mail.thread_keys import node_of
from mrilu.search.conditions import Condition, where
from mrilu.search.grammar import Query

_NAMED = "SELECT s.id FROM definition AS s JOIN word AS w ON w.id = s.word"
_GLOSSED = "SELECT s.id FROM keyword AS k JOIN definition AS s ON s.id = k.definition"
# Some mailers leave out the "@"; then the brackets show that it is a Message-ID.
_MESSAGE_ID = re.compile(r"<[^<>]+>|.*@.*", re.DOTALL)
_H_FOR_APOSTROPHE = re.compile(r"(?<=[aeiouyAEIOUY])[h’](?=[aeiouyAEIOUY])")


def named_messages(query: Query, reader: Reader) -> list[int]:
    """Return what the reader may see of the messages whose Message-ID the query is, brackets or not; newest first."""
    terms = query.terms()
    if len(terms) != 1 or terms[0].operator or not _MESSAGE_ID.fullmatch(terms[0].text):
        return []
    name = parse_message_id(terms[0].text)
    found = reversed(Message.with_message_id(node_of(name), name)) if name else ()
    return [one.id for one in found if reader.may_read(one.restrictions, one.list_ids)]


def named_words(db: PostgresqlDatabase, query: Query, scope: Condition) -> list[int]:
    """Return the definitions of the Lojban word that the query is; "h" and dots are taken for what they stand for."""
    terms = query.terms()
    if any(term.operator or term.negated for term in terms):
        return []
    clause = where(
        Condition("w.word = ANY(%s)", (spellings(" ".join(term.text for term in terms)),)), scope
    )
    named = f"{_NAMED} {clause.sql} ORDER BY s.score DESC NULLS LAST, s.id"
    return [row[0] for row in db.connection().execute(named, clause.parameters)]


def glossed_words(db: PostgresqlDatabase, query: Query, scope: Condition) -> list[int]:
    """Return the definitions that have the query, as it is, for a gloss word."""
    terms = query.terms()
    if any(term.operator or term.negated for term in terms):
        return []
    wanted = " ".join(term.text for term in terms).lower()
    is_gloss = "k.direction = 'from' AND k.place = 0 AND lower(k.text) = %s"
    clause = where(Condition(is_gloss, (wanted,)), scope)
    glossed = f"{_GLOSSED} {clause.sql} ORDER BY s.score DESC NULLS LAST, s.id"
    return list(
        dict.fromkeys(row[0] for row in db.connection().execute(glossed, clause.parameters))
    )


def spellings(text: str) -> list[str]:
    """Return how the dictionary may spell what a user typed: ".a'o", "a’o" and "aho" are a'o."""
    bare = text.strip(" .").replace("’", "'")
    return list(dict.fromkeys([text, bare, bare.lower(), _H_FOR_APOSTROPHE.sub("'", bare)]))
