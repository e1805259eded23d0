"""The words of the dictionary: their pages, what was said before, the index, suggestions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple

from flask import (
    Blueprint,
    Response,
    abort,
    current_app,
    redirect,
    render_template,
    request,
)
from flask.typing import ResponseReturnValue

from mrilu.runtime.database import database
from mrilu.web import addresses
from mrilu.web.caching import answer
from mrilu.web.glosses_kept import meaning_of
from mrilu.web.kept import Kept
from mrilu.web.pages import words as shapes
from mrilu.web.pages.charts import years_chart
from mrilu.web.pages.lujvo import cmavo_parts, lujvo_parts
from mrilu.web.patience import ask_database
from mrilu.web.queries import archive, word_index, word_uses, words_then
from mrilu.web.queries import words as queries
from mrilu.web.queries.archive import MessageRow
from mrilu.web.queries.words import DefinitionRow
from mrilu.web.readers import current_reader, readable
from mrilu.web.templating import shown

pages = Blueprint("words", __name__)

MOST_NUMBER = 2**62
MOST_SUGGESTED = 10
MOST_LANGUAGES = 10  # of those that a browser asks for


class _Around(NamedTuple):
    """What stands around a word's definitions: costly to ask, and kept for a while."""

    sentences: list[queries.SentenceRow]
    mentioned_by: list[str]
    nearest: list[str]
    uses: word_uses.Uses


class _Piece(NamedTuple):
    """A piece of a word that was taken apart, with the word that it stands for and what that means."""

    piece: str
    word: str
    gloss: str


@pages.get("/w/<path:word>")
def word(word: str) -> ResponseReturnValue:
    """Show a word's definitions by language (?lang= shows one), and what is around them."""
    found = ask_database(lambda: queries.definitions(database(), word))
    if not found:
        return _unknown(word)
    name = found[0].word
    if name != word:
        return redirect(_address(name))
    every = shapes.sections(found, preferred_languages())
    tag = request.args.get("lang", "")
    chosen = [one for one in every if one.tag == tag]
    texts = [text for row in found for text in (row.text, row.notes, *row.examples)]
    known = ask_database(lambda: queries.known(database(), shapes.mentioned(texts)))
    around = _around(every[0].definitions[0])
    used = _readable_uses(around.uses)
    order = [one.tag for one in chosen or every]
    facts = (name, found, order, sorted(known), around, [row.version() for row in used.values()])

    def make() -> str:
        return render_template(
            "word.html",
            word=name,
            sections=chosen or every,
            languages=every,
            tag=tag if chosen else "",
            rafsi=shapes.all_rafsi(found),
            text=lambda text: shapes.linked(text, known, shown),
            badges=shapes.badges,
            around=around,
            used=used,
            chart=years_chart(around.uses.years, f"mails that use {name} by year"),
            robots="noindex" if tag else "",
        )

    return varied(answer("word", *facts, bool(tag), make=make))


@pages.get("/w/<path:word>/history")
def history(word: str) -> ResponseReturnValue:
    """Show what was recorded of a word's definitions, newest first, with differences; ?before= goes on."""
    rows, further = versions_of(word)

    def make() -> str:
        return render_template(
            "word_history.html",
            word=word,
            versions=[shapes.version(row, shown) for row in rows],
            further=further,
        )

    return answer("word-history", word, [row[:8] for row in rows], make=make)


def versions_of(word: str) -> tuple[list[queries.VersionRow], int | None]:
    """Return a page of what was recorded of a word, and ?before= of the next page; 404 where nothing was."""
    before = request.args.get("before", "")
    number = int(before) if before.isascii() and before.isdigit() and len(before) < 19 else 0
    asked = word.isprintable() and len(word) <= queries.LONGEST
    rows = (
        ask_database(lambda: queries.versions(database(), word, number or MOST_NUMBER))
        if asked
        else []
    )
    return rows or abort(404), rows[-1].id if len(rows) == queries.MOST_VERSIONS else None


@pages.get("/w/")
def index() -> ResponseReturnValue:
    """Show the words: ?q= with * and ?, ?type=, ?lang=, as they were on ?at=; ?after= goes on."""
    wanted, day = wanted_words()
    state = ask_database(lambda: word_index.state(database()))
    tags = [wanted.tag, *preferred_languages(), "en"]

    def make() -> str:
        rows, after = page_of_words(wanted, tags)
        kinds, languages, letters = _facets(state)
        return render_template(
            "words.html",
            wanted=wanted,
            at=day,
            rows=rows,
            after=after,
            types=kinds,
            languages=languages,
            letters=letters,
        )

    return varied(answer("words", wanted, state, tags, make=make))


def wanted_words() -> tuple[word_index.Wanted, date | None]:
    """Return which words are asked for, and the day at whose end, None for now; 404 for an ?at= that is no day."""
    args = request.args
    text = args.get("q", "").strip(" .")[: word_index.LONGEST]
    day = addresses.day_in(args.get("at", ""))
    if args.get("at") and day is None:
        abort(404)
    wanted = word_index.Wanted(
        text if text.isprintable() else "",
        args.get("type", "")[:100],
        args.get("lang", "")[:40],
        _after(args.get("after", "")),
        addresses.day_after(day) if day else None,
    )
    return wanted, day


def page_of_words(
    wanted: word_index.Wanted, tags: Sequence[str]
) -> tuple[list[tuple[str, str, str]], str]:
    """Return a page of words (name, type, meaning), and where the next one begins, "" on the last."""

    def ask() -> tuple[list[Any], dict[str, queries.GlossRow]]:
        found = word_index.words(database(), wanted, word_index.A_PAGE + 1)
        names = [one[1] for one in found[: word_index.A_PAGE]]
        if wanted.until is None:
            return found, queries.glosses(database(), names, tags)
        return found, words_then.glosses(database(), names, tags, wanted.until)

    rows, meant = ask_database(ask)
    here = rows[: word_index.A_PAGE]
    after = f"{here[-1][0]}:{here[-1][1]}" if len(rows) > len(here) else ""
    return [(name, kind, meaning_of(meant.get(name))) for _, name, kind in here], after


@pages.get("/w/suggest")
def suggest() -> ResponseReturnValue:
    """Return words that begin as ?q= does, the word itself first, as OpenSearch suggestions (JSON)."""
    text = request.args.get("q", "").strip(" .")[: word_index.LONGEST]
    names: list[str] = []
    if text and text.isprintable():
        wanted = word_index.Wanted(text)
        found = ask_database(lambda: word_index.words(database(), wanted, MOST_SUGGESTED))
        names = [name for _, name, _ in found]
    tags = [*preferred_languages(), "en"]
    meant = ask_database(lambda: queries.glosses(database(), names, tags)) if names else {}
    site = str(current_app.config["SITE_URL"]).rstrip("/")
    suggested = [
        text,
        names,
        [meaning_of(meant.get(one)) for one in names],
        [f"{site}{addresses.of_word(one)}" for one in names],
    ]

    def make() -> Response:
        return Response(json.dumps(suggested), content_type="application/x-suggestions+json")

    return varied(answer("suggest", suggested, make=make))


@pages.get("/opensearch.xml")
def opensearch() -> ResponseReturnValue:
    """Return the description by which a browser searches the dictionary from its address bar (OpenSearch 1.1)."""
    site = str(current_app.config["SITE_URL"]).rstrip("/") or request.host_url.rstrip("/")

    def make() -> Response:
        told = render_template("opensearch.xml", site=site)
        return Response(told, content_type="application/opensearchdescription+xml")

    return answer("opensearch", site, make=make)


def _unknown(word: str) -> ResponseReturnValue:
    """Take a word that is no entry apart (404 all the same: it is none), or name words that are spelt nearly so."""
    asked = word if word.isprintable() and len(word) <= queries.LONGEST else ""
    parts = _pieces(asked)
    near = ask_database(lambda: queries.alike(database(), asked)) if asked and not parts else []
    gone = ask_database(lambda: queries.versions(database(), asked, MOST_NUMBER)) if asked else []
    return render_template(
        "word_unknown.html", word=asked, parts=parts, near=near, gone=bool(gone)
    ), 404


def _pieces(word: str) -> list[_Piece]:
    """Return what a lujvo or a compound of cmavo is made of; none unless all of a compound are entries."""
    if not word:
        return []
    tags = [*preferred_languages(), "en"]
    if pieces := lujvo_parts(word):
        sources = [(one.piece, one.word or _word_of(one.piece)) for one in pieces]
    else:
        sources = [(one, one) for one in cmavo_parts(word)]
    meant = ask_database(
        lambda: queries.glosses(database(), [source for _, source in sources], tags)
    )
    if not pieces and not all(source in meant for _, source in sources):
        return []
    return [_Piece(piece, source, meaning_of(meant.get(source))) for piece, source in sources]


def _word_of(rafsi: str) -> str:
    return ask_database(lambda: queries.of_rafsi(database(), rafsi)) or ""


def _around(best: DefinitionRow) -> _Around:
    kept: Kept[_Around] = current_app.extensions["words"]
    reader = current_reader()

    def ask() -> _Around:
        db, name = database(), best.word
        return _Around(
            queries.sentences(db, name),
            queries.mentioned_by(db, name),
            queries.nearest(db, best),
            word_uses.uses(db, name, reader),
        )

    return kept.get((best.word, best.id, reader), lambda: ask_database(ask))


def _readable_uses(uses: word_uses.Uses) -> dict[int, MessageRow]:
    """Return the mails to name that may be seen now: what was withheld meanwhile is left out."""
    ids = [*uses.newest, *([uses.first] if uses.first else [])]
    if not ids:
        return {}
    rows = ask_database(lambda: archive.with_texts(database(), ids))
    return {row.id: row for row in readable(rows, current_reader())}


def _facets(state: object) -> tuple[list[Any], list[Any], list[str]]:
    kept: Kept[tuple[list[Any], list[Any], list[str]]] = current_app.extensions["word_facets"]
    return kept.get(repr(state), lambda: ask_database(lambda: word_index.facets(database())))


def preferred_languages() -> Sequence[str]:
    """Return the tags of the languages that the reader prefers, from Accept-Language."""
    found = [one.lower() for one, _ in request.accept_languages]
    return [one for one in found[:MOST_LANGUAGES] if one.replace("-", "").isalnum()]


def _after(text: str) -> tuple[int, str] | None:
    nearness, sign, name = text.partition(":")
    good = sign and nearness in ("0", "1", "2") and name and name.isprintable()
    return (int(nearness), name[: queries.LONGEST]) if good else None


def varied(made: Response) -> Response:
    """Say that a page depends on the reader's languages."""
    made.headers["Vary"] = "Accept-Language"
    return made


def _address(name: str) -> str:
    query = request.query_string.decode("ascii", "replace")
    return addresses.of_word(name) + (f"?{query}" if query else "")
