"""The words of the dictionary."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from models import Definition, Language, Word
from mrilu.notifications.compose import readable_definition
from mrilu.web.patience import ask_database

pages = Blueprint("reading", __name__)


@pages.get("/word/<path:word>")
def word_before(word: str) -> ResponseReturnValue:
    """Lead from the address in older notifications to the word."""
    return redirect(url_for("reading.word", word=word), 301)


@pages.get("/w/<path:word>")
def word(word: str) -> ResponseReturnValue:
    """Show a word's definitions in all languages."""
    found = ask_database(lambda: _definitions(word)) if word.isprintable() else []
    if not found:
        abort(404)
    return render_template("word.html", word=found[0]["word"], definitions=found)


def _definitions(word: str) -> list[dict[str, Any]]:
    rows: Any = (
        Definition.select(Definition, Word.word, Word.type, Language.tag, Language.name)
        .join(Word, on=Definition.word == Word.id)
        .switch(Definition)
        .join(Language, on=Definition.language == Language.id)
        .where(Word.word.in_([word, word.strip(" .")]), Definition.gone_at.is_null())
        .order_by(Language.tag, Definition.score.desc(nulls="LAST"), Definition.id)
        .dicts()
    )
    return [
        {
            **row,
            "text": readable_definition(row["text"]),
            "notes": readable_definition(row["notes"]),
        }
        for row in rows
    ]
