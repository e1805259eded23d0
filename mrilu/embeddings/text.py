"""Which text of a definition, a sentence pair or a message is embedded. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import NamedTuple
from uuid import UUID

from mrilu.dictionary.markup import plain

# Raise it when another text is made of the same source: the texts are then made again, and those that came out
# different are embedded again.
RECIPE = 2

NOTES_MAY_OUTWEIGH = 1.0  # notes longer than the definition times this drown it
NAME_TYPES = ("cmevla", "cmene")
SUBJECT_CHARS = 200

_SPACE = re.compile(r"\s+")


class Gloss(NamedTuple):
    """A gloss word (place 0) or a place keyword of a definition, with the sense that distinguishes homonyms."""

    text: str
    sense: str
    place: int


def definition_text(kind: str, definition: str, notes: str, glosses: Iterable[Gloss]) -> str:
    """Return what a definition means, in one paragraph: gloss words first, then the definition, then place keywords.

    Without gloss words the notes join the definition, unless they are longer and would drown it. `kind` is the
    word's type: names are marked as such. Jbovlaste's markup ($x_{1}$, {word}) is taken out.
    """
    listed = list(glosses)
    names = [_sensed(one) for one in listed if not one.place]
    parts = ["; ".join(dict.fromkeys(names)), plain(definition)]
    if not names and len(notes) <= len(definition) * NOTES_MAY_OUTWEIGH:
        parts.append(plain(notes))
    places = dict.fromkeys(_sensed(one) for one in listed if one.place)
    parts.append("; ".join(places))
    marked = ["name"] if any(one in kind for one in NAME_TYPES) else []
    return ". ".join([*marked, *(part.strip(" .") for part in parts if part.strip(" ."))])


def _sensed(gloss: Gloss) -> str:
    return f"{gloss.text} ({gloss.sense})" if gloss.sense else gloss.text


def sentence_text(english: str) -> str:
    """Return what a sentence pair means: its English, which is what the model was trained on."""
    return _SPACE.sub(" ", english).strip()


def message_head(subject: str) -> str:
    """Return what stands before each piece of a message: its subject without "Re:", which names its topic."""
    return _SPACE.sub(" ", subject).strip()[:SUBJECT_CHARS]


def message_piece(head: str, piece: str) -> str:
    """Return the text of one piece of a message, under its subject."""
    body = _SPACE.sub(" ", piece).strip()
    return f"{head}\n{body}" if head and body else head or body


def text_hash(text: str) -> UUID:
    """Return 16 bytes by which equal texts are known, whoever wrote them."""
    return UUID(bytes=hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).digest())
