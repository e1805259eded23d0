"""Asked before? The threads nearest in meaning to a thread: a page of its own, for which the thread's does not wait."""

from __future__ import annotations

from flask import Blueprint, abort, current_app, render_template
from flask.typing import ResponseReturnValue

from mrilu.mail.permalinks import hash_of
from mrilu.runtime.database import database
from mrilu.search.asked import AskedThread, like_thread, threads_of
from mrilu.web.patience import ask_database
from mrilu.web.queries import archive as queries
from mrilu.web.readers import current_reader, first_told_of
from mrilu.web.states_kept import thread_state

pages = Blueprint("asked", __name__)

SECONDS = 2.0  # then nothing is shown


@pages.get("/t/<message_hash>/similar/")
def similar(message_hash: str) -> ResponseReturnValue:
    """Show the threads that are nearest in meaning; the thread's page puts them at its end."""
    found, first = like(message_hash)
    return render_template("similar.html", found=found, canonical=hash_of(first))


def like(message_hash: str) -> tuple[list[AskedThread], str]:
    """Return the threads like that of a message, and the Message-ID that it begins with; 404 where there is none."""
    rows = ask_database(lambda: queries.at_hash(database(), message_hash))
    reader = current_reader()
    named = first_told_of(rows, reader)
    if named is None:
        abort(404)
    thread = named.thread

    def find() -> list[int]:
        return ask_database(lambda: like_thread(database(), thread, reader, SECONDS))

    on = bool(current_app.config["EMBEDDING_DEVICE"])
    near = current_app.extensions["similar"].get((thread, reader), find) if on else []
    found = ask_database(lambda: threads_of(database(), near, reader, thread))
    return found, ask_database(lambda: thread_state(database(), thread, reader).state).first
