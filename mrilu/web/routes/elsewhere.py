"""Addresses of older notifications and of other archives: they lead to ours."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from flask import Blueprint, abort, redirect, url_for
from flask.typing import ResponseReturnValue

from models import Message
from mrilu.mail.permalinks import hash_of, permalink_in
from mrilu.runtime.database import database
from mrilu.web import addresses
from mrilu.web.patience import ask_database
from mrilu.web.readers import current_reader
from mrilu.web.routes import messages

pages = Blueprint("elsewhere", __name__)

T = TypeVar("T", bound=Callable[..., Any])
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


# Below which HyperKitty lies: Mailman's suite, its packages, and the large sites (as their Archived-At says).
_HYPERKITTY = ("", "/hyperkitty", "/archives")


def _at_hyperkittys(path: str, places: Iterable[str] = _HYPERKITTY) -> Callable[[T], T]:
    """Return a decorator that has a function answer at an address of each HyperKitty."""

    def answer(function: T) -> T:
        for place in places:
            pages.get(f"{place}/list/{path}")(function)
        return function

    return answer


@_at_hyperkittys("<name>/message/<message_hash>/")
def message_at_hyperkittys(name: str, message_hash: str) -> ResponseReturnValue:
    """Lead from HyperKitty's address of a message to ours: the hash is the same."""
    return redirect(addresses.of_message(_sound(message_hash)), 301)


@_at_hyperkittys("<name>/thread/<message_hash>/")
def thread_at_hyperkittys(name: str, message_hash: str) -> ResponseReturnValue:
    """Lead from HyperKitty's address of a thread to ours."""
    return redirect(addresses.of_thread(_sound(message_hash)), 301)


# Not at the root: there /list/ID/ is a message of a list named "list", as public-inbox has it.
@_at_hyperkittys("<name>/", _HYPERKITTY[1:])
@_at_hyperkittys("<name>/latest", _HYPERKITTY[1:])
@_at_hyperkittys("<name>/<int:year>/<int:number>/", _HYPERKITTY[1:])
def list_at_hyperkittys(name: str, year: int = 0, number: int = 0) -> ResponseReturnValue:
    """Lead from HyperKitty's address of a list, or of one of its months by year and number, to ours.

    Its List-Id is made of the list's address.
    """
    month = f"{year:04}-{number:02}" if 0 < year < 10_000 and number < 100 else ""
    return redirect(addresses.of_list(name.replace("@", "."), month), 301)


@pages.get("/mid/<path:name>", strict_slashes=False)
def message_at_its_id(name: str) -> ResponseReturnValue:
    """Lead from an address that is made of the Message-ID (as RFC 5064's and W3C's) to the message."""
    return messages.message(name.removesuffix("/"))


def _sound(message_hash: str) -> str:
    """Return the hash as ours are written; 404 for what is none, and might make a header of its own."""
    if permalink_in(message_hash) is None:
        abort(404)
    return message_hash.upper()
