"""What Lojban words mean, read from the dictionary once and again when it was synced."""

from __future__ import annotations

from typing import NamedTuple

from flask import current_app

from mrilu.notifications.compose import readable_definition
from mrilu.runtime.database import database
from mrilu.web.kept import Kept
from mrilu.web.pages.glosses import Glosses
from mrilu.web.patience import ask_database
from mrilu.web.queries import word_index
from mrilu.web.queries import words as queries
from mrilu.web.templating import shown

MOST_MEANING = 100  # characters


class _Known(NamedTuple):
    """The glosses, and what the dictionary was when they were read."""

    state: list[tuple[str, object]]
    glosses: Glosses


def current_glosses() -> Glosses:
    """Return the glosses of the dictionary, up to GLOSSES_SECONDS old; they are read anew only when it was synced."""
    kept: Kept[_Known] = current_app.extensions["glosses"]
    last: list[_Known] = current_app.extensions["last_glosses"]

    def ask() -> _Known:
        state = ask_database(lambda: word_index.state(database()))
        if not last or last[0].state != state:
            rows = ask_database(lambda: queries.meanings(database()))
            last[:] = [_Known(state, Glosses({row.word: shown(meaning_of(row)) for row in rows}))]
        return last[0]

    return kept.get("", ask).glosses


def meaning_of(row: queries.GlossRow | None) -> str:
    """Return what a word means in a line: its gloss words, or else the beginning of its definition."""
    if row is None:
        return ""
    text = " ".join((row.gloss or readable_definition(row.text)).split())
    return text if len(text) <= MOST_MEANING else f"{text[:MOST_MEANING].rsplit(' ', 1)[0]} …"
