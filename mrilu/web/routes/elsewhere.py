"""Addresses of older notifications and of other archives: they lead to ours."""

from __future__ import annotations

from flask import Blueprint, abort, redirect, url_for
from flask.typing import ResponseReturnValue

from models import Message
from mrilu.mail.permalinks import hash_of, permalink_in
from mrilu.runtime.database import database
from mrilu.web import addresses
from mrilu.web.patience import ask_database
from mrilu.web.readers import current_reader

pages = Blueprint("elsewhere", __name__)

_HIGHEST = 2**63 - 1


@pages.get("/word/<path:word>")
def word_before(word: str) -> ResponseReturnValue:
    """Lead from the address in older notifications to the word."""
    return redirect(url_for("words.word", word=word), 301)


@pages.get("/message/<int:number>")
def message_by_number(number: int) -> ResponseReturnValue:
    """Lead from the address in older notifications to the message."""

    def find() -> Message | None:
        database()
        return Message.get_or_none(Message.id == number)

    row = ask_database(find) if number <= _HIGHEST else None
    if row is None or not current_reader().may_read(row.restrictions, row.list_ids):
        abort(404)
    return redirect(addresses.of_message(hash_of(row.message_id)))


@pages.get("/list/<name>/message/<message_hash>/")
@pages.get("/hyperkitty/list/<name>/message/<message_hash>/")
def message_at_hyperkittys(name: str, message_hash: str) -> ResponseReturnValue:
    """Lead from HyperKitty's address of a message to ours: the hash is the same."""
    return redirect(addresses.of_message(_sound(message_hash)), 301)


@pages.get("/list/<name>/thread/<message_hash>/")
@pages.get("/hyperkitty/list/<name>/thread/<message_hash>/")
def thread_at_hyperkittys(name: str, message_hash: str) -> ResponseReturnValue:
    """Lead from HyperKitty's address of a thread to ours."""
    return redirect(addresses.of_thread(_sound(message_hash)), 301)


def _sound(message_hash: str) -> str:
    """Return the hash as ours are written; 404 for what is none, and might make a header of its own."""
    if permalink_in(message_hash) is None:
        abort(404)
    return message_hash.upper()
