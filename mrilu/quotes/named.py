"""Whom the line over a quotation names: "On Monday, Ann wrote:" is no quotation of Bob. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple, Protocol, TypeVar

from mrilu.quotes.words import words_of

SHORTEST = 3  # letters of a word by which a person may be meant


class Person(NamedTuple):
    """An author: the address, and the name in mails."""

    address: str
    name: str


class _Candidate(Protocol):
    @property
    def author(self) -> str: ...
    @property
    def name(self) -> str: ...


class _Piece(Protocol):
    @property
    def candidate(self) -> _Candidate: ...


P = TypeVar("P", bound=_Piece)


class Named:
    """The authors among whom the one that a line names is looked for."""

    def __init__(self, candidates: Sequence[_Candidate]) -> None:
        self._people = dict.fromkeys(Person(one.author, one.name) for one in candidates)

    def possible(self, pieces: Sequence[P], head: str) -> Sequence[P]:
        """Return the pieces without those of people of whom `head` says nothing while it names another author.

        One whose name has a word in common with it may be meant: people shorten their names, and change addresses.
        """
        if not head or not pieces:
            return pieces
        if not any(is_named(one, head) for one in self._people):
            return pieces
        return [piece for piece in pieces if may_be_meant(_person(piece), head)]


def _person(piece: _Piece) -> Person:
    return Person(piece.candidate.author, piece.candidate.name)


@lru_cache(4096)
def is_named(person: Person, head: str) -> bool:
    """Tell whether a line (in small letters) has a person's address, or all words of the name."""
    if person.address and person.address in head:
        return True
    name = words_of(person.name)
    return any(len(one) >= SHORTEST for one in name) and name <= words_of(head)


@lru_cache(4096)
def may_be_meant(person: Person, head: str) -> bool:
    """Tell whether a line may mean a person: it has the address, a word of the name, or there is no name to compare."""
    telling = {one for one in words_of(person.name) if len(one) >= SHORTEST}
    if not telling or person.address and person.address in head:
        return True
    local = words_of(person.address.partition("@")[0])
    said = words_of(head)
    return bool(telling & said) or any(len(one) >= SHORTEST and one in said for one in local)
