"""A word as the dictionary had it at the end of a day: an address that says the same for ever."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import NamedTuple

from flask import Blueprint, Response, abort, redirect, render_template, request
from flask.typing import ResponseReturnValue

from mrilu.runtime.database import database
from mrilu.web import addresses
from mrilu.web.caching import answer
from mrilu.web.pages import words as shapes
from mrilu.web.patience import ask_database
from mrilu.web.queries import words_then as queries
from mrilu.web.queries.words import DefinitionRow
from mrilu.web.routes.words import preferred_languages, varied
from mrilu.web.templating import shown

pages = Blueprint("words_then", __name__)


class Then(NamedTuple):
    """The definitions of a word at the end of a day, and the days of the changes next to it."""

    day: date
    found: list[DefinitionRow]
    changes: queries.Changes


@pages.get("/w/<path:word>/at/<day>")
def word(word: str, day: str) -> ResponseReturnValue:
    """Show a word's definitions as they were at the end of a day (UTC)."""
    if (then := word_at(word, day)) is None:
        return redirect(addresses.of_word(word))
    if not then.found:
        return _not_yet(word, then)
    name = then.found[0].word
    if name != word:
        return redirect(addresses.of_word_then(name, then.day))
    sections = shapes.sections(then.found, preferred_languages())
    texts = [text for row in then.found for text in (row.text, row.notes, *row.examples)]
    until = addresses.day_after(then.day)
    known = ask_database(lambda: queries.known(database(), shapes.mentioned(texts), until))

    def place(other: str) -> str:
        return addresses.of_word_then(other, then.day)

    def make() -> str:
        return render_template(
            "word_then.html",
            word=name,
            then=then,
            sections=sections,
            rafsi=shapes.all_rafsi(then.found),
            text=lambda text: shapes.linked(text, known, shown, place),
            badges=shapes.badges,
        )

    order = [one.tag for one in sections]
    return varied(answer("word-then", name, then, order, sorted(known), make=make))


def word_at(word: str, text: str) -> Then | None:
    """Return what a word was at the end of the day that `text` names, None for a day to come; 404 for no day."""
    if (day := addresses.day_in(text)) is None:
        abort(404)
    if day > datetime.now(UTC).date():
        return None
    since, until = datetime.combine(day, time(), UTC), addresses.day_after(day)
    return ask_database(
        lambda: Then(
            day,
            queries.definitions(database(), word, until),
            queries.changes(database(), word, since, until),
        )
    )


@pages.get("/w/<path:word>/at")
def choose(word: str) -> ResponseReturnValue:
    """Lead from the form, which has the day as ?day=, to the page of that day."""
    day = addresses.day_in(request.args.get("day", ""))
    return redirect(
        addresses.of_word_then(word, day) if day else f"{addresses.of_word(word)}/history"
    )


def _not_yet(word: str, then: Then) -> ResponseReturnValue:
    beginning = ask_database(lambda: queries.beginning(database()))
    asked = word if queries.names_of(word) else ""
    page = render_template("word_not_yet.html", word=asked, then=then, beginning=beginning)
    return Response(page, 404)
