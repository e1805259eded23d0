"""A Lojban word that is in no dictionary, taken apart: a lujvo into its rafsi, a compound of cmavo into these. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

from latkerlo_jvotci import (
    DecompositionError,
    InvalidClusterError,
    NonLojbanCharacterError,
    NotBrivlaError,
    NotZihevlaError,
    analyse_brivla,
    get_veljvo,
)

LONGEST = 60  # characters; the longest lujvo of jbovlaste has 33
_HYPHENS = frozenset(("y", "r", "n", "'y", "y'", "'y'", ""))
_LOJBAN = re.compile(r"[abcdefgijklmnoprstuvxyz']+")
# One cmavo at the beginning: a consonant at most, then vowels, which apostrophes part (CLL 4.2).
_CMAVO = re.compile(
    r"(?:[bcdfgjklmnprstvxz]?(?:ai|ei|oi|au|[aeiou])(?:'(?:ai|ei|oi|au|[aeiou]))*"
    r"|[iu][aeiou](?:'[aeiou])*|[bcdfgjklmnprstvxz]y|y(?:'[aeiou])?)"
)
_NOT_TAKEN_APART = (
    DecompositionError,
    InvalidClusterError,
    NonLojbanCharacterError,
    NotBrivlaError,
    NotZihevlaError,
    IndexError,  # the library's answer to some texts that are no words
)


class Part(NamedTuple):
    """A piece of a word as it stands there, and the word that it stands for ("" where the library knows none)."""

    piece: str
    word: str


def bare(word: str) -> str:
    """Return a word in the spelling of dictionaries: "h" is an apostrophe, no commas, no dots around."""
    return word.strip(" .").lower().replace("’", "'").replace("h", "'").replace(",", "")


def lujvo_parts(word: str) -> list[Part]:
    """Return the rafsi of a lujvo with what they stand for; none for any other word, and for a false split.

    The library makes the lujvo again of what it found and compares ("tosmabru" is to smabru, "ju'anai" no brivla).
    """
    wanted = bare(word)
    if len(wanted) > LONGEST or not _LOJBAN.fullmatch(wanted) or wanted[-1] not in "aeiou":
        return []
    try:
        kind, pieces = analyse_brivla(wanted)
        if kind != "LUJVO":
            return []
        sources = get_veljvo(wanted)
    except _NOT_TAKEN_APART:
        return []
    rafsi = [one for one in pieces if one not in _HYPHENS]
    if len(rafsi) != len(sources) or len(rafsi) < 2:
        return []
    return [
        Part(piece, "" if "-" in source else source)
        for piece, source in zip(rafsi, sources, strict=True)
    ]


def cmavo_parts(word: str) -> list[str]:
    """Return the cmavo that a compound is written of ("ju'anai": ju'a nai); none for anything else, or one alone."""
    wanted, found, place = bare(word), [], 0
    if len(wanted) > LONGEST:
        return []
    while place < len(wanted):
        match = _CMAVO.match(wanted, place)
        if not match or (place and wanted[place] in "aeiouy"):
            return []
        found.append(match[0])
        place = match.end()
    return found if len(found) > 1 else []
