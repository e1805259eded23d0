"""The JSON beside the pages of words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flask import Response, abort, redirect, url_for
from flask.typing import ResponseReturnValue

from mrilu.notifications.compose import readable_definition
from mrilu.runtime.database import database
from mrilu.web import addresses
from mrilu.web.api import rows
from mrilu.web.json_answers import fit_to_show, further_page, json_answer
from mrilu.web.patience import ask_database
from mrilu.web.queries import words as queries
from mrilu.web.routes import words as word_pages
from mrilu.web.routes.words_then import word_at


def word(word: str) -> Response:
    """Return the definitions of a word."""
    found = ask_database(lambda: queries.definitions(database(), word)) or abort(404)
    name = found[0].word
    facts = {"word": name, "url": addresses.of_word(name), "definitions": _definitions(found)}
    return json_answer("word", facts)


def word_then(word: str, day: str) -> ResponseReturnValue:
    """Return the definitions of a word at the end of a day."""
    if (then := word_at(word, day)) is None:
        return redirect(url_for("api.word", word=word))
    name = (then.found or abort(404))[0].word
    changed = then.changes._asdict().items()
    return json_answer(
        "word-then",
        {
            "word": name,
            "url": addresses.of_word_then(name, then.day),
            "at": then.day.isoformat(),
            **{label: one.isoformat() for label, one in changed if one},
            "definitions": _definitions(then.found),
        },
    )


def _definitions(found: Iterable[queries.DefinitionRow]) -> list[dict[str, Any]]:
    return [
        {
            "id": one.source_id,
            "language": one.tag,
            "type": one.type,
            "rafsi": one.rafsi,
            "definition": readable_definition(one.text),
            "notes": readable_definition(one.notes),
        }
        for one in found
    ]


def word_history(word: str) -> Response:
    """Return what was recorded of a word's definitions."""
    found, further = word_pages.versions_of(word)
    versions = [_version(one) for one in found]
    facts = {"word": word, "url": f"{addresses.of_word(word)}/history", "versions": versions}
    return json_answer("word-history", facts | further_page(before=str(further or "")))


def _version(one: queries.VersionRow) -> dict[str, Any]:
    return {
        "id": one.source_id,
        "language": one.tag,
        "version": one.version,
        "change": one.change,
        "bulk": one.bulk,
        "recorded_at": rows.time_of(one.recorded_at),
        "definition": fit_to_show(readable_definition(str(one.content.get("definition") or ""))),
        "notes": fit_to_show(readable_definition(str(one.content.get("notes") or ""))),
    }


def words() -> Response:
    """Return a page of the words of the dictionary."""
    wanted, day = word_pages.wanted_words()
    found, after = word_pages.page_of_words(
        wanted, [wanted.tag, *word_pages.preferred_languages(), "en"]
    )

    def place(name: str) -> str:
        return addresses.of_word_then(name, day) if day else addresses.of_word(name)

    listed = [
        {"word": name, "url": place(name), "type": kind, "meaning": fit_to_show(meaning)}
        for name, kind, meaning in found
    ]
    at = {"at": day.isoformat()} if day else {}
    return word_pages.varied(
        json_answer("words", at | {"words": listed} | further_page(after=after))
    )


VIEWS = (word, word_then, word_history, words)
