"""The words of the dictionary."""

from __future__ import annotations

from flask import Blueprint, abort, render_template
from flask.typing import ResponseReturnValue

from mrilu.web.caching import answer
from mrilu.web.patience import ask_database
from mrilu.web.queries import words as queries

pages = Blueprint("words", __name__)


@pages.get("/w/<path:word>")
def word(word: str) -> ResponseReturnValue:
    """Show a word's definitions in all languages."""
    found = ask_database(lambda: queries.definitions(word)) if word.isprintable() else []
    if not found:
        abort(404)

    def make() -> str:
        return render_template("word.html", word=found[0]["word"], definitions=found)

    return answer("word", found, make=make)
